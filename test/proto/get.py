"""C-GET: every level, the syntaxes, what fails and how it is counted,
cancelling."""

import glob
import os
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.runner import equal, main
from harness.server import Server

TSAN = True

LEVEL, PATIENT, STUDY = 0x00080052, 0x00100020, 0x0020000D
SERIES, INSTANCE, PIXELS = 0x0020000E, 0x00080018, 0x7FE00010
FAILED_LIST, ISSUER = 0x00080058, 0x00100021
VRS = {LEVEL: "CS", PATIENT: "LO", STUDY: "UI", SERIES: "UI", INSTANCE: "UI",
       0x00080060: "CS", ISSUER: "LO"}


def objects(study="1.1", count=3, patient="P1", syntax=dicom.EXPLICIT_LITTLE):
    out = {}
    for i in range(count):
        uid = "%s.1.%d" % (study, i)
        out[uid] = dicom.instance(
            uid, study=study, series="%s.%d" % (study, i % 2), patient=patient,
            syntax=syntax, pixels=struct.pack("<HH", i, 0x1234))
    return out


def put(server, items, sop_class=dicom.CT, syntax=dicom.EXPLICIT_LITTLE):
    with dicom.Association(server.dicom_port, [(sop_class, [syntax])]) as a:
        for uid, data in items.items():
            equal(a.store(sop_class, uid, data), 0)


def associate(server, syntaxes=(dicom.EXPLICIT_LITTLE,), scp=True,
              classes=(dicom.CT,), model=dicom.GET_STUDY):
    contexts = [(model, [dicom.EXPLICIT_LITTLE]),
                (dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE])]
    contexts += [(c, [s]) for c in classes for s in syntaxes]
    return dicom.Association(
        server.dicom_port, contexts, user=dicom.user_information(
            more=b"".join(dicom.role(c, False, True) for c in classes)
            if scp else b""))


def get(a, level, keys, model=dicom.GET_STUDY, **more):
    elements = [(t, VRS[t], v) for t, v in keys.items()]
    if level is not None:
        elements.append((LEVEL, "CS", level))
    status, values, got = a.get(model, elements, **more)
    return status, counts(values), {u: d for u, _, d in got}


def counts(values):
    """(completed, failed, warning) of a response."""
    return tuple(struct.unpack("<H", values[t])[0] if t in values else None
                 for t in (0x1021, 0x1022, 0x1023))


def failed_list(a):
    if a.failed_list is None:
        return None
    parsed = dicom.parse(a.failed_list, dicom.EXPLICIT_LITTLE)
    return dicom.as_text(parsed[FAILED_LIST]).split("\\")


def t_levels():
    with Server() as server:
        one, two = objects(), objects("1.2", 2, "P1")
        other = objects("2.1", 1, "P2")
        for items in (one, two, other):
            put(server, items)
        with associate(server) as a:
            status, count, got = get(a, "STUDY", {STUDY: "1.1"})
            equal((status, count), (0, (3, 0, 0)))
            equal(got, one)
            equal(get(a, "SERIES", {STUDY: "1.1", SERIES: "1.1.1"})[2],
                  {u: d for u, d in one.items() if u == "1.1.1.1"})
            equal(get(a, "IMAGE", {INSTANCE: "1.2.1.1"})[2],
                  {u: d for u, d in two.items() if u == "1.2.1.1"})
            equal(get(a, "STUDY", {STUDY: "1.1\\2.1\\9.9"})[2],
                  {**one, **other})
            # The upper key must fit as well; other keys are not looked at.
            equal(get(a, "STUDY", {STUDY: "1.1", PATIENT: "P2"}),
                  (0, (0, 0, 0), {}))
            equal(get(a, "STUDY", {STUDY: "1.1", 0x00080060: "MR"})[2], one)
            equal(get(a, "STUDY", {STUDY: "9.9"}), (0, (0, 0, 0), {}))
            equal(a.failed_list, None)
            equal(a.echo(), 0)
        with associate(server, model=dicom.GET_PATIENT) as a:
            equal(get(a, "PATIENT", {PATIENT: "P1"}, dicom.GET_PATIENT)[2],
                  {**one, **two})


def t_issuer():
    """The same ID of another issuer is somebody else."""
    with Server() as server:
        with dicom.Association(server.dicom_port, [
                (dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
            for uid, issuer in (("5.1", "North"), ("5.2", "South"),
                                ("5.3", "")):
                equal(a.store(dicom.CT, uid, dicom.instance(
                    uid, study=uid + ".0", series=uid + ".0.0", patient="P1",
                    more=[(ISSUER, "LO", issuer)])), 0)
        with associate(server, model=dicom.GET_PATIENT) as a:
            for issuer, want in (("North", ["5.1"]), ("South", ["5.2"]),
                                 ("West", []), ("", ["5.1", "5.2", "5.3"])):
                equal(sorted(get(a, "PATIENT", {
                    PATIENT: "P1", ISSUER: issuer}, dicom.GET_PATIENT)[2]),
                      want, issuer)
            equal(sorted(get(a, "STUDY", {
                STUDY: "5.1.0\\5.2.0", ISSUER: "South"},
                dicom.GET_PATIENT)[2]), ["5.2"])


def t_wrong_identifiers():
    with Server() as server:
        put(server, objects())
        with associate(server) as a:
            for level, keys in ((None, {STUDY: "1.1"}), ("STUDY", {}),
                                ("SERIES", {STUDY: "1.1"}), ("IMAGE", {}),
                                ("PATIENT", {PATIENT: "P1"}),
                                ("STUDY", {STUDY: "\\"})):
                status, _, got = get(a, level, keys)
                equal((status, got), (0xA900, {}), (level, keys))
            equal(get(a, "STUDY", {STUDY: "*"})[2], {})
            equal(len(get(a, "STUDY", {STUDY: "1.1"})[2]), 3)


def t_no_context():
    with Server() as server:
        put(server, objects())
        for more in ({"scp": False}, {"classes": (dicom.MR,)},
                     {"syntaxes": (dicom.JPEG_BASELINE,)}):
            with associate(server, **more) as a:
                equal(get(a, "STUDY", {STUDY: "1.1"}),
                      (0xA702, (0, 3, 0), {}), more)
                equal(sorted(failed_list(a)), sorted(objects()))


def t_some_without_context():
    with Server() as server:
        put(server, objects())
        put(server, {"1.1.9": dicom.instance(
            "1.1.9", dicom.MR, study="1.1", series="1.1.7", patient="P1")},
            dicom.MR)
        with associate(server) as a:
            status, count, got = get(a, "STUDY", {STUDY: "1.1"})
            equal((status, count), (0xB000, (3, 1, 0)))
            equal(got, objects())
            equal(failed_list(a), ["1.1.9"])


def t_converted():
    """Stored in one uncompressed syntax, taken in another."""
    plain = (dicom.IMPLICIT_LITTLE, dicom.EXPLICIT_LITTLE, dicom.EXPLICIT_BIG)
    with Server() as server:
        for n, syntax in enumerate(plain):
            put(server, objects("3.%d" % n, syntax=syntax), syntax=syntax)
        for n, stored in enumerate(plain):
            for taken in plain:
                with associate(server, (taken,)) as a:
                    status, _, got = get(a, "STUDY", {STUDY: "3.%d" % n})
                    equal(status, 0)
                    want = objects("3.%d" % n, syntax=stored)
                    equal(sorted(got), sorted(want))
                    if stored == taken:
                        equal(got, want)
                    for uid, data in got.items():
                        values = dicom.parse(data, taken)
                        equal(dicom.as_text(values[INSTANCE]), uid)
                        equal(dicom.as_text(values[0x00100010]), "Doe^John")


def t_cannot_be_converted():
    """Fragments under the name of an uncompressed syntax: as it is stored it
    can be had; in another syntax it fails, and the others come."""
    items = [struct.pack("<HHI", 0xFFFE, 0xE000, n) + part for n, part in (
        (0, b""), (4, b"\xff\xd8\xff\xd9"))]
    bad = dicom.instance("1.1.1.9", study="1.1", series="1.1.9", pixels=b"")
    bad = bad[:-12] + struct.pack(
        "<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + b"".join(items) \
        + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    with Server() as server:
        put(server, objects(count=1))
        put(server, {"1.1.1.9": bad})
        put(server, {"1.1.1.10": dicom.instance(
            "1.1.1.10", study="1.1", series="1.1.9")})
        with associate(server) as a:
            equal(get(a, "STUDY", {STUDY: "1.1"})[:2], (0, (3, 0, 0)))
        with associate(server, (dicom.IMPLICIT_LITTLE,)) as a:
            status, count, got = get(a, "STUDY", {STUDY: "1.1"})
            equal((status, count), (0xB000, (2, 1, 0)))
            equal(sorted(got), ["1.1.1.0", "1.1.1.10"])
            equal(failed_list(a), ["1.1.1.9"])
            equal(a.echo(), 0)


def t_stored_syntax_is_preferred():
    with Server() as server:
        items = objects(syntax=dicom.IMPLICIT_LITTLE)
        put(server, items, syntax=dicom.IMPLICIT_LITTLE)
        with associate(server, (dicom.EXPLICIT_LITTLE,
                                dicom.IMPLICIT_LITTLE)) as a:
            equal(get(a, "STUDY", {STUDY: "1.1"})[2], items)


def t_answers_of_the_peer_count():
    with Server() as server:
        put(server, objects(count=6))
        states = {"1.1.1.0": 0xB000, "1.1.1.1": 0xA700, "1.1.1.2": 0x0110,
                  "1.1.1.3": 0x0107}
        with associate(server) as a:
            status, count, got = get(
                a, "STUDY", {STUDY: "1.1"}, answer=lambda v, d:
                states.get(dicom.as_text(v[0x1000]), 0))
            equal((status, count), (0xB000, (2, 2, 2)))
            equal(len(got), 6)
            equal(sorted(failed_list(a)), ["1.1.1.1", "1.1.1.2"])
            status, count, _ = get(
                a, "STUDY", {STUDY: "1.1"}, answer=lambda v, d: 0xB000)
            equal((status, count), (0xB000, (0, 0, 6)))
            status, count, _ = get(
                a, "STUDY", {STUDY: "1.1"}, answer=lambda v, d: 0xC000)
            equal((status, count), (0xA702, (0, 6, 0)))


def t_file_gone():
    with Server() as server:
        put(server, objects(count=4))
        paths = sorted(glob.glob(os.path.join(
            server.data, "objects", "2*", "**", "*.dcm"), recursive=True))
        equal(len(paths), 4)
        os.unlink(paths[0])
        with associate(server) as a:
            status, count, got = get(a, "STUDY", {STUDY: "1.1"})
            equal((status, count, len(got)), (0xB000, (3, 1, 0), 3))
            equal(len(failed_list(a)), 1)


def t_many():
    """More than a batch of the index; counts go down to nothing."""
    with Server() as server:
        items = objects("6.1", 1100)
        put(server, items)
        with associate(server) as a:
            status, count, got = get(a, "STUDY", {STUDY: "6.1"})
            equal((status, count), (0, (1100, 0, 0)))
            equal(got, items)


def serve_some(a, message, until):
    """Answers sub-operations; (final status, counts, pending responses)."""
    pending = []
    served = 0
    while True:
        number, values, _ = a.read_message()
        kind = struct.unpack("<H", values[0x0100])[0]
        if kind == dicom.C_STORE:
            served += 1
            if served == until:
                a.cancel(message, dicom.GET_STUDY)
            a.send_message(number, dicom.command(
                [(0x0100, dicom.C_STORE | dicom.RSP),
                 (0x0120, struct.unpack("<H", values[0x0110])[0]),
                 (0x0800, dicom.NO_DATA), (0x0900, 0)]))
            continue
        status = struct.unpack("<H", values[0x0900])[0]
        equal(struct.unpack("<H", values[0x0120])[0], message)
        remaining = struct.unpack("<H", values[0x1020])[0] \
            if 0x1020 in values else None
        if status != 0xFF00:
            return status, remaining, counts(values), pending
        pending.append((remaining,) + counts(values))


def t_pending_and_cancel():
    with Server() as server:
        put(server, objects("6.2", 60))
        identifier = dicom.dataset(
            [(LEVEL, "CS", "STUDY"), (STUDY, "UI", "6.2")])
        with associate(server) as a:
            message = a.query(dicom.GET_STUDY, dicom.C_GET, identifier)
            status, remaining, count, pending = serve_some(a, message, 0)
            equal((status, remaining, count), (0, None, (60, 0, 0)))
            equal(pending[0], (59, 1, 0, 0))
            assert 3 <= len(pending) <= 60
            for remaining, completed, _, _ in pending:
                equal(remaining + completed, 60)
            message = a.query(dicom.GET_STUDY, dicom.C_GET, identifier)
            status, remaining, count, _ = serve_some(a, message, 7)
            equal(status, 0xFE00)
            equal(count, (7, 0, 0))
            equal(remaining, 53)
            equal(a.echo(), 0)


def t_requests_in_between():
    """While a sub-operation is under way a C-ECHO is answered, a C-STORE is
    put off, and the retrieval goes on."""
    with Server() as server:
        items = objects("6.3", 4)
        put(server, items)
        with associate(server) as a:
            a.query(dicom.GET_STUDY, dicom.C_GET, dicom.dataset(
                [(LEVEL, "CS", "STUDY"), (STUDY, "UI", "6.3")]))
            number, values, _ = a.read_message()
            equal(struct.unpack("<H", values[0x0100])[0], dicom.C_STORE)
            equal(a.echo(), 0)
            equal(a.store(dicom.CT, "7.7", dicom.instance("7.7"),
                          context=number), 0x0213)
            a.send_message(number, dicom.command(
                [(0x0100, dicom.C_STORE | dicom.RSP),
                 (0x0120, struct.unpack("<H", values[0x0110])[0]),
                 (0x0800, dicom.NO_DATA), (0x0900, 0)]))
            status, _, count, _ = serve_some(a, 1, 0)
            equal((status, count), (0, (4, 0, 0)))


def t_peer_leaves():
    with Server() as server:
        put(server, objects("6.4", 30))
        for how in ("abort", "close", "release"):
            a = associate(server)
            a.query(dicom.GET_STUDY, dicom.C_GET, dicom.dataset(
                [(LEVEL, "CS", "STUDY"), (STUDY, "UI", "6.4")]))
            a.read_message()
            if how == "abort":
                a.abort()
            elif how == "release":
                a.send(dicom.RELEASE_RQ)
                a.until_closed()
            a.close()
        with associate(server) as a:
            equal(len(get(a, "STUDY", {STUDY: "6.4"})[2]), 30)


def t_stop_of_the_server():
    """It does not wait for a peer that says nothing; one that answers is told
    how many it got."""
    total, errors = 300, []
    with Server({"dicom.timeout_s": "600"}) as server:
        put(server, objects("6.5", total))
        identifier = dicom.dataset(
            [(LEVEL, "CS", "STUDY"), (STUDY, "UI", "6.5")])

        def stop():
            try:
                server.stop()
            except BaseException as e:  # pylint: disable=broad-except
                errors.append(e)

        stopper = threading.Thread(target=stop, daemon=True)
        silent, good = associate(server), associate(server)
        silent.query(dicom.GET_STUDY, dicom.C_GET, identifier)
        silent.read_message()
        good.query(dicom.GET_STUDY, dicom.C_GET, identifier)
        served = 0
        while True:
            number, values, _ = good.read_message()
            if 0x0900 in values:
                status = struct.unpack("<H", values[0x0900])[0]
                if status != 0xFF00:
                    break
                continue
            served += 1
            if served == 2:
                stopper.start()
            # The last one would come after half a minute, and each answer
            # is there in good time.
            time.sleep(0.1 if served > 2 else 0)
            good.send_message(number, dicom.command(
                [(0x0100, dicom.C_STORE | dicom.RSP),
                 (0x0120, struct.unpack("<H", values[0x0110])[0]),
                 (0x0800, dicom.NO_DATA), (0x0900, 0)]))
        equal(status, 0xB000)
        equal(counts(values), (served, total - served, 0))
        assert served < total, served
        stopper.join()
        equal(errors, [])
        assert "broken off" not in server.log()
        silent.until_closed()
        silent.close()
        good.close()


if __name__ == "__main__":
    sys.exit(main())
