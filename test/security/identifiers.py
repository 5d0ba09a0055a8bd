"""Identifiers made to hurt (C-FIND): too many keys, too deep, patterns and
lists that would cost their product. Each is answered or refused, at little
cost, and the server goes on."""

import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), HERE]

import _attack
from _attack import alive
from harness import dicom
from harness.runner import equal, main
from harness.server import Server

LEVEL, STUDY, COMMENTS = 0x00080052, 0x0020000D, 0x00104000
CONTEXTS = [(dicom.CT, [dicom.EXPLICIT_LITTLE]),
            (dicom.FIND_STUDY, [dicom.EXPLICIT_LITTLE])]
# Of the processor. A query that costs its product would take minutes.
SECONDS = 60


def asked(server, a, keys, tail=b""):
    """(final status, number of answers), within the time."""
    data = keys if isinstance(keys, bytes) else dicom.dataset(
        [(LEVEL, "CS", "IMAGE"), *keys])
    begin = _attack.cpu_seconds(server)
    status, answers = a.find(dicom.FIND_STUDY, data + tail)
    took = _attack.cpu_seconds(server) - begin
    assert took < SECONDS, "%.1f s" % took
    return status, len(answers)


def fill(a, *more):
    for i in range(3):
        uid = "7.%d" % i
        equal(a.store(dicom.CT, uid, dicom.instance(uid, more=more)), 0)


def t_a_hundred_thousand_keys():
    with Server() as server, dicom.Association(
            server.dicom_port, CONTEXTS) as a:
        fill(a)
        # Two groups are full; they stand in order.
        keys = b"".join(struct.pack("<HH2sH", g, e, b"LO", 0)
                        for g in (0x0018, 0x0020)
                        for e in range(1, 50001))
        level = dicom.dataset([(LEVEL, "CS", "IMAGE")])
        equal(asked(server, a, level + keys)[0], 0xC000)
        # What is still taken is answered in full.
        keys = b"".join(struct.pack("<HH2sH", 0x0018, e, b"LO", 0)
                        for e in range(1, 4001))
        equal(asked(server, a, level + keys), (0, 3))
        # Millions of the same.
        one = struct.pack("<HH2sH", 0x0018, 0x0010, b"LO", 0)
        asked(server, a, level + one * 400000)
        equal(asked(server, a, [])[0], 0)
        alive(server)


def t_deep_sequences():
    with Server() as server, dicom.Association(
            server.dicom_port, CONTEXTS) as a:
        fill(a)
        level = dicom.dataset([(LEVEL, "CS", "IMAGE")])
        for depth in (63, 64, 65, 1000, 30000):
            got = asked(server, a, level + _attack.nested(depth))
            assert got in ((0, 3), (0xC000, 0)), (depth, got)
        equal(asked(server, a, level + _attack.nested(30, defined=True)), (0, 3))
        status, _ = asked(server, a, level + _attack.nested(200000, close=False)[
            :3 << 20])
        equal(status, 0xC000)
        alive(server)


def t_patterns():
    """Linear in time, whatever the pattern."""
    value = b"a" * 60000
    with Server() as server, dicom.Association(
            server.dicom_port, CONTEXTS) as a:
        fill(a, (COMMENTS, "UT", value), (0x00081030, "UT", value[:16000]))
        for pattern in (b"*a" * 8000 + b"b", b"?" * 16000, b"a*" * 8000,
                        b"*" + b"?a" * 7000 + b"b*", b"*?" * 8000,
                        b"*" * 16000, b"*aaaaaaaaaaaaaaab" * 900):
            for tag in (COMMENTS, 0x00081030, 0x00100010):
                status, _ = asked(server, a, dicom.dataset([(LEVEL, "CS", "IMAGE")])
                                  + dicom.element(tag, "UT", pattern))
                equal(status, 0, repr(pattern[:20]))
        # 64 KiB are more than any value that is kept.
        equal(asked(server, a, dicom.dataset([(LEVEL, "CS", "IMAGE")])
                    + dicom.element(COMMENTS, "UT", b"*a" * 32768))[0],
              0xC000)
        alive(server)


def t_lists():
    many = "\\".join(str(i) for i in range(30000))
    with Server() as server, dicom.Association(
            server.dicom_port, CONTEXTS) as a:
        fill(a, (0x00180010, "UT", many[:60000]),
             (0x00280009, "AT", bytes(60000)),
             (0x00081050, "UT", "A^B\\" * 15000))
        level = dicom.dataset([(LEVEL, "CS", "IMAGE")])
        for tag in (0x00180010, 0x00081050, 0x00080060):
            equal(asked(server, a, level + dicom.element(tag, "UT", many))[0],
                  0xC000)
            few = "\\".join("x%d" % i for i in range(256))
            equal(asked(server, a, level + dicom.element(tag, "UT", few)), (0, 0))
        status, _ = asked(server, a, [(0x00280009, "AT", b"\1" * 60000)])
        assert status in (0, 0xC000), hex(status)
        # A list of UIDs may be long.
        uids = "\\".join("7.%d" % i for i in range(2, 300000))
        equal(asked(server, a, level + dicom.element(0x00080018, "UN",
                                             uids.encode())), (0, 1))
        alive(server)


def t_broken_identifiers():
    """Cut at every length, and each of its bytes changed."""
    whole = dicom.dataset([
        (0x00080005, "CS", "\\ISO 2022 IR 87"), (LEVEL, "CS", "IMAGE"),
        (0x00100010, "PN", b"\x1b$B;3ED\x1b(B^*"),
        (0x00080020, "DA", "20260101-"), (0x00400275, "SQ", struct.pack(
            "<HHI", 0xFFFE, 0xE000, 10) + dicom.element(
                0x00400007, "LO", "ab"))])
    with Server() as server, dicom.Association(
            server.dicom_port, CONTEXTS) as a:
        fill(a)
        for n in range(2, len(whole), 2):
            status, _ = asked(server, a, whole[:n])
            assert status in (0, 0xC000, 0xA900), hex(status)
        for n in range(len(whole)):
            for bit in (1, 0x80, 0xFF):
                other = bytearray(whole)
                other[n] ^= bit
                status, _ = asked(server, a, bytes(other))
                assert status in (0, 0xC000, 0xA900), (n, hex(status))
        alive(server)


def t_many_answers_take_no_memory():
    """Answers stream: thousands take no more than some."""
    with Server() as server, dicom.Association(
            server.dicom_port, CONTEXTS) as a:
        for i in range(1500):
            uid = "8.%d" % i
            equal(a.store(dicom.CT, uid, dicom.instance(
                uid, pixels=b"", more=[(COMMENTS, "LT", "c" * 4000)])), 0)
        equal(asked(server, a, [(COMMENTS, "LT", ""), (0x00080018, "UI", "8.1")]),
              (0, 1))
        equal(asked(server, a, [(COMMENTS, "LT", "")]), (0, 1500))
        before = _attack.rss_kib(server)
        for _ in range(5):
            equal(asked(server, a, [(COMMENTS, "LT", "")]), (0, 1500))
        if not _attack.sanitized():
            grown = _attack.rss_kib(server) - before
            assert grown < 4096, "%d KiB" % grown


if __name__ == "__main__":
    sys.exit(main())
