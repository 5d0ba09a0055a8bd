"""Weaknesses of injection (rows C1, C5, C6): SQL, log lines, character
sets."""

import json
import os
import random
import sqlite3
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), HERE]

from _attack import alive
from harness import dicom
from harness.runner import main
from harness.server import Server

NASTY = ("'", "''", "' OR '1'='1", "\"", "--", "%", "_", "%%", "*", "?", "**",
         ";", "'; DROP TABLE instance; --", "\\", "[a-z]*", "(a+)+$", "\u00e9",
         "{", "$1", ":a", "@a", "\x7f", "NULL", "0x27", "<script>", "a*b?c",
         "*a*a*a*a*a*a*a*a*b")


def t_C1_sql_in_every_key():
    """A key is data: it matches what PS3.4 says and changes nothing. Each
    nasty value is stored as a patient and must find exactly itself."""
    with Server() as server:
        plain = [v for v in NASTY if not set(v) & set("*?\\")]
        with dicom.Association(server.dicom_port, [
                (dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
            for i, value in enumerate(plain):
                uid = "1.2.30.%d" % i
                assert a.store(dicom.CT, uid, dicom.instance(
                    uid, study="1.2.31.%d" % i, patient=value, name=value,
                    more=[(0x00080005, "CS", "ISO_IR 192")])) == 0
        with dicom.Association(server.dicom_port, [
                (dicom.FIND_STUDY, [dicom.EXPLICIT_LITTLE])]) as a:
            for value in NASTY:
                for tag, vr in ((0x00100020, "LO"), (0x00100010, "PN"),
                                (0x00080050, "SH"), (0x0020000D, "UI"),
                                (0x00080020, "DA"), (0x00080030, "TM"),
                                (0x00200010, "SH"), (0x00080061, "CS"),
                                (0x00081030, "LO"), (0x00080090, "PN")):
                    keys = {0x00080005: ("CS", "ISO_IR 192"),
                            0x00080052: ("CS", "STUDY"),
                            0x0020000D: ("UI", ""), 0x00100020: ("LO", ""),
                            tag: (vr, value)}
                    status, answers = a.find(dicom.FIND_STUDY, [
                        (t, *v) for t, v in keys.items()])
                    assert status in (0, 0xA900, 0xC000), hex(status)
                    if tag == 0x00100020 and value in plain:
                        got = [dicom.as_text(x[tag]) for x in answers]
                        assert got == [value], (value, got)
        server.stop()
        db = sqlite3.connect(os.path.join(server.data, "fileroom.db"))
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        count = db.execute("select count(*) from instance").fetchone()[0]
        db.close()
        assert count == len(plain)


def t_C1_wildcards_are_linear():
    """A pattern made to backtrack answers like any other."""
    with Server() as server:
        with dicom.Association(server.dicom_port, [
                (dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
            assert a.store(dicom.CT, "1.2.40", dicom.instance(
                "1.2.40", patient="a" * 60, name="a" * 2000)) == 0
        with dicom.Association(server.dicom_port, [
                (dicom.FIND_STUDY, [dicom.EXPLICIT_LITTLE])],
                timeout=120) as a:
            status, answers = a.find(dicom.FIND_STUDY, [
                (0x00080052, "CS", "STUDY"),
                (0x00100010, "PN", "*a" * 500 + "*b")])
            assert status == 0 and not answers


def t_C5_no_forged_log_lines():
    """Line breaks and controls in AE titles and UIDs stay within a line."""
    for style in ("text", "json"):
        with Server(settings={"dicom.debug": "true"},
                    args=("--log-format", style)) as server:
            for calling in ("A\r\nFORGED", "A\nFORGED", "\x1b[2JFORGED"):
                try:
                    with dicom.Association(
                            server.dicom_port,
                            [(dicom.CT, [dicom.EXPLICIT_LITTLE])],
                            calling=calling) as a:
                        a.store(dicom.CT, "1.2\r\nFORGED", b"\x08\0\x18\0")
                except (dicom.Rejected, dicom.Aborted):
                    pass
            alive(server)
            log = server.log()
            assert "\x1b" not in log and "\r" not in log
            for line in log.splitlines():
                assert not line.startswith("FORGED"), line
                if style == "json":
                    json.loads(line)


CHARSETS = ("", "ISO_IR 100", "ISO_IR 192", "ISO 2022 IR 6\\ISO 2022 IR 87",
            "\\ISO 2022 IR 149", "\\ISO 2022 IR 58", "GB18030", "GBK",
            "ISO_IR 13", "\\ISO 2022 IR 159", "NONSENSE", "ISO_IR 192\\GBK")


def t_C6_hostile_character_sets():
    """Unfinished escapes, invalid UTF-8, delimiters as trail bytes: what is
    answered is valid UTF-8, always."""
    rng = random.Random(6)
    pieces = [b"\x1b$B", b"\x1b(B", b"\x1b$)C", b"\x1b", b"\x1b$", b"\xff",
              b"\xc0\xaf", b"\xed\xa0\x80", b"\xe2\x80\xae", b"\x81\x5c",
              b"\x81\x5e", b"\x81\x3d", b"^", b"=", b"\x0e\x0f", b"\x8f\xa2",
              b"\xf4\x90\x80\x80", b"Aa", b"\x1b(J\x5c", b"\x1b$(D"]
    with Server() as server:
        number = 0
        for charset in CHARSETS:
            with dicom.Association(server.dicom_port, [
                    (dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
                for _ in range(25):
                    number += 1
                    uid = "1.2.50.%d" % number
                    name = b"".join(rng.choices(pieces, k=rng.randrange(9)))
                    name = dicom.pad(name[:64])
                    assert a.store(dicom.CT, uid, dicom.instance(
                        uid, study="1.2.51.%d" % number, name=name,
                        patient="C%d" % number,
                        more=[(0x00080005, "CS", charset),
                              (0x00081030, "LO", name)])) == 0
        for charset in ("ISO_IR 192",):
            with dicom.Association(server.dicom_port, [
                    (dicom.FIND_STUDY, [dicom.EXPLICIT_LITTLE])]) as a:
                status, answers = a.find(dicom.FIND_STUDY, [
                    (0x00080005, "CS", charset), (0x00080052, "CS", "STUDY"),
                    (0x00100010, "PN", ""), (0x00081030, "LO", ""),
                    (0x00100020, "LO", "")])
                assert status == 0 and len(answers) == number
                for answer in answers:
                    for value in answer.values():
                        assert b"\0" not in value.rstrip(b"\0")
                        value.decode("utf-8")
                for name in (b"\x1b$B", b"\xff*", b"\x81\x5c", b"*\x1b"):
                    status, _ = a.find(dicom.FIND_STUDY, [
                        (0x00080005, "CS", "\\ISO 2022 IR 87"),
                        (0x00080052, "CS", "STUDY"),
                        (0x00100010, "PN", name)])
                    assert status in (0, 0xC000, 0xA900)
        alive(server)


if __name__ == "__main__":
    sys.exit(main())
