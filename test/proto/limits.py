"""Slow, silent and many: what the caps are for. Everything else must go on
meanwhile."""

import os
import resource
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.runner import equal, main
from harness.server import Server, wait_for

ECHO = [(dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE])]
CT = [(dicom.CT, [dicom.EXPLICIT_LITTLE])]


def quick_echo(server, seconds=2):
    before = time.monotonic()
    with dicom.Association(server.dicom_port, ECHO) as a:
        equal(a.echo(), 0)
    took = time.monotonic() - before
    assert took < seconds, "an echo took %.1f s" % took


def threads_of(server):
    return len(os.listdir("/proc/%d/task" % server.pid))


def t_silent_connections_cost_nothing():
    with Server() as server:
        quick_echo(server)
        before = threads_of(server)
        silent = [dicom.Wire(server.dicom_port) for _ in range(300)]
        quick_echo(server)
        assert threads_of(server) <= before + 4, threads_of(server)
        for w in silent:
            w.close()
        quick_echo(server)


def t_silence_is_ended_by_artim():
    with Server() as server:
        with dicom.Wire(server.dicom_port) as w:
            before = time.monotonic()
            equal(w.until_closed(), b"")
            took = time.monotonic() - before
            assert 8 < took < 20, took


def t_half_a_request_is_ended_by_artim():
    with Server() as server:
        with dicom.Wire(server.dicom_port) as w:
            w.send(dicom.associate_rq(ECHO)[:40])
            quick_echo(server)
            before = time.monotonic()
            w.until_closed()
            took = time.monotonic() - before
            assert 8 < took < 20, took


def t_silence_within_a_message():
    with Server(settings={"dicom.timeout_s": "1"}) as server:
        with dicom.Association(server.dicom_port, ECHO + CT) as a:
            a.send(dicom.p_data(dicom.pdv(
                3, dicom.store_command(1, dicom.CT, "1.2"), True)))
            quick_echo(server)
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
        quick_echo(server)
        for a in stalled:
            a.abort()
        quick_echo(server)


def t_one_who_does_not_read():
    """Answers pile up for a peer that does not take them; others go on."""
    with Server(settings={"dicom.timeout_s": "2"}) as server:
        a = dicom.Association(server.dicom_port, ECHO)
        a.socket.setblocking(False)
        request = dicom.p_data(dicom.pdv(1, dicom.command(
            [(0x0002, dicom.VERIFICATION), (0x0100, dicom.C_ECHO),
             (0x0110, 1), (0x0800, dicom.NO_DATA)]), True)) * 200
        end = time.monotonic() + 60
        stuck = 0
        while stuck < 20 and time.monotonic() < end:
            try:
                a.socket.send(request)
                stuck = 0
            except BlockingIOError:
                stuck += 1
                time.sleep(0.05)
            except OSError:
                break
        quick_echo(server)
        wait_for(lambda: "connection lost" in server.log()
                 or "aborted by this side" in server.log(), 30,
                 "the end of the peer that does not read")
        a.close()


def t_a_thousand_idle_associations():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(1000, hard - 100)
    with Server() as server:
        quick_echo(server)
        idle = [dicom.Association(server.dicom_port, ECHO)
                for _ in range(count)]
        quick_echo(server)
        for a in idle[::50]:
            equal(a.echo(), 0)
        wait_for(lambda: threads_of(server) < 30, 30, "few threads")
        for a in idle:
            a.close()
        quick_echo(server)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def t_stop_while_busy():
    """A stop does not wait for a peer that does nothing."""
    with Server() as server:
        a = dicom.Association(server.dicom_port, CT)
        a.send(dicom.p_data(dicom.pdv(
            1, dicom.store_command(1, dicom.CT, "1.2"), True)))
        time.sleep(0.2)
        server.stop()
        try:
            a.response()
            raise AssertionError("an answer")
        except (dicom.Aborted, dicom.Closed):
            pass
        a.close()


if __name__ == "__main__":
    sys.exit(main())
