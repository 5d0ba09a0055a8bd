"""Bringing the studies of another archive here: from a second server of ours,
by C-GET and by C-MOVE, interrupted, and from nodes that limit their answers,
do not count, or give less than they say."""

import csv
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.runner import equal, main
from harness.scp import Scp
from harness.server import Server, free_port, wait_for

TSAN = True

STUDY, DATE, TIME = 0x0020000D, 0x00080020, 0x00080030
COUNT, CLASSES, MODALITIES = 0x00201208, 0x00080062, 0x00080061
LEVEL = 0x00080052
# For what is work, and not one answer.
LONG = 240


def put(server, studies, images=3):
    with dicom.Association(server.dicom_port,
                           [(dicom.CT, [dicom.EXPLICIT_LITTLE])],
                           called="THERE") as a:
        for s in range(studies):
            for i in range(images):
                uid = "1.9.%d.%d" % (s, i)
                equal(a.store(dicom.CT, uid, dicom.instance(
                    uid, study="1.9.%d" % s, series="1.9.%d.0" % s,
                    patient="P%d" % (s % 3))), 0)


def pair(there, here):
    """Each knows the other."""
    here.verb("node", "add", "THERE", "127.0.0.1", str(there.dicom_port))
    there.verb("node", "add", "HERE", "127.0.0.1", str(here.dicom_port))


def two():
    return (Server(settings={"dicom.ae_title": "THERE",
                             "dicom.port": str(free_port())}),
            Server(settings={"dicom.ae_title": "HERE"}))


def have(server):
    """{study: images} of the archive."""
    with dicom.Association(server.dicom_port, [
            (dicom.FIND_STUDY, [dicom.EXPLICIT_LITTLE])],
            called="HERE") as a:
        status, answers = a.find(dicom.FIND_STUDY, [
            (LEVEL, "CS", "STUDY"), (STUDY, "UI", ""), (COUNT, "IS", "")])
        equal(status, 0)
        return {dicom.as_text(v[STUDY]): int(dicom.as_text(v[COUNT]))
                for v in answers}


def report(server, *words, expect=0):
    """The rows of the report of a fetch."""
    path = os.path.join(os.path.dirname(server.data), "report.csv")
    done = server.run("fetch", "THERE", *words, "--report", path)
    equal(done.returncode, expect, done.stdout + done.stderr)
    with open(path, encoding="utf-8", newline="") as f:
        return {r["uid"]: r for r in csv.DictReader(f)}


def t_by_get_and_move():
    for by in ("get", "move"):
        there, here = two()
        with there, here:
            put(there, 7)
            pair(there, here)
            rows = report(here, "--by", by)
            equal(have(here), {"1.9.%d" % i: 3 for i in range(7)}, by)
            equal(len(rows), 7)
            equal(set((r["status"], r["expected"], r["got"], r["reason"])
                      for r in rows.values()), {("done", "3", "3", "")})
            # Once more: all is here, so nothing is sent.
            report(here, "--by", by)
            there.stop()
            equal(sum(int(n) for n in re.findall(
                r"instances in, (\d+) out", there.log())), 21)


def t_as_many_of_others():
    """The same study with as many images here, of which some are not those
    of the node: they come."""
    there, here = two()
    with there, here:
        put(there, 1)
        pair(there, here)
        with dicom.Association(here.dicom_port, [
                (dicom.CT, [dicom.EXPLICIT_LITTLE])], called="HERE") as a:
            for i in range(3):
                uid = "1.9.7.%d" % i
                equal(a.store(dicom.CT, uid, dicom.instance(
                    uid, study="1.9.0", series="1.9.7", patient="P0")), 0)
        for _ in range(2):
            rows = report(here)
            equal((rows["1.9.0"]["status"], rows["1.9.0"]["got"]),
                  ("done", "6"))


def t_odd_uids():
    """Leading zeros and letters, as some devices write them: all the same
    studies, which are fetched, and sent on."""
    there, here = two()
    odd = ["1.02.0003", "1.2.3A.4"]
    with there, here:
        with dicom.Association(there.dicom_port, [
                (dicom.CT, [dicom.EXPLICIT_LITTLE])], called="THERE") as a:
            for study in odd:
                equal(a.store(dicom.CT, study + ".1", dicom.instance(
                    study + ".1", study=study, series=study + ".01")), 0)
        pair(there, here)
        rows = report(here)
        equal({u: r["status"] for u, r in rows.items()},
              dict.fromkeys(odd, "done"))
        equal(have(here), dict.fromkeys(odd, 1))
        equal(here.verb("send", "THERE", *odd)[:4], "job ")
        folder = os.path.join(os.path.dirname(here.data), "got")
        here.verb("get", "THERE", "-o", folder, "--study", odd[0])
        equal(sum(len(files) for _, _, files in os.walk(folder)), 1)


def t_filters():
    there, here = two()
    with there, here:
        put(there, 6)
        pair(there, here)
        equal(sorted(report(here, "--patient", "P1")), ["1.9.1", "1.9.4"])
        equal(sorted(report(here, "--study", "1.9.0", "--study", "1.9.2")),
              ["1.9.0", "1.9.2"])
        equal(len(report(here, "--from", "2026-01-02", "--to", "20260102",
                         "--modality", "CT")), 6)
        for words, status, text in (
                (("--modality", "MR"), 1, "no such study"),
                (("--to", "20250101"), 1, "no such study"),
                (("--from", "today"), 2, "YYYYMMDD"),
                (("--from", "20250102", "--to", "20250101"), 2, "before"),
                (("--study", "x"), 2, "no UID"),
                (("--by", "post"), 2, "get")):
            done = here.run("fetch", "THERE", *words)
            equal(done.returncode, status, words)
            assert text in done.stderr, done.stderr
        equal(here.run("fetch", "NOBODY").returncode, 1)


def t_study_that_is_not_there():
    there, here = two()
    with there, here:
        put(there, 1)
        pair(there, here)
        rows = report(here, "--study", "1.9.0", "--study", "1.9.77", expect=1)
        equal(rows["1.9.0"]["status"], "done")
        equal(rows["1.9.77"]["status"], "failed")
        assert "nothing" in rows["1.9.77"]["reason"], rows


def t_killed_and_started_again():
    """kill -9 of ours in the middle, then of the other: all comes."""
    there, here = two()
    with there, here:
        put(there, 60, 4)
        pair(there, here)
        here.verb("fetch", "THERE")
        wait_for(lambda: len(have(here)) >= 5, LONG, "the first")
        here.kill()
        here.start()
        wait_for(lambda: len(have(here)) >= 20, LONG, "some more")
        there.kill()
        there.start()

        def over():
            state = here.verb("jobs", "list").split()[3]
            if state == "waiting":
                here.run("jobs", "retry", "1")
            return state == "done"

        wait_for(over, LONG, "the end of the job")
        equal(have(here), {"1.9.%d" % i: 4 for i in range(60)})


class Archive:
    """A node that only answers queries: studies are {uid: (date, time)}."""

    def __init__(self, studies, limit=None, refuse=False, by_date=True):
        self.studies, self.limit = studies, limit
        self.refuse, self.by_date = refuse, by_date
        self.finds = 0

    def matches(self, keys):
        date, time = keys.get(DATE, ""), keys.get(TIME, "")
        for uid, (day, hour) in sorted(self.studies.items()):
            if self.by_date and date:
                low, _, high = date.partition("-")
                if not low <= day <= (high or low):
                    continue
            if time:
                low, _, high = time.partition("-")
                if not low <= hour <= high:
                    continue
            yield uid, day, hour

    def __call__(self, a):
        while True:
            number, values, data = a.read_message()
            keys = {t: dicom.as_text(v) for t, v in dicom.parse(
                data, a.contexts[number][1]).items()}
            self.finds += 1
            found = list(self.matches(keys))
            if self.limit is not None and len(found) > self.limit:
                if self.refuse:
                    a.answer(number, values, 0xA700)
                    continue
                found = found[:self.limit]
            with a.in_one_write():
                for uid, day, hour in found:
                    a.answer(number, values, 0xFF00, dicom.dataset(
                        [(LEVEL, "CS", "STUDY"), (STUDY, "UI", uid),
                         (DATE, "DA", day), (TIME, "TM", hour),
                         (COUNT, "IS", "5"), (MODALITIES, "CS", "CT")],
                        a.contexts[number][1]))
                a.answer(number, values, 0)


def named(archive, *words):
    """How many studies a fetch found, and what it said."""
    with Server() as server, Scp(archive) as scp:
        server.verb("node", "add", "THERE", "127.0.0.1", str(scp.port))
        server.stop()
        done = server.run("fetch", "THERE", *words)
        equal(done.returncode, 0, done.stderr)
        return int(done.stdout.split()[2]), done.stderr


def days(n, each=1):
    return {"1.7.%d.%d" % (i, j): ("20%02d%02d%02d" % (
        10 + i // 336, 1 + i // 28 % 12, 1 + i % 28), "%02d0000" % (j % 24))
            for i in range(n) for j in range(each)}


def t_all_is_named():
    """A node without a limit is asked only a few times."""
    archive = Archive(days(1000))
    equal(named(archive)[0], 1000)
    assert archive.finds < 25, archive.finds


def t_limit_that_is_not_told():
    studies = days(1500)
    archive = Archive(studies, limit=200)
    count, said = named(archive)
    equal(count, 1500)
    assert "limits" in said, said


def t_limit_that_is_told():
    equal(named(Archive(days(700), limit=100, refuse=True))[0], 700)


def t_many_on_one_day():
    archive = Archive(days(3, each=24 * 30), limit=150)
    equal(named(archive)[0], 3 * 24 * 30)


def t_limit_within_an_hour():
    studies = {"1.7.%d" % i: ("20200101", "120000") for i in range(400)}
    count, said = named(Archive(studies, limit=150))
    equal(count, 150)
    assert "there may be more" in said and "20200101" in said, said


def t_no_search_by_date():
    archive = Archive(days(900), limit=None, by_date=False)
    count, said = named(archive)
    equal(count, 900)
    assert "not search by date" in said, said
    assert archive.finds < 10, archive.finds


def t_gives_less():
    """The node counts five, and gives two; then one that breaks off."""
    def script(a):
        while True:
            number, values, data = a.read_message()
            model = a.contexts[number][0]
            syntax = a.contexts[number][1]
            if model == dicom.FIND_STUDY:
                a.answer(number, values, 0xFF00, dicom.dataset(
                    [(LEVEL, "CS", "STUDY"), (COUNT, "IS", "5"),
                     (CLASSES, "UI", dicom.CT)], syntax))
                a.answer(number, values, 0)
                continue
            study = dicom.as_text(dicom.parse(data, syntax)[STUDY])
            if study == "1.5.2":
                a.socket.close()
                return
            context = a.context_for(dicom.CT)
            for i in range(2):
                uid = "%s.%d" % (study, i)
                a.send_message(context, dicom.store_command(
                    i + 1, dicom.CT, uid), dicom.instance(
                        uid, study=study, series=study + ".0",
                        syntax=a.contexts[context][1]))
                equal(a.response()[0], 0)
            a.answer(number, values, 0xB000, counts=(0, 2, 3, 0))

    with Server() as server, Scp(script) as scp:
        server.verb("node", "add", "THERE", "127.0.0.1", str(scp.port))
        server.verb("fetch", "THERE", "--study", "1.5.1", "--study", "1.5.2",
                    "--study", "1.5.3")
        server.wait_log("attempt 1 failed")
        lines = server.verb("jobs", "show", "1").splitlines()
        equal([l for l in lines if "1.5.1" in l],
              ["  failed 1.5.1  2 of 5  B000, 3 failed"])
        equal([l for l in lines if "1.5.3" in l],
              ["  failed 1.5.3  2 of 5  B000, 3 failed"])
        assert any(l.startswith("  to do  1.5.2") for l in lines), lines


if __name__ == "__main__":
    sys.exit(main())
