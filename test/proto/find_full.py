"""C-FIND beyond the index: attributes of the files, matching of every VR,
sequences, private attributes, extended negotiation, character sets."""

import glob
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.runner import equal, main
from harness.server import Server

LEVEL, CHARSET, ZONE = 0x00080052, 0x00080005, 0x00080201
PATIENT_ID, NAME, COMMENTS = 0x00100020, 0x00100010, 0x00104000
STUDY, SERIES, INSTANCE = 0x0020000D, 0x0020000E, 0x00080018
DATE, TIME, MODALITY, NUMBER = 0x00080020, 0x00080030, 0x00080060, 0x00200013
SIMPLE = [(dicom.CT, [dicom.EXPLICIT_LITTLE, dicom.DEFLATED]),
          (dicom.FIND_STUDY, [dicom.EXPLICIT_LITTLE]),
          (dicom.FIND_PATIENT, [dicom.IMPLICIT_LITTLE])]


def items(*data_sets):
    """A sequence's value: items of defined lengths."""
    return b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(d)) + d
                    for d in data_sets)


def item_list(value):
    """The items of a sequence's value as flat data sets."""
    out, at = [], 0
    while at < len(value):
        group, element, n = struct.unpack_from("<HHI", value, at)
        equal((group, element), (0xFFFE, 0xE000))
        out.append(dicom.parse(value[at + 8:at + 8 + n],
                               dicom.EXPLICIT_LITTLE))
        at += 8 + n
    return out


def code(value, scheme="DCM", more=()):
    return dicom.dataset([(0x00080100, "SH", value),
                          (0x00080102, "SH", scheme), *more])


class Archive:
    """A server, and one association with it that stores and asks."""

    def __init__(self, contexts=SIMPLE, **settings):
        self.contexts, self.settings = contexts, settings

    def __enter__(self):
        self.server = Server(self.settings)
        self.server.__enter__()
        self.a = dicom.Association(self.server.dicom_port, self.contexts)
        self.count = 0
        return self

    def __exit__(self, *args):
        if args[0] is None:
            self.a.release()
        self.a.close()
        return self.server.__exit__(*args)

    def put(self, *more, patient="P1", study="1", series="1", uid=None,
            name="Doe^John", syntax=None, date="20260102", time="101112"):
        """Stores one object; its SOP Instance UID."""
        self.count += 1
        uid = uid or "9.%d" % self.count
        elements = [(0x00080016, "UI", dicom.CT), (INSTANCE, "UI", uid),
                    (DATE, "DA", date), (TIME, "TM", time),
                    (MODALITY, "CS", "CT"), (NAME, "PN", name),
                    (PATIENT_ID, "LO", patient), (STUDY, "UI", study),
                    (SERIES, "UI", study + "." + series),
                    (NUMBER, "IS", str(self.count)),
                    (0x7FE00010, "OW", b"\1\2\3\4"), *more]
        known = {t for t, _, _ in more}
        elements = [e for e in elements if e[0] not in known or e in more]
        data = dicom.dataset(elements)
        equal(self.a.store(dicom.CT, uid, data), 0)
        return uid

    def ask(self, level, keys, model=dicom.FIND_STUDY, status=0xFF00, a=None):
        """The answers; keys as (tag, VR, value)."""
        a = a or self.a
        context = a.context_for(model)
        syntax = a.contexts[context][1]
        a.query(model, dicom.C_FIND, dicom.dataset(
            [(LEVEL, "CS", level), *keys], syntax))
        out = []
        while True:
            got, values, data = a.response()
            a.comment = dicom.as_text(values.get(0x0902, b""))
            if got not in (0xFF00, 0xFF01):
                equal(got, 0, "final status, " + a.comment)
                return out
            equal(hex(got), hex(status), "status of an answer")
            out.append(dicom.parse(data, syntax))

    def found(self, level, *keys, tag=None, **more):
        tag = tag or {"PATIENT": PATIENT_ID, "STUDY": STUDY, "SERIES": SERIES,
                      "IMAGE": INSTANCE}[level]
        keys = [*keys]
        if tag not in [t for t, _, _ in keys]:
            keys.append((tag, "UI", ""))
        return sorted(dicom.as_text(x[tag])
                      for x in self.ask(level, keys, **more))


def t_attributes_of_every_level():
    """The first instance stands for the entity."""
    with Archive() as f:
        f.put((COMMENTS, "LT", "afraid of cats"), (0x00101010, "AS", "040Y"),
              (0x00080070, "LO", "ACME"), (0x00204000, "LT", "first"),
              study="1")
        f.put((COMMENTS, "LT", "likes cats"), (0x00080070, "LO", "ACME"),
              (0x00204000, "LT", "second"), study="1")
        f.put((0x00080070, "LO", "Brand"), study="2", patient="P2")
        (one,) = f.ask("PATIENT", [(COMMENTS, "LT", ""),
                                   (PATIENT_ID, "LO", "P1")],
                       model=dicom.FIND_PATIENT)
        equal(dicom.as_text(one[COMMENTS]), "afraid of cats")
        (one,) = f.ask("STUDY", [(0x00101010, "AS", ""), (STUDY, "UI", "1"),
                                 (COMMENTS, "LT", "*CATS*".lower())])
        equal(dicom.as_text(one[0x00101010]), "040Y")
        equal(f.found("SERIES", (0x00080070, "LO", "A*")), ["1.1"])
        equal(f.found("SERIES", (0x00080070, "LO", "Brand")), ["2.1"])
        equal(f.found("IMAGE", (0x00204000, "LT", "second")), ["9.2"])
        equal(f.found("IMAGE", (0x00204000, "LT", "?????")), ["9.1"])
        # Universal keys that nobody has come back empty.
        for answer in f.ask("IMAGE", [(0x00180015, "CS", ""),
                                      (0x00180050, "DS", "")]):
            equal(answer[0x00180050], b"")
        # Of lower levels: unsupported, without a say, and not returned
        # (PS3.4 C.2.2.1.3).
        (one, other) = f.ask("STUDY", [(0x00204000, "LT", "nothing"),
                                       (NUMBER, "IS", "")], status=0xFF01)
        for tag in (0x00204000, NUMBER):
            equal((tag in one, tag in other), (False, False))
        f.ask("PATIENT", [(0x00101010, "AS", "")], status=0xFF01,
              model=dicom.FIND_PATIENT)


def t_every_vr():
    """Single values by the rules of their VR."""
    with Archive() as f:
        f.put((0x00280010, "US", 512), (0x00189219, "SS", -7),
              (0x00186024, "UL", 70000), (0x00189087, "FD", 0.25),
              (0x00089459, "FL", 1.5), (0x00186020, "SL", -70000),
              (0x00280009, "AT", struct.pack("<HH", 0x18, 0x1063)),
              (0x00180050, "DS", "2.50"), (0x00201002, "IS", "+07"),
              (0x00180010, "LO", "Iodine\\Barium"),
              (0x0008002A, "DT", "20260102101112.5+0100"),
              (0x00181200, "DA", "20250101\\20260101"),
              (0x00181201, "TM", "101500"), (0x00081120, "SQ", b""),
              (0x00204000, "LT", "line one\r\nline two"),
              (0x00400280, "ST", "a\\b"), (0x0040A160, "UT", "long text"),
              (0x00080054, "AE", "NODE"), (0x00081190, "UR", "http://x/y"))
        f.put((0x00280010, "US", 256))
        yes = [(0x00280010, "US", 512), (0x00189219, "SS", -7),
               (0x00186024, "UL", 70000), (0x00189087, "FD", 0.25),
               (0x00089459, "FL", 1.5), (0x00186020, "SL", -70000),
               (0x00280009, "AT", struct.pack("<HH", 0x18, 0x1063)),
               (0x00180050, "DS", "2.5"), (0x00180050, "DS", "+25E-1"),
               (0x00180050, "DS", "002.500"), (0x00201002, "IS", "7"),
               (0x00201002, "IS", "0007"), (0x00180010, "LO", "Barium"),
               (0x00180010, "LO", "I*"), (0x00180010, "LO", "Gold\\Iodine"),
               (0x0008002A, "DT", "20260102091112.5+0000"),
               (0x0008002A, "DT", "2026"), (0x0008002A, "DT", "202601-202602"),
               (0x0008002A, "DT", "20260102041112-0500-20260102041113-0500"),
               (0x0008002A, "DT", "-20260102101112.5+0100"),
               (0x00181200, "DA", "20260101"), (0x00181200, "DA", "2025.01.01"),
               (0x00181200, "DA", "20250601-"), (0x00181201, "TM", "1015"),
               (0x00181201, "TM", "10:15:00"), (0x00181201, "TM", "10-11"),
               (0x00204000, "LT", "line one*"), (0x00400280, "ST", "a\\b"),
               (0x0040A160, "UT", "long text"), (0x0040A160, "UT", "*text"),
               (0x00081190, "UR", "http://x/y")]
        no = [(0x00280010, "US", 513), (0x00189219, "SS", 7),
              (0x00180050, "DS", "2.51"), (0x00180050, "DS", "-2.5"),
              (0x00201002, "IS", "70"), (0x00180010, "LO", "barium"),
              (0x00180010, "LO", "Iodine\\x\\y".replace("Iodine", "Iod")),
              (0x0008002A, "DT", "20260102101112.5+0000"),
              (0x0008002A, "DT", "20260103-"), (0x00181200, "DA", "20260102"),
              (0x00181200, "DA", "20250102-20250601"),
              (0x00181201, "TM", "1016"), (0x00204000, "LT", "line one"),
              (0x00400280, "ST", "a"), (0x0040A160, "UT", "Long text"),
              (0x00280009, "AT", struct.pack("<HH", 0x18, 0x1065)),
              (0x00186024, "UL", 70001), (0x00189087, "FD", 0.5)]
        for key in yes:
            equal(f.found("IMAGE", key), ["9.1"], repr(key))
        for key in no:
            equal(f.found("IMAGE", key), [], repr(key))


def t_names_of_the_file():
    """PN by groups, regardless of case and accents (PS3.4 C.2.2.2.1.1)."""
    with Archive() as f:
        f.put((CHARSET, "CS", "\\ISO 2022 IR 87"),
              (0x00081050, "PN", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^"
               b"\x1b$BB@O:\x1b(B\\M\xc3ller".replace(b"\\M\xc3ller",
                                                      b"\\Mueller^Bert")))
        utf8 = (CHARSET, "CS", "ISO_IR 192")
        for key in ("yamada^tarou", "YAMADA*", "山田*", "*=山田^太郎",
                    "Yamada^Tarou=山田^太郎", "mueller^bert", "Mueller^Bert^^",
                    "*太郎", "Yamada^Tarou^^^"):
            equal(f.found("SERIES", utf8, (0x00081050, "PN", key)), ["1.1"],
                  key)
        equal(f.found("SERIES", (0x00081050, "PN", "^^^^")), ["1.1"])
        for key in ("Tarou", "山田", "Yamada^Tarou=山田^花子", "Bert*"):
            equal(f.found("SERIES", utf8, (0x00081050, "PN", key)), [], key)


def t_sequences():
    """PS3.4 C.2.2.2.6."""
    with Archive() as f:
        inner = dicom.dataset([
            (0x00400007, "LO", "Head"), (0x00400009, "SH", "SPS1"),
            (0x00400008, "SQ", items(code("A", more=[
                (0x00080104, "LO", "meaning a")]), code("B")))])
        other = dicom.dataset([
            (0x00400007, "LO", "Foot"), (0x00400009, "SH", "SPS2"),
            (0x00400008, "SQ", items(code("C")))])
        f.put((0x00400275, "SQ", items(inner, other)), study="1")
        f.put((0x00400275, "SQ", items(other)), study="2")
        f.put(study="3")

        def ask(*keys, whole=False):
            value = b"" if whole else items(dicom.dataset(list(keys)))
            return {dicom.as_text(x[STUDY]): item_list(x[0x00400275])
                    for x in f.ask("SERIES", [(0x00400275, "SQ", value),
                                              (STUDY, "UI", "")])}

        # All items, with all that is in them.
        got = ask(whole=True)
        equal(sorted(got), ["1", "2", "3"])
        equal((len(got["1"]), len(got["2"]), got["3"]), (2, 1, []))
        equal(dicom.as_text(got["1"][0][0x00400007]), "Head")
        equal(len(item_list(got["1"][0][0x00400008])), 2)
        equal(f.ask("SERIES", [(0x00400275, "SQ", items(b"")),
                               (SERIES, "UI", "2.1")])[0][0x00400275],
              items(other))
        # Only what is asked for, and only the items that match.
        got = ask((0x00400007, "LO", "H*"))
        equal(list(got), ["1"])
        equal(got["1"], [{0x00400007: b"Head"}])
        # Universal keys match all, also where there is no sequence.
        got = ask((0x00400009, "SH", ""))
        equal([len(got[s]) for s in "123"], [2, 1, 0])
        equal(got["2"], [{0x00400009: b"SPS2"}])
        # All keys in one and the same item.
        equal(sorted(ask((0x00400007, "LO", "Head"),
                         (0x00400009, "SH", "SPS2"))), [])
        # Sequences in sequences.
        got = ask((0x00400008, "SQ", items(dicom.dataset(
            [(0x00080100, "SH", "B"), (0x00080104, "LO", "")]))))
        equal(list(got), ["1"])
        (one,) = got["1"]
        equal(item_list(one[0x00400008]),
              [{0x00080100: b"B ", 0x00080104: b""}])
        equal(sorted(ask((0x00400008, "SQ", items(dicom.dataset(
            [(0x00080100, "SH", "C")]))))), ["1", "2"])
        equal(sorted(ask((0x00400007, "LO", "Head"), (0x00400008, "SQ", items(
            dicom.dataset([(0x00080100, "SH", "C")]))))), [])


def t_sequence_of_unknown_vr():
    """Passed on as UN, its items in implicit VR (PS3.5 6.2.2)."""
    with Archive() as f:
        inner = dicom.dataset([(0x00080100, "SH", "113691"),
                               (0x00080104, "LO", "IEC Body")],
                              dicom.IMPLICIT_LITTLE)
        f.put((0x00189346, "UN", items(inner)), study="1")
        f.put((0x00189346, "UN", b"\1\2\3\4"), study="2")
        key = (0x00189346, "SQ", items(dicom.dataset(
            [(0x00080100, "SH", ""), (0x00080104, "LO", "IEC*")])))
        (one,) = f.ask("IMAGE", [key])
        equal(item_list(one[0x00189346]),
              [{0x00080100: b"113691", 0x00080104: b"IEC Body"}])
        equal(len(f.ask("IMAGE", [(0x00189346, "SQ", b"")])), 2)


def t_private_attributes():
    """By creator, wherever the file keeps its block."""
    with Archive() as f:
        f.put((0x00110010, "LO", "OTHER"), (0x00111001, "LO", "wrong"),
              (0x00110012, "LO", "ACME 1.0"), (0x00111201, "LO", "right"),
              (0x00111202, "US", 5), study="1")
        f.put((0x00110010, "LO", "ACME 1.0"), (0x00111001, "LO", "left"),
              study="2")
        creator = (0x00110020, "LO", "ACME 1.0")
        got = {dicom.as_text(x[STUDY]): x for x in f.ask("STUDY", [
            creator, (0x00112001, "LO", ""), (0x00112002, "US", b""),
            (STUDY, "UI", "")])}
        equal(dicom.as_text(got["1"][0x00112001]), "right")
        equal(got["1"][0x00112002], b"\5\0")
        equal(dicom.as_text(got["1"][0x00110020]), "ACME 1.0")
        equal(dicom.as_text(got["2"][0x00112001]), "left")
        equal(f.found("STUDY", creator, (0x00112001, "LO", "l*")), ["2"])
        equal(f.found("STUDY", creator, (0x00112002, "US", 5)), ["1"])
        equal(f.found("STUDY", creator, (0x00112002, "US", 6)), [])
        # Without its creator a private attribute is no key.
        for answer in f.ask("STUDY", [(0x00111001, "LO", "right")]):
            assert 0x00111001 not in answer
        # Implicit: what VR it has only the file knows.
        equal(f.found("STUDY", creator, (0x00112001, "UN", b"right "),
                      model=dicom.FIND_PATIENT), ["1"])


def t_time_zone():
    with Archive() as f:
        f.put((ZONE, "SH", "+0100"), study="1")
        f.put(study="2")
        got = {dicom.as_text(x[STUDY]): x for x in f.ask(
            "STUDY", [(ZONE, "SH", ""), (STUDY, "UI", "")])}
        equal(dicom.as_text(got["1"][ZONE]), "+0100")
        assert ZONE not in got["2"], "an empty offset"
        (one,) = f.ask("STUDY", [(ZONE, "SH", "-0500"), (STUDY, "UI", "1")])
        equal(dicom.as_text(one[ZONE]), "+0100")
        (one,) = f.ask("STUDY", [(STUDY, "UI", "1")])
        assert ZONE not in one


def t_files_of_every_kind():
    """Deflated, big endian, implicit, big values before what is asked for."""
    with Server() as server:
        syntaxes = [dicom.EXPLICIT_LITTLE, dicom.EXPLICIT_BIG,
                    dicom.IMPLICIT_LITTLE]
        contexts = [(dicom.CT, [s]) for s in syntaxes]
        contexts += [(dicom.FIND_STUDY, [dicom.EXPLICIT_LITTLE])]
        with dicom.Association(server.dicom_port, contexts) as a:
            for i, syntax in enumerate(syntaxes):
                uid = "1.%d" % (i + 1)
                equal(a.store(dicom.CT, uid, dicom.instance(
                    uid, syntax=syntax, more=[
                        (0x00091010, "OB", bytes(300000)),
                        (0x00204000, "LT", "here"),
                        (0x00280010, "US", 512 + i)]), syntax), 0)
            import zlib
            deflate = zlib.compressobj(wbits=-15)
            plain = dicom.instance("1.4", more=[
                (0x00204000, "LT", "here"), (0x00280010, "US", 515)])
            with dicom.Association(server.dicom_port, [
                    (dicom.CT, [dicom.DEFLATED])]) as d:
                equal(d.store(dicom.CT, "1.4", deflate.compress(plain)
                              + deflate.flush()), 0)
            status, answers = a.find(dicom.FIND_STUDY, [
                (LEVEL, "CS", "IMAGE"), (0x00204000, "LT", "here"),
                (0x00280010, "US", b""), (INSTANCE, "UI", "")])
            equal(status, 0)
            equal({dicom.as_text(x[INSTANCE]):
                   struct.unpack("<H", x[0x00280010])[0] for x in answers},
                  {"1.1": 512, "1.2": 513, "1.3": 514, "1.4": 515})
            status, answers = a.find(dicom.FIND_STUDY, [
                (LEVEL, "CS", "IMAGE"), (0x00280010, "US", 514),
                (INSTANCE, "UI", "")])
            equal([dicom.as_text(x[INSTANCE]) for x in answers], ["1.3"])


def t_a_file_that_cannot_be_read():
    """Its row is answered without; where it would decide, it does not
    match."""
    with Archive() as f:
        f.put((COMMENTS, "LT", "one"), study="1")
        f.put((COMMENTS, "LT", "two"), study="2")
        for path in glob.glob(f.server.data + "/objects/**/*.dcm",
                              recursive=True):
            with open(path, "rb") as file:
                if b"one" not in file.read():
                    continue
            os.unlink(path)
        f.a.query(dicom.FIND_STUDY, dicom.C_FIND, dicom.dataset(
            [(LEVEL, "CS", "STUDY"), (STUDY, "UI", ""),
             (COMMENTS, "LT", "")]))
        got = {}
        while True:
            status, _, data = f.a.response()
            if status == 0:
                break
            answer = dicom.parse(data, dicom.EXPLICIT_LITTLE)
            got[dicom.as_text(answer[STUDY])] = (
                status, dicom.as_text(answer[COMMENTS]))
        equal(got, {"1": (0xFF01, ""), "2": (0xFF00, "two")})
        f.server.wait_log("what a file holds is left out")
        equal(f.found("STUDY", (COMMENTS, "LT", "one")), [])
        equal(f.found("STUDY", (COMMENTS, "LT", "t*")), ["2"])


def t_more_than_fits():
    """A sequence that is too large for an answer is left out of it."""
    with Archive() as f:
        big = items(*[dicom.dataset([(0x00081150, "UI", dicom.CT),
                                     (0x00204000, "LT", "x" * 9000)])
                      for _ in range(600)])
        f.put((0x00081140, "SQ", big))
        (one,) = f.ask("IMAGE", [(0x00081140, "SQ", b"")], status=0xFF01)
        equal(one[0x00081140], b"")
        (one,) = f.ask("IMAGE", [(0x00081140, "SQ", items(dicom.dataset(
            [(0x00081150, "UI", "")])))])
        equal(len(item_list(one[0x00081140])), 600)


def extended(port, info, model=dicom.FIND_STUDY):
    return dicom.Association(port, [
        (model, [dicom.EXPLICIT_LITTLE])], user=dicom.user_information(
            more=dicom.extended(model, bytes(info))))


def answered(a):
    """The accepted information of the one extended item."""
    (item,) = a.accepted["items"].get(0x56, [b""]) or [b""]
    if not item:
        return None
    (n,) = struct.unpack_from(">H", item)
    return list(item[2 + n:])


def t_extended_negotiation():
    """PS3.4 C.5.1.1: a 1 only for what is done."""
    with Server() as server:
        for proposed, want in (([1], [1]), ([0], [0]), ([1, 1], [1, 1]),
                               ([1] * 7, [1, 1, 1, 0, 0, 1, 1]),
                               ([1] * 9, [1, 1, 1, 0, 0, 1, 1]),
                               ([0, 1, 1, 1, 1], [0, 1, 1, 0, 0]),
                               ([2, 255], [0, 0])):
            for model in (dicom.FIND_STUDY, dicom.FIND_PATIENT,
                          dicom.FIND_PATIENT_STUDY):
                with extended(server.dicom_port, proposed, model) as a:
                    equal(answered(a), want, repr(proposed))
        with dicom.Association(server.dicom_port, SIMPLE) as a:
            equal(a.accepted["items"].get(0x56), None)


def t_relational_queries():
    with Archive() as f:
        f.put((MODALITY, "CS", "CT"), (0x00180015, "CS", "HEAD"), study="1")
        f.put((MODALITY, "CS", "MR"), (0x00180015, "CS", "FOOT"), study="1",
              series="2")
        f.put((MODALITY, "CS", "CT"), (0x00180015, "CS", "FOOT"), study="2")
        with extended(f.server.dicom_port, [1]) as a:
            equal(f.found("STUDY", (MODALITY, "CS", "MR"), a=a), ["1"])
            equal(f.found("STUDY", (MODALITY, "CS", "CT"), a=a), ["1", "2"])
            # One and the same series.
            equal(f.found("STUDY", (MODALITY, "CS", "CT"),
                          (0x00180015, "CS", "FOOT"), a=a), ["2"])
            (one,) = f.ask("STUDY", [(MODALITY, "CS", "MR"),
                                     (0x00180015, "CS", ""),
                                     (SERIES, "UI", "")], a=a)
            equal([dicom.as_text(one[t]) for t in
                   (MODALITY, 0x00180015, SERIES)], ["MR", "FOOT", "1.2"])
            equal(f.found("STUDY", (INSTANCE, "UI", "9.3"), a=a), ["2"])
            equal(f.found("SERIES", (NUMBER, "IS", "2"), a=a), ["1.2"])
            # Of what only files hold any instance may fit, which must fit
            # what the index holds as well.
            f.put((0x00204000, "LT", "x"), (MODALITY, "CS", "CT"),
                  study="2", series="3")
            f.put((0x00204000, "LT", "y"), (MODALITY, "CS", "MR"),
                  study="2", series="4")
            equal(f.found("STUDY", (0x00204000, "LT", "x"), a=a), ["2"])
            equal(f.found("STUDY", (0x00204000, "LT", "?"), a=a), ["2"])
            equal(f.found("STUDY", (0x00204000, "LT", "z"), a=a), [])
            equal(f.found("STUDY", (0x00204000, "LT", "y"),
                          (MODALITY, "CS", "CT"), a=a), [])
            (one,) = f.ask("STUDY", [(0x00204000, "LT", "y"),
                                     (SERIES, "UI", "")], a=a)
            equal([dicom.as_text(one[t]) for t in (0x00204000, SERIES)],
                  ["y", "2.4"])
            equal(f.found("SERIES", (0x00204000, "LT", "x"), a=a), ["2.3"])
        # Not negotiated: not supported.
        equal(f.found("STUDY", (MODALITY, "CS", "MR"), status=0xFF01),
              ["1", "2"])


def t_combined_date_and_time():
    """The example of PS3.4 C.2.2.2.5.4."""
    with Archive() as f:
        days = [("20060705", "0959"), ("20060705", "1000"),
                ("20060706", "0300"), ("20060707", "1800"),
                ("20060707", "1900"), ("20060707", "")]
        for i, (date, time) in enumerate(days):
            more = [(0x00080022, "DA", date), (0x00080032, "TM", time)]
            f.put(*more, study=str(i), date=date, time=time)
        keys = [(DATE, "DA", "20060705-20060707"), (TIME, "TM", "1000-1800")]
        equal(f.found("STUDY", *keys), ["1", "3"])
        with extended(f.server.dicom_port, [0, 1]) as a:
            equal(f.found("STUDY", *keys, a=a), ["1", "2", "3", "5"])
            equal(f.found("STUDY", (DATE, "DA", "20060706-"),
                          (TIME, "TM", "0400-"), a=a), ["3", "4", "5"])
            equal(f.found("STUDY", (DATE, "DA", "-2006.07.05"),
                          (TIME, "TM", "-09:59:30"), a=a), ["0"])
            # Of different forms: each for itself.
            equal(f.found("STUDY", (DATE, "DA", "20060705-20060707"),
                          (TIME, "TM", "1000-"), a=a), ["1", "3", "4"])
            equal(f.found("STUDY", (DATE, "DA", "20060705"),
                          (TIME, "TM", "09-10"), a=a), ["0", "1"])
            # The same of what the files hold.
            equal(f.found("IMAGE", (0x00080022, "DA", "20060705-20060707"),
                          (0x00080032, "TM", "1000-1800"), a=a),
                  ["9.2", "9.3", "9.4", "9.6"])
        equal(f.found("IMAGE", (0x00080022, "DA", "20060705-20060707"),
                      (0x00080032, "TM", "1000-1800")), ["9.2", "9.4"])


def t_fuzzy_names():
    """Words of names in any order, where negotiated (PS3.4 C.2.2.2.1.1)."""
    with Archive() as f:
        for i, name in enumerate((
                "Smith^Mary", "Mary^Smith", "Smith, Mary", "Smithers^Anna",
                "Müller-Lüdenscheid^Jörg", "O'Neil^Pat",
                "Wang^XiaoDong=王^小東", "")):
            f.put((CHARSET, "CS", "ISO_IR 192"), name=name, study="6.%d" % i,
                  patient="F%d" % i)
        f.put((0x00081050, "PN", "House^Gregory"), study="6.8", patient="F8")
        utf8 = (CHARSET, "CS", "ISO_IR 192")
        with extended(f.server.dicom_port, [0, 0, 1]) as a:
            for key, want in (
                    ("Smith^Mary", "012"), ("mary smith", "012"),
                    ("smith", "0123"), ("ludenscheid", "4"),
                    ("jorg^muller", "4"), ("neil", "5"), ("小東", "6"),
                    ("XiaoDong^王", "6"), ("ary", ""), ("Smith^Anne", ""),
                    ("mith*", ""), ("*mith*", "0123"), ("s\\o'n", "0123" "5"),
                    ("^^", "012345678")):
                equal(f.found("STUDY", utf8, (NAME, "PN", key), a=a),
                      ["6." + i for i in want], key)
            equal(f.found("SERIES", (0x00081050, "PN", "greg"), a=a),
                  ["6.8.1"])
        equal(f.found("STUDY", (NAME, "PN", "mary smith")), [])


def t_empty_values():
    """Two quotation marks, where negotiated."""
    with Archive() as f:
        f.put((0x00080050, "SH", "ACC"), (COMMENTS, "LT", "x"), study="1")
        f.put((0x00080050, "SH", ""), study="2")
        with extended(f.server.dicom_port, [0, 0, 0, 0, 0, 1]) as a:
            equal(f.found("STUDY", (0x00080050, "SH", '""'), a=a), ["2"])
            equal(f.found("STUDY", (COMMENTS, "LT", '""'), a=a), ["2"])
        equal(f.found("STUDY", (0x00080050, "SH", '""')), [])


def t_studies_made_of_series():
    with Archive() as f:
        f.put((MODALITY, "CS", "CT"), study="1")
        f.put((MODALITY, "CS", "SR"), study="1", series="2")
        f.put((MODALITY, "CS", "MR"), study="2")
        for key, want in (("CT", ["1"]), ("MR\\SR", ["1", "2"]),
                          ("?R", ["1", "2"]), ("US\\M*", ["2"]),
                          ("US\\XA", []), ("ct", [])):
            equal(f.found("STUDY", (0x00080061, "CS", key)), want, key)
        equal(f.found("STUDY", (0x00080062, "UI", dicom.CT)), ["1", "2"])
        equal(f.found("STUDY", (0x00080062, "UI", "1.2.3\\" + dicom.CT)),
              ["1", "2"])
        equal(f.found("STUDY", (0x00080062, "UI", dicom.MR)), [])
        (one,) = f.ask("STUDY", [(STUDY, "UI", "2"), (0x00080062, "UI", ""),
                                 (0x00080056, "CS", "")])
        equal(dicom.as_text(one[0x00080062]), dicom.CT)
        equal(dicom.as_text(one[0x00080056]), "ONLINE")
        equal(f.found("STUDY", (0x00201208, "IS", "2")), ["1"])


def t_issuers():
    """Patient ID and issuer are who it is."""
    with Archive() as f:
        f.put((0x00100021, "LO", "North"), study="1")
        f.put((0x00100021, "LO", "North"), study="2")
        f.put((0x00100021, "LO", "South"), study="3")
        got = f.ask("PATIENT", [(PATIENT_ID, "LO", "P1"),
                                (0x00100021, "LO", ""),
                                (0x00201200, "IS", ""), (0x00201202, "IS", ""),
                                (0x00201204, "IS", "")],
                    model=dicom.FIND_PATIENT)
        equal(sorted([dicom.as_text(x[0x00100021]), int(x[0x00201200]),
                      int(x[0x00201202]), int(x[0x00201204])] for x in got),
              [["North", 2, 2, 2], ["South", 1, 1, 1]])
        equal(f.found("STUDY", (0x00100021, "LO", "South")), ["3"])
        equal(f.found("STUDY", (0x00201200, "IS", "2")), ["1", "2"])


# Specific Character Set ---------------------------------------------------

def t_character_set_of_answers():
    """That of the query where it holds all, else the narrowest."""
    names = {"1": "Müller^Anna", "2": "Люкceмбypг", "3": "Διονυσιος",
             "4": "Yamada^Tarou=山田^太郎", "5": "홍^길동", "6": "Doe^John",
             "7": "Müller=山田"}
    with Archive() as f:
        for study, name in names.items():
            f.put((CHARSET, "CS", "ISO_IR 192"), (COMMENTS, "LT", name),
                  name=name, study=study, patient="P" + study)

        def ask(study, charset):
            keys = [(STUDY, "UI", study), (NAME, "PN", ""),
                    (COMMENTS, "LT", "")]
            if charset is not None:
                keys.append((CHARSET, "CS", charset))
            (one,) = f.ask("STUDY", keys)
            return (dicom.as_text(one.get(CHARSET, b"-")), one[NAME].strip(),
                    one[COMMENTS].strip())

        for study, charset, want, codec in (
                ("1", None, "ISO_IR 100", "latin-1"),
                ("1", "ISO_IR 192", "ISO_IR 192", "utf-8"),
                ("1", "ISO_IR 101", "ISO_IR 101", "iso8859-2"),
                ("1", "ISO_IR 144", "ISO_IR 100", "latin-1"),
                ("1", "ISO-IR 100", "ISO_IR 100", "latin-1"),
                ("1", "GB18030", "GB18030", "gb18030"),
                ("2", None, "ISO_IR 144", "iso8859-5"),
                ("2", "ISO_IR 100", "ISO_IR 144", "iso8859-5"),
                ("3", None, "ISO_IR 126", "iso8859-7"),
                ("4", None, "ISO_IR 192", "utf-8"),
                ("4", "GBK", "GBK", "gbk"),
                ("5", "ISO_IR 13", "ISO_IR 192", "utf-8"),
                ("7", "ISO_IR 100", "ISO_IR 192", "utf-8"),
                ("6", "ISO_IR 192", "-", "ascii"),
                ("6", None, "-", "ascii")):
            value = names[study].encode(codec)
            equal(ask(study, charset), (want, value, value),
                  f"{study} {charset}")
        kanji = (b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B")
        for charset in ("\\ISO 2022 IR 87", "ISO 2022 IR 87"):
            equal(ask("4", charset)[:2], ("\\ISO 2022 IR 87", kanji), charset)
        mixed = "ISO 2022 IR 100\\ISO 2022 IR 87"
        equal(ask("7", mixed)[:2],
              (mixed, b"M\xfcller=\x1b$B;3ED\x1b(B"))
        equal(ask("5", "\\ISO 2022 IR 149")[:2], (
            "\\ISO 2022 IR 149", b"\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"))


def t_keys_in_every_character_set():
    with Archive() as f:
        names = {"1": "山田^太郎", "2": "洪^吉洞=홍^길동", "3": "王^小东",
                 "4": "Люк", "5": "ﾔﾏﾀﾞ^ﾀﾛｳ", "6": "Šimić", "7": "丂^a"}
        for study, name in names.items():
            f.put((CHARSET, "CS", "ISO_IR 192"), name=name, study=study,
                  patient="P" + study)
        for charset, key, want in (
                ("\\ISO 2022 IR 87", b"\x1b$B;3ED\x1b(B*", "1"),
                ("ISO 2022 IR 13\\ISO 2022 IR 87",
                 b"\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J", "1"),
                ("ISO 2022 IR 13\\ISO 2022 IR 87", b"\xd4\xcf*", "5"),
                ("\\ISO 2022 IR 87\\ISO 2022 IR 159",
                 b"\x1b$(D0!\x1b(B*", "7"),
                ("\\ISO 2022 IR 149", b"\x1b$)C\xfb\xf3^*", "2"),
                ("\\ISO 2022 IR 149", b"\x1b$)C\xc8\xab^*", "2"),
                ("\\ISO 2022 IR 58", b"\x1b$)A\xcd\xf5^*", "3"),
                ("GB18030", "王^小东".encode("gb18030"), "3"),
                ("GBK", "王*".encode("gbk"), "3"),
                ("ISO_IR 144", "люк".encode("iso8859-5"), "4"),
                ("ISO_IR 101", "šim*".encode("iso8859-2"), "6"),
                ("ISO_IR 192", "simic", "6"),
                (None, "SIMIC", "6")):
            keys = [(NAME, "PN", key)]
            if charset is not None:
                keys.append((CHARSET, "CS", charset))
            equal(f.found("STUDY", *keys), [want], f"{charset} {key!r}")


def t_full_values():
    """Longer than the VR allows: as it is."""
    with Archive() as f:
        text = "é" * 500
        f.put((CHARSET, "CS", "ISO_IR 192"), (0x00081030, "LO", text),
              (0x00181030, "LO", text + "x"))
        (one,) = f.ask("SERIES", [(0x00081030, "LO", ""),
                                  (0x00181030, "LO", "")])
        equal(one[0x00081030].decode("latin-1").strip(), text)
        equal(one[0x00181030].decode("latin-1").strip(), text + "x")


def t_cancel_while_reading_files():
    with Archive() as f:
        for i in range(60):
            f.put((COMMENTS, "LT", "x"), study="5.%d" % i)
        message = f.a.message + 1
        context = f.a.context_for(dicom.FIND_STUDY)
        f.a.send(
            dicom.p_data(dicom.pdv(context, dicom.command(
                [(0x0002, dicom.FIND_STUDY), (0x0100, dicom.C_FIND),
                 (0x0110, message), (0x0700, 0), (0x0800, 0)]), True)),
            dicom.p_data(dicom.pdv(context, dicom.dataset(
                [(LEVEL, "CS", "STUDY"), (COMMENTS, "LT", "never")]))),
            dicom.p_data(dicom.pdv(context, dicom.command(
                [(0x0100, dicom.C_CANCEL), (0x0120, message),
                 (0x0800, dicom.NO_DATA)]), True)))
        f.a.next_message()
        equal(f.a.response()[0], 0xFE00)
        equal(f.found("STUDY", (COMMENTS, "LT", "never")), [])


if __name__ == "__main__":
    sys.exit(main())
