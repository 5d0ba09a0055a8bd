"""Weaknesses of memory safety in parsers (rows A1 to A8): fixed buffers,
sizes, indices, freed memory, leaks, depth, promised lengths, bombs."""

import os
import random
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), HERE]

import _attack
from _attack import alive, ct, deflate, head, nested
from harness import dicom
from harness.runner import main
from harness.server import Server, wait_for

LENGTHS = (0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 4095, 65534, 65535)


def survives(server, *wire):
    """Sends raw bytes and waits for the server's last word."""
    with dicom.Wire(server.dicom_port) as w:
        try:
            w.send(*wire)
            w.socket.shutdown(1)
        except OSError:
            pass
        return w.until_closed()


def t_A1_field_lengths_in_associate():
    with Server() as server:
        for n in LENGTHS:
            uid = "1" * n
            n = min(n, 60000)
            for contexts, user in (
                    (dicom.context_rq(1, uid[:n], [dicom.IMPLICIT_LITTLE]),
                     None),
                    (dicom.context_rq(1, dicom.VERIFICATION, [uid[:n]]),
                     None),
                    (dicom.context_rq(1, dicom.VERIFICATION,
                                      [dicom.IMPLICIT_LITTLE]),
                     dicom.user_information(version="v" * n)),
                    (dicom.context_rq(1, dicom.VERIFICATION,
                                      [dicom.IMPLICIT_LITTLE]),
                     dicom.user_information(more=dicom.identity(
                         2, b"u" * (n // 2), b"p" * (n // 2), True)))):
                answer = survives(server, dicom.associate_rq(
                    contexts, user=user))
                assert answer[:1] in (b"\2", b"\3", b"\7", b""), answer[:20]
            survives(server, dicom.associate_rq(
                dicom.context_rq(1, dicom.VERIFICATION,
                                 [dicom.IMPLICIT_LITTLE]),
                application="1." * (n // 2)))
        alive(server)


def t_A1_field_lengths_in_commands_and_data():
    with Server() as server:
        for n in LENGTHS:
            for elem in (0x0002, 0x1000, 0x0600, 0x1030):
                with ct(server.dicom_port) as a:
                    values = {0x0002: dicom.CT, 0x1000: "1.2.9", 0x0100: 1,
                              0x0110: 1, 0x0700: 0, 0x0800: 0}
                    values[elem] = "9" * n
                    try:
                        a.send_message(1, dicom.command(list(values.items())),
                                       head("1.2.9.%d" % n))
                        a.response()
                    except (dicom.Aborted, dicom.Closed, OSError):
                        a.released = True
            for tag, vr in ((0x00100010, "PN"), (0x00100020, "LO"),
                            (0x0020000D, "UI"), (0x00080018, "UI"),
                            (0x00080005, "CS"), (0x00080020, "DA"),
                            (0x00200013, "IS"), (0x00080060, "CS")):
                with ct(server.dicom_port) as a:
                    elements = {0x00080016: ("UI", dicom.CT),
                                0x00080018: ("UI", "1.2.8.%d" % n),
                                0x0020000D: ("UI", "1.2.3"),
                                0x0020000E: ("UI", "1.2.3.4")}
                    elements[tag] = (vr, "1" * (n - n % 2))
                    data = dicom.dataset(
                        [(t, *v) for t, v in elements.items()])
                    a.store(dicom.CT, "1.2.8.%d" % n, data)
        alive(server)


SIZES = (0, 1, 2, 65535)


def t_A2_image_sizes_are_not_believed():
    """Every combination is stored as it is: what the header says of the
    pixels allocates nothing."""
    with Server() as server:
        before = _attack.rss_kib(server)
        number = 0
        with ct(server.dicom_port) as a:
            for rows in SIZES:
                for bits in (0, 1, 16, 65535):
                    for frames in ("0", "1", "2147483647", "4294967295"):
                        number += 1
                        uid = "1.2.7.%d" % number
                        data = dicom.dataset([
                            (0x00080016, "UI", dicom.CT),
                            (0x00080018, "UI", uid),
                            (0x0020000D, "UI", "1.2.3"),
                            (0x0020000E, "UI", "1.2.3.4"),
                            (0x00280002, "US", 65535),
                            (0x00280008, "IS", frames),
                            (0x00280010, "US", rows),
                            (0x00280011, "UL", 4294967295),
                            (0x00280100, "US", bits),
                            (0x7FE00010, "OW", b"\0" * 64)])
                        assert a.store(dicom.CT, uid, data) == 0
        alive(server)
        if not _attack.sanitized():
            assert _attack.rss_kib(server) - before < 65536


def t_A3_lengths_that_lie():
    """Element, item and sequence lengths that point past everything."""
    with Server() as server:
        for lie in (5, 0xFFFE, 0x1FFFE, 0x7FFFFFFF, 0xFFFFFFF0, 0xFFFFFFFE):
            for data in (
                    head("1.2.6") + struct.pack(
                        "<HH2sHI", 0x7FE0, 0x10, b"OB", 0, lie) + b"1234",
                    head("1.2.6") + struct.pack(
                        "<HH2sHI", 0x40, 0xA730, b"SQ", 0, lie)
                    + struct.pack("<HHI", 0xFFFE, 0xE000, lie) + b"12",
                    head("1.2.6") + struct.pack(
                        "<HH2sH", 0x0010, 0x4000, b"LT", lie & 0xFFFF)):
                with ct(server.dicom_port) as a:
                    status = a.store(dicom.CT, "1.2.6", data)
                    assert status & 0xF000 in (0xA000, 0xC000), hex(status)
                    assert a.comment, "a refusal without a reason"
        assert not [f for f in _attack.files_below(
            os.path.join(server.data, "objects")) if f.endswith(".dcm")]
        alive(server)


def t_A4_mutated_messages():
    """Thousands of slightly wrong associations: no crash, no hang (with
    sanitizers: no use of freed memory, no leak)."""
    rng = random.Random(4)
    good = dicom.associate_rq([(dicom.CT, [dicom.EXPLICIT_LITTLE]),
                               (dicom.FIND_STUDY, [dicom.IMPLICIT_LITTLE])])
    store = dicom.p_data(dicom.pdv(1, dicom.store_command(
        1, dicom.CT, "1.2.5"), True)) + dicom.p_data(dicom.pdv(
            1, dicom.instance("1.2.5")))
    find = dicom.p_data(dicom.pdv(3, dicom.command(
        [(2, dicom.FIND_STUDY), (0x100, 0x20), (0x110, 2), (0x700, 0),
         (0x800, 0)]), True)) + dicom.p_data(dicom.pdv(3, dicom.dataset(
             [(0x00080052, "CS", "STUDY"), (0x00100010, "PN", "D*"),
              (0x0020000D, "UI", "")], dicom.IMPLICIT_LITTLE)))
    whole = good + store + find + dicom.RELEASE_RQ
    with Server(settings={"dicom.timeout_s": "5"}) as server:
        for _ in range(400):
            bad = bytearray(whole)
            for _ in range(rng.randrange(1, 6)):
                at = rng.randrange(len(bad))
                kind = rng.randrange(4)
                if kind == 0:
                    bad[at] = rng.randrange(256)
                elif kind == 1:
                    bad[at] ^= 1 << rng.randrange(8)
                elif kind == 2:
                    del bad[at:at + rng.randrange(1, 9)]
                else:
                    bad[at:at] = rng.randbytes(rng.randrange(1, 9))
            survives(server, bytes(bad))
        alive(server)


def t_A5_no_leak_per_association():
    """Refused associations and refused objects leave nothing behind."""
    with Server() as server:
        def refuse(times):
            for _ in range(times):
                try:
                    with ct(server.dicom_port, called="NOBODY"):
                        raise AssertionError("accepted")
                except dicom.Rejected:
                    pass
                with ct(server.dicom_port) as a:
                    a.store(dicom.CT, "1.2", b"\x08\0\x18\0UI\xff\xff")
        refuse(300)
        before, fds = _attack.rss_kib(server), _attack.descriptors(server)
        refuse(1500)
        # The last ones are closed after their answer.
        wait_for(lambda: _attack.descriptors(server) <= fds + 4,
                 what="descriptors given back")
        if not _attack.sanitized():
            grown = _attack.rss_kib(server) - before
            assert grown < 1024, "%d KiB for 3,000 associations" % grown


def t_A6_nested_sequences():
    with Server() as server:
        threads = _attack.threads(server)
        for defined in (False, True):
            for depth in (10, 60, 100, 1000, 10000, 100000, 1000000):
                uid = "1.2.4.%d" % depth
                with ct(server.dicom_port, timeout=120) as a:
                    status = a.store(
                        dicom.CT, uid, head(uid) + nested(depth, defined))
                    if depth <= 60:
                        assert status == 0, hex(status)
                    else:
                        assert status & 0xF000 in (0xA000, 0xC000), depth
                        assert a.comment
        for identifier in (nested(1000), nested(100000, True)):
            with dicom.Association(server.dicom_port, [
                    (dicom.FIND_STUDY, [dicom.EXPLICIT_LITTLE])]) as a:
                status, answers = a.find(dicom.FIND_STUDY, identifier)
                assert status & 0xF000 in (0xA000, 0xC000) and not answers
        wait_for(lambda: _attack.threads(server) <= threads + 8,
                 what="few threads")
        alive(server)


def t_A7_promised_lengths_cost_nothing():
    """PDU lengths of gigabytes on many connections at once."""
    with Server() as server:
        alive(server)
        before = _attack.rss_kib(server)
        wires = []
        for i in range(200):
            w = dicom.Wire(server.dicom_port)
            length = (0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFE, 1 << 30)[i % 4]
            w.send(struct.pack(">BBI", 1, 0, length) + b"\0\1" + bytes(66))
            wires.append(w)
        alive(server)
        if not _attack.sanitized():
            grown = _attack.rss_kib(server) - before
            assert grown < 200 * 64, "%d KiB" % grown
        for w in wires:
            w.close()
        for kind in (4, 5, 7, 0, 8, 255):
            with ct(server.dicom_port) as a:
                a.released = True
                try:
                    a.send(struct.pack(">BBI", kind, 0, 0xFFFFFFFF), b"1234")
                    a.until_closed()
                except OSError:
                    pass
        alive(server)


def t_A7_http_and_tls_on_the_dicom_port():
    with Server() as server:
        with dicom.Wire(server.dicom_port) as w:
            w.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            w.until_closed()
        server.wait_log("HTTP request")
        with dicom.Wire(server.dicom_port) as w:
            w.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64))
            w.until_closed()
        server.wait_log("TLS hello")
        alive(server)


def t_A8_deflate_bombs():
    """A ratio of 1:1000 over the free 64 MiB is refused; memory stays flat.
    A deflated data set of an honest size is stored."""
    bomb = deflate(head("1.2.3.8") + struct.pack(
        "<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 300 << 20) + bytes(300 << 20))
    fine = deflate(head("1.2.3.9") + dicom.element(
        0x7FE00010, "OB", bytes(4 << 20)))
    with Server() as server:
        with ct(server.dicom_port, dicom.DEFLATED, timeout=120) as a:
            assert a.store(dicom.CT, "1.2.3.9", fine) == 0
            before = _attack.rss_kib(server)
            status = a.store(dicom.CT, "1.2.3.8", bomb)
            assert status & 0xF000 in (0xA000, 0xC000), hex(status)
            if not _attack.sanitized():
                assert _attack.rss_kib(server) - before < 65536
        alive(server)


if __name__ == "__main__":
    sys.exit(main())
