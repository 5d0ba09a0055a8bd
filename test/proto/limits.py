"""Slow, silent and many: what the caps are for. Everything else must go on
meanwhile."""

import datetime
import os
import select
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom, sample
from harness.mllp import fill, frame, order
from harness.portal import add_user, login
from harness.runner import equal, main
from harness.server import Server, open_files, wait_for

ECHO = [(dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE])]
CT = [(dicom.CT, [dicom.EXPLICIT_LITTLE])]


def standing(peers):
    """Nothing has come to any of them, nor its end."""
    return not select.select([p.socket for p in peers], [], [], 0)[0]


def quick_echo(server, in_the_way=None):
    """Sooner than any of those that are in the way is given up (ARTIM 10 s,
    progress 10 s and more): in less time, or, where all is slow, while they
    are still there."""
    before = time.monotonic()
    with dicom.Association(server.dicom_port, ECHO) as a:
        equal(a.echo(), 0)
        took = time.monotonic() - before
        if in_the_way is not None:
            assert took < 8 or in_the_way(), "an echo took %.1f s" % took


def threads_of(server):
    return len(os.listdir("/proc/%d/task" % server.pid))


def t_silent_connections_cost_nothing():
    with Server() as server:
        quick_echo(server)
        before = threads_of(server)
        silent = [dicom.Wire(server.dicom_port) for _ in range(300)]
        quick_echo(server, lambda: standing(silent))
        # Not one each; workers that come and go are some.
        assert threads_of(server) <= before + 30, threads_of(server)
        for w in silent:
            w.close()
        quick_echo(server)


def t_silence_is_ended_by_artim():
    with Server() as server:
        before = time.monotonic()
        with dicom.Wire(server.dicom_port) as w:
            equal(w.until_closed(), b"")
            took = time.monotonic() - before
            assert took > 8, took


def t_half_a_request_is_ended_by_artim():
    with Server() as server:
        before = time.monotonic()
        with dicom.Wire(server.dicom_port) as w:
            w.send(dicom.associate_rq(ECHO)[:40])
            quick_echo(server, lambda: standing([w]))
            w.until_closed()
            took = time.monotonic() - before
            assert took > 8, took


def t_silence_within_a_message():
    with Server(settings={"dicom.timeout_s": "1"}) as server:
        with dicom.Association(server.dicom_port, ECHO + CT) as a:
            a.send(dicom.p_data(dicom.pdv(
                3, dicom.store_command(1, dicom.CT, "1.2"), True)))
            try:
                a.response()
                raise AssertionError("an answer")
            except dicom.Aborted:
                pass
        # Between messages silence is allowed.
        with dicom.Association(server.dicom_port, ECHO) as a:
            time.sleep(2.5)
            equal(a.echo(), 0)


def t_stalled_senders_do_not_stop_others():
    with Server() as server:
        stalled = []
        for _ in range(40):
            a = dicom.Association(server.dicom_port, CT)
            a.send(dicom.p_data(dicom.pdv(
                1, dicom.store_command(1, dicom.CT, "1.2"), True)),
                dicom.p_data(dicom.pdv(1, b"\x08\0", last=False)))
            stalled.append(a)
        quick_echo(server, lambda: standing(stalled))
        for a in stalled:
            a.abort()
        quick_echo(server)


def t_one_who_does_not_read():
    """Answers pile up for a peer that does not take them; others go on."""
    with Server(settings={"dicom.timeout_s": "10"}) as server:
        a = dicom.Association(server.dicom_port, ECHO)
        request = dicom.p_data(dicom.pdv(1, dicom.command(
            [(0x0002, dicom.VERIFICATION), (0x0100, dicom.C_ECHO),
             (0x0110, 1), (0x0800, dicom.NO_DATA)]), True)) * 200
        moved = [time.monotonic()]

        def flood():
            try:
                while True:
                    a.socket.sendall(request)
                    moved[0] = time.monotonic()
            except OSError:
                moved[0] = 0
        a.socket.settimeout(600)
        threading.Thread(target=flood, daemon=True).start()
        wait_for(lambda: time.monotonic() > moved[0] + 1)

        def given_up():
            return "connection lost" in server.log() \
                or "aborted by this side" in server.log()
        quick_echo(server, lambda: not given_up())
        wait_for(given_up, 600, "the end of the peer that does not read")
        a.close()


def t_a_thousand_idle_associations():
    count = 1000
    open_files(count + 100)
    with Server() as server:
        quick_echo(server)
        idle = [dicom.Association(server.dicom_port, ECHO)
                for _ in range(count)]
        quick_echo(server)
        for a in idle[::50]:
            equal(a.echo(), 0)
        wait_for(lambda: threads_of(server) < 30, 60, "few threads")
        for a in idle:
            a.close()
        quick_echo(server)


def in_hand(server):
    """Objects that are on their way in, but for small ones."""
    return len(os.listdir(os.path.join(server.data, "objects/tmp")))


def half_an_object(server, a):
    """Sent, until the server has it in its hands."""
    a.send(dicom.p_data(dicom.pdv(
        1, dicom.store_command(1, dicom.CT, "1.2"), True)),
        dicom.p_data(dicom.pdv(1, dicom.instance(
            "1.2", pixels=bytes(200000))[:150000], last=False)))
    wait_for(lambda: in_hand(server) > 0)


def t_stop_while_busy():
    """A stop does not wait for a peer that does nothing."""
    with Server() as server:
        a = dicom.Association(server.dicom_port, CT)
        half_an_object(server, a)
        server.stop()
        try:
            a.response()
            raise AssertionError("an answer")
        except (dicom.Aborted, dicom.Closed):
            pass
        a.close()


def when(line):
    return datetime.datetime.fromisoformat(line.split("Z")[0])


def t_all_parts_stop_in_the_same_time():
    """One that cannot be waited for on each port: they are waited for
    together."""
    with Server(settings={"hl7.port": "auto", "hl7.bind": "127.0.0.1",
                          "http.port": "auto", "http.bind": "127.0.0.1",
                          "dicom.timeout_s": "600"}) as server:
        add_user(server, "root", "--role", "admin")
        web = login(server, "root")
        path = sample.write(sample.image(rows=256), server.data + "/../a.dcm")
        with open(path, "rb") as f:
            image = f.read()
        # Whose answers find no room soon.
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(120)
        deaf.connect(server.ports["hl7"])
        fill(deaf, frame(order("1")) * 1000, 5)
        a = dicom.Association(server.dicom_port, CT)
        half_an_object(server, a)
        slow = socket.create_connection(web.address, 120)
        slow.sendall((
            "POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\n"
            f"Cookie: fileroom={web.cookies['fileroom']}\r\n"
            f"X-Fileroom-Token: {web.csrf}\r\n"
            f"Content-Length: {len(image)}\r\n\r\n").encode()
            + image[:100000])
        wait_for(lambda: in_hand(server) == 2)
        server.stop()
        # Had the one waited for the other to end, it were 10 s later.
        upload, orders = [
            next(when(line) for line in server.log().splitlines()
                 if words in line)
            for words in ("it broke off", " hl7 peers do not take")]
        assert (orders - upload).total_seconds() < 8, server.log()
        for one in (a, slow, deaf):
            one.close()


if __name__ == "__main__":
    sys.exit(main())
