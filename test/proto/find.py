"""C-FIND: levels, matching, what answers hold, cancelling."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.runner import equal, main
from harness.server import Server

TSAN = True

LEVEL = 0x00080052
CHARSET = 0x00080005
PATIENT_ID, NAME, BIRTH, SEX = 0x00100020, 0x00100010, 0x00100030, 0x00100040
STUDY, SERIES, INSTANCE = 0x0020000D, 0x0020000E, 0x00080018
DATE, TIME, ACCESSION, MODALITY = 0x00080020, 0x00080030, 0x00080050, 0x00080060
MODALITIES, NUMBER = 0x00080061, 0x00200013
RETRIEVE_AE, AVAILABLE = 0x00080054, 0x00080056
N_SERIES, N_INSTANCES = 0x00201206, 0x00201208

# patient, name (UTF-8), study, date, time, accession, series, modality, class
IMAGES = [
    ("P1", "Müller^Anna", "1.1", "20250101", "080000", "A1", "1.1.1", "CT"),
    ("P1", "Müller^Anna", "1.1", "20250101", "080000", "A1", "1.1.1", "CT"),
    ("P1", "Müller^Anna", "1.1", "20250101", "080000", "A1", "1.1.2", "SR"),
    ("P1", "Müller^Anna", "1.2", "20250315", "1030", "A2", "1.2.1", "MR"),
    ("P2", "Mueller^Bert", "2.1", "20250315", "101500", "A3", "2.1.1", "CT"),
    ("P3", "山田^太郎", "3.1", "20260102", "23", "B1", "3.1.1", "US"),
    ("Q[4]_%", "O'Neil^Pat", "4.1", "", "", "", "4.1.1", "CT"),
]

VRS = {LEVEL: "CS", CHARSET: "CS", PATIENT_ID: "LO", NAME: "PN", BIRTH: "DA",
       SEX: "CS", STUDY: "UI", SERIES: "UI", INSTANCE: "UI", DATE: "DA",
       TIME: "TM", ACCESSION: "SH", MODALITY: "CS", MODALITIES: "CS",
       NUMBER: "IS", RETRIEVE_AE: "AE", AVAILABLE: "CS", N_SERIES: "IS",
       N_INSTANCES: "IS", 0x00201200: "IS", 0x00201202: "IS",
       0x00201204: "IS", 0x00104000: "LT", 0x00081140: "SQ",
       0x00080201: "SH", 0x00081030: "LO", 0x00080016: "UI",
       0x00080090: "PN"}

CONTEXTS = [(dicom.CT, [dicom.EXPLICIT_LITTLE]),
            (dicom.FIND_STUDY, [dicom.EXPLICIT_LITTLE]),
            (dicom.FIND_PATIENT, [dicom.IMPLICIT_LITTLE]),
            (dicom.FIND_PATIENT_STUDY, [dicom.EXPLICIT_LITTLE])]


def fill(server):
    with dicom.Association(server.dicom_port, CONTEXTS) as a:
        for n, (pid, name, study, date, time, acc, series, mod) in enumerate(
                IMAGES):
            uid = "%s.%d" % (series, n)
            data = dicom.dataset([
                (CHARSET, "CS", "ISO_IR 192"), (0x00080016, "UI", dicom.CT),
                (INSTANCE, "UI", uid), (DATE, "DA", date), (TIME, "TM", time),
                (ACCESSION, "SH", acc), (MODALITY, "CS", mod),
                (NAME, "PN", name), (PATIENT_ID, "LO", pid),
                (STUDY, "UI", study), (SERIES, "UI", series),
                (NUMBER, "IS", str(n))])
            equal(a.store(dicom.CT, uid, data), 0)


class Archive:
    """A filled server and one association with it."""

    def __enter__(self):
        self.server = Server()
        self.server.__enter__()
        fill(self.server)
        self.a = dicom.Association(self.server.dicom_port, CONTEXTS)
        return self

    def __exit__(self, *args):
        if args[0] is None:
            self.a.release()
        self.a.close()
        return self.server.__exit__(*args)

    def find(self, level, keys, model=dicom.FIND_STUDY, status=0):
        elements = [(t, VRS[t], v) for t, v in keys.items()]
        if level is not None:
            elements.append((LEVEL, "CS", level))
        got, answers = self.a.find(model, elements)
        equal(got, status, "status")
        return answers

    def values(self, level, tag, keys, **more):
        keys = {tag: "", **keys}
        return sorted(dicom.as_text(x[tag])
                      for x in self.find(level, keys, **more))


def t_levels():
    with Archive() as f:
        equal(f.values("PATIENT", PATIENT_ID, {}, model=dicom.FIND_PATIENT),
              ["P1", "P2", "P3", "Q[4]_%"])
        equal(f.values("STUDY", STUDY, {}),
              ["1.1", "1.2", "2.1", "3.1", "4.1"])
        equal(f.values("STUDY", STUDY, {PATIENT_ID: "P1"},
                       model=dicom.FIND_PATIENT), ["1.1", "1.2"])
        equal(f.values("SERIES", SERIES, {STUDY: "1.1"}), ["1.1.1", "1.1.2"])
        equal(f.values("IMAGE", INSTANCE, {STUDY: "1.1", SERIES: "1.1.1"}),
              ["1.1.1.0", "1.1.1.1"])
        # Upper keys may be missing.
        equal(f.values("IMAGE", NUMBER, {}), [str(n) for n in range(7)])
        equal(f.values("SERIES", SERIES, {MODALITY: "CT"}),
              ["1.1.1", "2.1.1", "4.1.1"])


def t_patient_study_only():
    """The retired model: two levels."""
    with Archive() as f:
        model = dicom.FIND_PATIENT_STUDY
        equal(f.values("PATIENT", PATIENT_ID, {PATIENT_ID: "P*"},
                       model=model), ["P1", "P2", "P3"])
        (one,) = f.find("STUDY", {STUDY: "1.2"}, model=model)
        equal(dicom.as_text(one[PATIENT_ID]), "P1")
        for level in ("SERIES", "IMAGE"):
            equal(f.find(level, {STUDY: "1.1"}, model, status=0xA900), [])


def t_wrong_levels():
    with Archive() as f:
        for level, keys, model in (
                (None, {STUDY: "1.1"}, dicom.FIND_STUDY),
                ("PATIENT", {}, dicom.FIND_STUDY),
                ("ROOM", {}, dicom.FIND_PATIENT),
                ("", {}, dicom.FIND_PATIENT)):
            equal(f.find(level, keys, model, status=0xA900), [])
            assert f.a.comment
        status, _ = f.a.find(dicom.FIND_STUDY, b"\x08\0\x52\0CS\xff\0ST")
        equal(status, 0xC000)
        equal(len(f.find("STUDY", {})), 5)


def t_uid_lists():
    with Archive() as f:
        equal(f.values("STUDY", STUDY, {STUDY: "1.1\\3.1\\9.9"}),
              ["1.1", "3.1"])
        equal(f.values("STUDY", STUDY, {STUDY: "1.1"}), ["1.1"])
        equal(f.values("STUDY", STUDY, {STUDY: "1."}), [])
        many = "\\".join("7.7.%d" % i for i in range(5000)) + "\\2.1"
        equal(f.values("STUDY", STUDY, {STUDY: many}, model=dicom.FIND_PATIENT),
              ["2.1"])


def t_names():
    with Archive() as f:
        for key, found in (("Müller^Anna", ["P1"]), ("muller^anna", ["P1"]),
                           ("MÜLLER*", ["P1"]), ("*anna*", ["P1"]),
                           ("m?ller^*", ["P1"]), ("mu*", ["P1", "P2"]),
                           ("Müller^Anna^^", ["P1"]), ("o'neil*", ["Q[4]_%"]),
                           ("山田*", ["P3"]), ("*太*", ["P3"]), ("Anna", []),
                           ("*", ["P1", "P2", "P3", "Q[4]_%"])):
            equal(f.values("PATIENT", PATIENT_ID,
                           {NAME: key, CHARSET: "ISO_IR 192"},
                           model=dicom.FIND_PATIENT), found, key)


def t_letters_with_strokes():
    """Letters that Unicode does not take apart: as people type them."""
    people = [("L1", "Łoś^Łukasz"), ("L2", "Sørensen^Bjørn"),
              ("L3", "Işık^Iraz"), ("L4", "Đoković^Đorđe"),
              ("L5", "Þórðarson^Ægir"), ("L6", "O’Neill^Ann"),
              ("L7", "が"), ("L8", "か")]

    def stored(port):
        with dicom.Association(port, CONTEXTS) as a:
            for n, (pid, name) in enumerate(people):
                uid = "7.%d" % n
                equal(a.store(dicom.CT, uid, dicom.dataset([
                    (CHARSET, "CS", "ISO_IR 192"),
                    (0x00080016, "UI", dicom.CT), (INSTANCE, "UI", uid),
                    (0x00080090, "PN", name), (NAME, "PN", name),
                    (PATIENT_ID, "LO", pid), (STUDY, "UI", uid + ".1"),
                    (SERIES, "UI", uid + ".1.1")])), 0)

            # Without ID, two who were two stay two.
            for n, name in enumerate(("Łoś^Ida", "Los^Ida", "łoś^ida")):
                uid = "8.%d" % n
                equal(a.store(dicom.CT, uid, dicom.dataset([
                    (CHARSET, "CS", "ISO_IR 192"),
                    (0x00080016, "UI", dicom.CT), (INSTANCE, "UI", uid),
                    (NAME, "PN", name), (BIRTH, "DA", "19800101"),
                    (STUDY, "UI", uid + ".1"),
                    (SERIES, "UI", uid + ".1.1")])), 0)

    def asked(f):
        equal(f.values("PATIENT", PATIENT_ID, {NAME: "los^ida"},
                       model=dicom.FIND_PATIENT), ["", ""])
        for key, want in (
                ("Los^Lukasz", ["L1"]), ("łoś^ŁUKASZ", ["L1"]),
                ("*lukasz*", ["L1"]), ("sorensen*", ["L2"]),
                ("SØRENSEN^BJØRN", ["L2"]), ("isik^iraz", ["L3"]),
                ("IŞIK*", ["L3"]), ("ışık^ıraz", ["L3"]),
                ("dokovic*", ["L4"]), ("*đorđe", ["L4"]),
                ("thordarson^aegir", ["L5"]), ("?órdarson*", []),
                ("o'neill*", ["L6"]), ("O’NEILL^ANN", ["L6"]),
                ("が", ["L7"]), ("か", ["L8"])):
            for tag in (NAME, 0x00080090):
                equal(f.values("STUDY", PATIENT_ID,
                               {tag: key, CHARSET: "ISO_IR 192"}),
                      want, (hex(tag), key))

    with Archive() as f:
        stored(f.server.dicom_port)
        asked(f)
        f.a.release()
        f.a.close()
        f.server.stop()
        f.server.verb("reindex")
        f.server.verb("check")
        f.server.start()
        f.a = dicom.Association(f.server.dicom_port, CONTEXTS)
        asked(f)


def t_name_in_latin_1():
    with Archive() as f:
        equal(f.values("PATIENT", PATIENT_ID,
                       {NAME: "Müller^Anna".encode("latin-1"),
                        CHARSET: "ISO_IR 100"}, model=dicom.FIND_PATIENT),
              ["P1"])


def t_wild_cards():
    with Archive() as f:
        for key, found in (("A*", ["A1", "A2", "A3"]), ("?1", ["A1", "B1"]),
                           ("a1", []), ("A1", ["A1"]), ("*3", ["A3"]),
                           ("A1 ", ["A1"]), ("??", ["A1", "A2", "A3", "B1"]),
                           ("A1*1", [])):
            equal(f.values("STUDY", ACCESSION, {ACCESSION: key}), found, key)
        for key, found in (("Q[4]_%", ["4.1"]), ("Q[*", ["4.1"]),
                           ("Q_4*", []), ("%", []), ("*_%", ["4.1"]),
                           ("P%", []), ("*' or 1=1 --", [])):
            equal(f.values("STUDY", STUDY, {PATIENT_ID: key}), found, key)


def t_dates_and_times():
    with Archive() as f:
        for key, found in (("20250315", ["1.2", "2.1"]),
                           ("20250101-20250401", ["1.1", "1.2", "2.1"]),
                           ("20250316-", ["3.1"]), ("-20250101", ["1.1"]),
                           ("2025.03.15", ["1.2", "2.1"]),
                           ("19000101-19991231", []),
                           ("", ["1.1", "1.2", "2.1", "3.1", "4.1"])):
            equal(f.values("STUDY", STUDY, {DATE: key}), found, key)
        for key, found in (("10-11", ["1.2", "2.1"]), ("1030", ["1.2"]),
                           ("103000", ["1.2"]), ("-0800", ["1.1"]),
                           ("2300-", ["3.1"]), ("1016-1029", []),
                           ("10", ["1.2", "2.1"])):
            equal(f.values("STUDY", STUDY, {TIME: key}), found, key)


def t_keys_that_are_no_dates():
    """Clear ones are read; what means nothing is told, with its key and value,
    and not answered as if there were no images."""
    with Archive() as f:
        for key, found in (
                ("2025-03-15", ["1.2", "2.1"]), ("2025.03.15", ["1.2", "2.1"]),
                ("2025/03/15", ["1.2", "2.1"]), ("2025-03-15-", ["1.2", "2.1",
                                                                 "3.1"]),
                ("2025-01-01-2025-01-31", ["1.1"]),
                ("-2025-02-28", ["1.1"]), ("20250101 - 20250231", ["1.1"]),
                # Registers' way of not knowing the day.
                ("20250000", []), ("2025", [])):
            equal(f.values("STUDY", STUDY, {DATE: key}), found, key)
        equal(f.values("STUDY", STUDY, {TIME: "10:15:00-24:00:00"}),
              ["1.2", "2.1", "3.1"])
        for tag, key, name in (
                (DATE, "2024AB01-", "StudyDate"), (DATE, "2024AB01", ""),
                (DATE, "20240101-20240131-", "StudyDate"),
                (DATE, "20251301-20251401", "StudyDate"),
                (DATE, "2025-0101", "StudyDate"), (DATE, "2025*", "StudyDate"),
                (TIME, "99", "StudyTime"), (TIME, "10-99", "StudyTime"),
                (TIME, "10:99:00", "StudyTime"), (BIRTH, "x-", "BirthDate")):
            equal(f.find("STUDY", {STUDY: "", tag: key}, status=0xC000), [])
            for part in (key, name, "(%04X,%04X)" % (tag >> 16, tag & 0xffff)):
                assert part in f.a.comment, (key, f.a.comment)
            assert len(f.a.comment) <= 64
        # The association goes on, and what is at no level asked for is no
        # condition.
        equal(len(f.find("STUDY", {STUDY: ""})), 5)
        # To the letter: what a file says can be asked for.
        with dicom.Association(f.server.dicom_port, CONTEXTS) as a:
            equal(a.store(dicom.CT, "9.9", dicom.dataset([
                (0x00080016, "UI", dicom.CT), (INSTANCE, "UI", "9.9"),
                (DATE, "DA", "1 JAN"), (TIME, "TM", "99"),
                (PATIENT_ID, "LO", "ODD"), (STUDY, "UI", "9.1"),
                (SERIES, "UI", "9.1.1")])), 0)
        equal(f.values("STUDY", STUDY, {TIME: "99"}), ["9.1"])
        equal(f.values("STUDY", STUDY, {DATE: "1 JAN"}), ["9.1"])


def t_numbers():
    with Archive() as f:
        for key in ("3", "03", "+3", " 3"):
            equal(f.values("IMAGE", INSTANCE, {NUMBER: key}), ["1.2.1.3"], key)
        equal(f.values("IMAGE", INSTANCE, {NUMBER: "99"}), [])


def t_modalities_and_counts():
    with Archive() as f:
        equal(f.values("STUDY", STUDY, {MODALITIES: "SR"}), ["1.1"])
        equal(f.values("STUDY", STUDY, {MODALITIES: "CT"}),
              ["1.1", "2.1", "4.1"])
        equal(f.values("STUDY", STUDY, {MODALITIES: "M*"}), ["1.2"])
        (one,) = f.find("STUDY", {STUDY: "1.1", MODALITIES: "", N_SERIES: "",
                                  N_INSTANCES: "", 0x00201200: "",
                                  0x00201202: "", 0x00201204: ""})
        equal({dicom.as_text(one[MODALITIES])} & {"CT\\SR", "SR\\CT"} != set(),
              True, one[MODALITIES])
        equal([int(one[t]) for t in (N_SERIES, N_INSTANCES, 0x00201200,
                                     0x00201202, 0x00201204)],
              [2, 3, 2, 3, 4])
        (one,) = f.find("PATIENT", {PATIENT_ID: "P2", 0x00201200: ""},
                        model=dicom.FIND_PATIENT)
        equal(int(one[0x00201200]), 1)


def t_what_answers_hold():
    with Archive() as f:
        (one,) = f.find("SERIES", {SERIES: "3.1.1", MODALITY: "", NAME: "",
                                   DATE: "", 0x00081030: ""})
        equal({t: dicom.as_text(v) for t, v in one.items()}, {
            CHARSET: "ISO_IR 192", LEVEL: "SERIES", STUDY: "3.1",
            SERIES: "3.1.1", MODALITY: "US", NAME: "山田^太郎",
            DATE: "20260102", 0x00081030: "", RETRIEVE_AE: "FILEROOM",
            AVAILABLE: "ONLINE"})
        (one,) = f.find("STUDY", {STUDY: "2.1", NAME: ""},
                        model=dicom.FIND_PATIENT)
        equal({t: dicom.as_text(v) for t, v in one.items()}, {
            LEVEL: "STUDY", STUDY: "2.1", PATIENT_ID: "P2",
            NAME: "Mueller^Bert", RETRIEVE_AE: "FILEROOM",
            AVAILABLE: "ONLINE"})


def t_unsupported_keys():
    """Keys of lower levels are told by the status, and are not returned
    (PS3.4 C.2.2.1.3)."""
    with Archive() as f:
        f.a.query(dicom.FIND_STUDY, dicom.C_FIND, dicom.dataset(
            [(LEVEL, "CS", "STUDY"), (STUDY, "UI", "1.1"),
             (0x00204000, "LT", "x"), (0x00081140, "SQ", b""),
             (0x00091001, "LO", "private"), (MODALITY, "CS", "US")]))
        status, _, data = f.a.response()
        equal(status, 0xFF01)
        answer = dicom.parse(data, dicom.EXPLICIT_LITTLE)
        for tag in (0x00204000, 0x00081140, MODALITY, 0x00091001):
            assert tag not in answer, hex(tag)
        equal(f.a.response()[0], 0)


def t_every_syntax():
    with Archive() as f:
        for syntax in (dicom.IMPLICIT_LITTLE, dicom.EXPLICIT_LITTLE,
                       dicom.EXPLICIT_BIG):
            with dicom.Association(f.server.dicom_port,
                                   [(dicom.FIND_STUDY, [syntax])]) as a:
                status, answers = a.find(dicom.FIND_STUDY, [
                    (LEVEL, "CS", "STUDY"), (STUDY, "UI", "2.1"),
                    (NAME, "PN", "")])
                equal(status, 0)
                equal(dicom.as_text(answers[0][NAME]), "Mueller^Bert")


def t_more_than_a_batch():
    with Server() as server:
        with dicom.Association(server.dicom_port, CONTEXTS) as a:
            for i in range(1203):
                uid = "5.1.%d" % i
                equal(a.store(dicom.CT, uid, dicom.instance(
                    uid, study="5.%d" % (i % 2), series="5.5.%d" % (i % 7),
                    pixels=b"")), 0)
            status, answers = a.find(dicom.FIND_STUDY, [
                (LEVEL, "CS", "IMAGE"), (INSTANCE, "UI", "")])
            equal(status, 0)
            equal(len({x[INSTANCE] for x in answers}), 1203)
            # A cancel that is there before the first answer.
            message = a.message + 1
            context = a.context_for(dicom.FIND_STUDY)
            a.send(
                dicom.p_data(dicom.pdv(context, dicom.command(
                    [(0x0002, dicom.FIND_STUDY), (0x0100, dicom.C_FIND),
                     (0x0110, message), (0x0700, 0), (0x0800, 0)]), True)),
                dicom.p_data(dicom.pdv(context, dicom.dataset(
                    [(LEVEL, "CS", "IMAGE")]))),
                dicom.p_data(dicom.pdv(context, dicom.command(
                    [(0x0100, dicom.C_CANCEL), (0x0120, message),
                     (0x0800, dicom.NO_DATA)]), True)))
            a.next_message()
            count = 0
            while True:
                status, _, _ = a.response()
                if status != 0xFF00:
                    break
                count += 1
            equal(status, 0xFE00)
            assert count < 1203, count
            status, answers = a.find(dicom.FIND_STUDY, [
                (LEVEL, "CS", "STUDY"), (STUDY, "UI", "5.1")])
            equal((status, len(answers)), (0, 1))


def t_abort_while_answering():
    with Archive() as f:
        for _ in range(5):
            a = dicom.Association(f.server.dicom_port, CONTEXTS)
            a.query(dicom.FIND_STUDY, dicom.C_FIND, dicom.dataset(
                [(LEVEL, "CS", "IMAGE")]))
            a.abort()
        equal(len(f.find("STUDY", {})), 5)


def t_identifier_too_large():
    with Archive() as f:
        big = dicom.dataset([(LEVEL, "CS", "STUDY"), (STUDY, "UI", "1.1")])
        big += dicom.header(0x7FE00010, "OW", 5 << 20) + bytes(5 << 20)
        status, _ = f.a.find(dicom.FIND_STUDY, big)
        assert status in (0xC000, 0xA700, 0xA900), hex(status)
        equal(f.a.find(dicom.FIND_STUDY, [
            (LEVEL, "CS", "STUDY"), (PATIENT_ID, "LO", "A" * 30000)])[0],
            0xC000)
        equal(len(f.find("STUDY", {})), 5)


def t_identifier_without_end():
    """It is not read for ever."""
    with Archive() as f, dicom.Association(
            f.server.dicom_port, [(dicom.FIND_STUDY,
                                   [dicom.IMPLICIT_LITTLE])]) as a:
        context = a.context_for(dicom.FIND_STUDY)
        a.send(dicom.p_data(dicom.pdv(context, dicom.command(
            [(0x0002, dicom.FIND_STUDY), (0x0100, dicom.C_FIND),
             (0x0110, 1), (0x0700, 0), (0x0800, 1)]), is_command=True)))
        part = dicom.p_data(dicom.pdv(context, bytes(60000), last=False))
        try:
            while "a data set without end" not in f.server.log():
                a.send(part * 100)
        except OSError:
            pass
        f.server.wait_log("a data set without end")
        a.released = True


if __name__ == "__main__":
    sys.exit(main())
