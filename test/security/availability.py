"""Availability (rows E1 to E4, E7): idle and half-open connections, slow
peers, huge answers, PDU games, a full disk."""

import os
import socket
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), HERE]

import _attack
from _attack import alive, ct
from harness import dicom
from harness.runner import Skip, main
from harness.server import Server, wait_for


def t_E1_silent_connections_cost_no_thread():
    with Server() as server:
        alive(server)
        threads = _attack.threads(server)
        wires = [dicom.Wire(server.dicom_port) for _ in range(600)]
        idle = [ct(server.dicom_port) for _ in range(60)]
        alive(server)
        # workers of the handshakes may linger; they are not one each
        wait_for(lambda: _attack.threads(server) < threads + 40,
                 what="few threads")
        for a in idle:
            assert a.store(dicom.CT, "1.2.60", dicom.instance("1.2.60")) == 0
        for w in wires + idle:
            w.close()
        alive(server)


def t_E1_half_closed_sockets():
    with Server() as server:
        fds = _attack.descriptors(server)
        for _ in range(100):
            a = ct(server.dicom_port)
            a.socket.shutdown(socket.SHUT_WR)
            a.until_closed()
            a.close()
            w = dicom.Wire(server.dicom_port)
            w.socket.shutdown(socket.SHUT_WR)
            w.until_closed()
            w.close()
        wait_for(lambda: _attack.descriptors(server) <= fds + 4, 60,
                 "descriptors given back")
        alive(server)


def t_E1_ten_thousand_aborted_associations():
    """In the middle of everything: after the request, after the command,
    within the data set."""
    count = 1000 if _attack.sanitized() else 10000
    rq = dicom.associate_rq([(dicom.CT, [dicom.EXPLICIT_LITTLE])])
    cmd = dicom.p_data(dicom.pdv(
        1, dicom.store_command(1, dicom.CT, "1.2.61"), True))
    data = dicom.p_data(dicom.pdv(1, dicom.instance("1.2.61")[:60],
                                  last=False))
    reset = struct.pack("ii", 1, 0)
    with Server() as server:
        for i in range(count):
            w = dicom.Wire(server.dicom_port)
            w.send(*([rq], [rq, cmd], [rq, cmd, data], [rq[:40]])[i % 4])
            if i % 3 == 0:
                w.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                    reset)
            elif i % 3 == 1:
                try:
                    w.send(dicom.abort())
                except OSError:
                    pass
            w.close()
        alive(server)
        wait_for(lambda: not os.listdir(
            os.path.join(server.data, "objects/tmp")), 60, "no leftovers")
        wait_for(lambda: _attack.descriptors(server) < 60, 60,
                 "descriptors given back")
        if not _attack.sanitized():
            assert _attack.rss_kib(server) < 100 * 1024


def t_E2_one_byte_a_second():
    """Slow senders hold no one up, and are closed for want of progress or
    rate; an association that is silent between messages is not."""
    with Server(settings={"dicom.timeout_s": "3"}) as server:
        slow = []
        for _ in range(20):
            a = ct(server.dicom_port, timeout=120)
            a.send(dicom.p_data(dicom.pdv(1, dicom.store_command(
                1, dicom.CT, "1.2.62"), True)), struct.pack(">BBI", 4, 0, 900),
                struct.pack(">IBB", 896, 1, 2))
            slow.append(a)
        idle = ct(server.dicom_port)
        alive(server)
        for a in slow[:10]:
            try:
                a.send(b"\x08")
            except OSError:
                pass  # it was too slow already
        for a in slow:
            # A-ABORT, then the end of the stream
            assert a.until_closed()[:1] == b"\7"
            a.close()
        assert idle.store(dicom.CT, "1.2.63", dicom.instance("1.2.63")) == 0
        idle.close()


def t_E2_artim():
    """Half an association request: closed after ARTIM, not held for ever."""
    with Server() as server:
        w = dicom.Wire(server.dicom_port, timeout=120)
        w.send(dicom.associate_rq(
            [(dicom.CT, [dicom.EXPLICIT_LITTLE])])[:50])
        w.until_closed()
        w.close()
        alive(server)


def t_E3_everything_and_cancel():
    with Server() as server:
        with ct(server.dicom_port) as a:
            for i in range(1200):
                uid = "1.2.64.%d" % i
                assert a.store(dicom.CT, uid, dicom.instance(
                    uid, study="1.2.65.%d" % i, patient="P%d" % i)) == 0
        before = _attack.rss_kib(server)
        with dicom.Association(server.dicom_port, [
                (dicom.FIND_STUDY, [dicom.IMPLICIT_LITTLE])]) as a:
            keys = [(0x00080052, "CS", "STUDY"), (0x00100020, "LO", "*"),
                    (0x0020000D, "UI", "")]
            status, answers = a.find(dicom.FIND_STUDY, keys)
            assert status == 0 and len(answers) == 1200
            message = a.query(dicom.FIND_STUDY, dicom.C_FIND, dicom.dataset(
                keys, dicom.IMPLICIT_LITTLE))
            a.cancel(message, dicom.FIND_STUDY)
            status, n = a.response()[0], 0
            while status == 0xFF00:
                status, n = a.response()[0], n + 1
            # all answers may have left before the cancel was read
            assert status == 0xFE00 or (status == 0 and n == 1200), (
                status, n)
        if not _attack.sanitized():
            assert _attack.rss_kib(server) - before < 32768


def answer_to(server, *wire):
    with dicom.Wire(server.dicom_port) as w:
        w.send(*wire)
        return w.until_closed()


def t_E4_pdu_games():
    rq = dicom.associate_rq([(dicom.CT, [dicom.EXPLICIT_LITTLE])])
    cmd = dicom.store_command(1, dicom.CT, "1.2.66")
    games = {
        "unknown PDU type first": [dicom.pdu(9, b"")],
        "data first": [dicom.p_data(dicom.pdv(1, cmd, True))],
        "release first": [dicom.RELEASE_RQ],
        "two requests": [rq, rq],
        "PDV of length 1": [rq, dicom.pdu(4, struct.pack(">IB", 1, 1))],
        "PDV of length 0": [rq, dicom.pdu(4, struct.pack(">I", 0))],
        "PDV past its PDU": [rq, dicom.pdu(4, struct.pack(
            ">IBB", 500, 1, 3) + b"xx")],
        "unknown context": [rq, dicom.p_data(dicom.pdv(99, cmd, True))],
        "data before command": [rq, dicom.p_data(dicom.pdv(1, b"ab"))],
        "command within a data set": [
            rq, dicom.p_data(dicom.pdv(1, cmd, True)),
            dicom.p_data(dicom.pdv(1, b"\x08\0", last=False)),
            dicom.p_data(dicom.pdv(1, cmd, True))],
        "release within a data set": [
            rq, dicom.p_data(dicom.pdv(1, cmd, True)), dicom.RELEASE_RQ],
        "answer nobody asked for": [rq, dicom.p_data(dicom.pdv(
            1, dicom.command([(0x100, 0x8001), (0x120, 1), (0x800, 0x101),
                              (0x900, 0)]), True))],
        "empty PDUs": [rq, dicom.pdu(4, b"") * 20000],
        "endless command": [rq] + [dicom.p_data(dicom.pdv(
            1, b"\0" * 16000, True, False))] * 40,
        "even context id": [dicom.associate_rq(dicom.context_rq(
            2, dicom.CT, [dicom.EXPLICIT_LITTLE]))],
        "context id twice": [dicom.associate_rq(dicom.context_rq(
            1, dicom.CT, [dicom.EXPLICIT_LITTLE]) * 2)],
        "no contexts": [dicom.associate_rq(b"")],
        "ten thousand items": [dicom.associate_rq(
            dicom.item(0x99, b"") * 10000)],
    }
    with Server() as server:
        for name, wire in games.items():
            try:
                answer = answer_to(server, *wire)
            except (ConnectionResetError, BrokenPipeError):
                answer = b"\7"
            last = answer
            while last[:1] == b"\2":  # past the A-ASSOCIATE-AC
                last = last[6 + struct.unpack(">I", last[2:6])[0]:]
            orderly = b"\6" if name == "release within a data set" else b""
            assert last[:1] in (b"\7", b"\3", b"", orderly), (
                name, answer[:80])
            alive(server)


def t_E4_largest_negotiation():
    """128 contexts with many syntaxes, accepted one by one."""
    contexts = [(dicom.CT, [dicom.EXPLICIT_LITTLE, dicom.IMPLICIT_LITTLE]
                 + ["1.2.3.%d" % i for i in range(28)]) for _ in range(128)]
    with Server() as server:
        with dicom.Association(server.dicom_port, contexts) as a:
            assert len(a.contexts) == 128
            assert a.store(dicom.CT, "1.2.67", dicom.instance("1.2.67"),
                           context=255) == 0
        for announced in (1, 5, 16384, 1 << 20, 0xFFFFFFFF, 0):
            try:
                with dicom.Association(
                        server.dicom_port,
                        [(dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE])],
                        user=dicom.user_information(announced)) as a:
                    assert a.echo() == 0
            except (dicom.Rejected, dicom.Aborted):
                assert announced < 128
        alive(server)


def t_E7_disk_full():
    """0xA700 while there is no room, nothing partial left, and on it goes
    when there is room again; nothing acknowledged is lost."""
    if os.geteuid() != 0:
        raise Skip("needs root to mount a small file system")
    with tempfile.TemporaryDirectory() as tmp:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none",
                           tmp], capture_output=True).returncode != 0:
            raise Skip("cannot mount a small file system here")
        try:
            fill_and_go_on(tmp)
        finally:
            subprocess.run(["umount", "-l", tmp], check=True)


def fill_and_go_on(tmp):
    with Server(data=os.path.join(tmp, "data"),
                settings={"store.reserve": "4 MiB"}) as server:
        acked, full = {}, 0
        with ct(server.dicom_port) as a:
            for i in range(60):
                uid = "1.2.68.%d" % i
                data = dicom.instance(uid, pixels=os.urandom(1 << 20))
                status = a.store(dicom.CT, uid, data)
                if status == 0:
                    acked[uid] = data
                else:
                    assert status == 0xA700, hex(status)
                    assert a.comment
                    full += 1
            assert full > 20 and len(acked) > 5
            assert not os.listdir(os.path.join(server.data, "objects/tmp"))
            subprocess.run(["mount", "-o", "remount,size=64m", tmp],
                           check=True)
            wait_for(lambda: a.store(
                dicom.CT, "1.2.69", dicom.instance("1.2.69")) == 0, 60,
                "stores go on when there is room")
        server.restart()
        with dicom.Association(
                server.dicom_port,
                [(dicom.GET_STUDY, [dicom.EXPLICIT_LITTLE]),
                 (dicom.CT, [dicom.EXPLICIT_LITTLE])],
                user=dicom.user_information(
                    more=dicom.role(dicom.CT, False, True))) as a:
            status, _, got = a.get(dicom.GET_STUDY, [
                (0x00080052, "CS", "STUDY"), (0x0020000D, "UI", "1.2.3")])
            assert status == 0, hex(status)
            got = {uid: data for uid, _, data in got}
            got.pop("1.2.69")
            assert got == acked


if __name__ == "__main__":
    sys.exit(main())
