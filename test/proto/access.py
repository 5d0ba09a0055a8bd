"""Callers that are not this machine: known nodes and strangers. The tests run
in a network namespace of their own, where 192.0.2.1 is an address of this
machine that is not loopback."""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.outside import ADDRESS, enter_namespace
from harness.runner import equal, main, raises
from harness.server import Server, wait_for

ECHO = [(dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE])]
BOTH = ECHO + [(dicom.CT, [dicom.EXPLICIT_LITTLE])]
# LIMIT_RUNNING_PER_ADDRESS
RUNNING = 16


def outside(settings=None):
    """Who stalls here is not given up while the others are still to come."""
    enter_namespace()
    return Server(settings={"dicom.bind": ADDRESS, "dicom.timeout_s": "600",
                            **(settings or {})})


def associate(server, contexts=None, **more):
    return dicom.Association(server.dicom_port, contexts or BOTH,
                             host=ADDRESS, **more)


def t_stranger_may_only_echo():
    with outside() as server:
        with associate(server, ECHO) as a:
            equal(a.echo(), 0)
        assert "refused" not in server.log()
        with associate(server) as a:
            equal(a.accepted["contexts"][3][0], 1, "user rejection")
            equal(a.echo(), 0)
        e = raises(dicom.Rejected, associate, server, BOTH[1:])
        equal((e.result, e.source, e.reason), (1, 1, 3))
        # A refusal is written down after it was answered.
        wait_for(lambda: server.log().count("refused") == 2)
        lines = [x for x in server.log().splitlines() if "refused" in x]
        assert "only C-ECHO was granted" in lines[0], lines
        assert all("'PARROT' at " + ADDRESS in x for x in lines), lines


def admitted(server):
    try:
        with associate(server, BOTH[1:]):
            return True
    except dicom.Rejected:
        return False


def t_known_node():
    with outside() as server:
        server.verb("node", "add", "PARROT", ADDRESS, "104")
        server.verb("node", "add", "ELSEWHERE", "192.0.2.77", "104")
        wait_for(lambda: admitted(server))
        with associate(server) as a:
            equal(a.store(dicom.CT, "1.2", dicom.instance("1.2")), 0)
        # The title alone is not enough.
        raises(dicom.Rejected, associate, server, BOTH[1:],
               calling="ELSEWHERE")
        raises(dicom.Rejected, associate, server, BOTH[1:], calling="parrot")
        server.verb("node", "delete", "PARROT")
        wait_for(lambda: not admitted(server))


def t_open_access():
    with outside({"dicom.access": "open"}) as server:
        with associate(server) as a:
            equal(a.store(dicom.CT, "1.2", dicom.instance("1.2")), 0)


def stalled(server):
    """In the middle of a store that already has a file."""
    a = associate(server)
    a.send(dicom.p_data(dicom.pdv(
        3, dicom.store_command(1, dicom.CT, "1.2"), True)),
        dicom.p_data(dicom.pdv(3, dicom.instance(
            "1.2", pixels=bytes(200000))[:150000], last=False)))
    return a


def wait_stalled(server, count):
    """Until so many are being served."""
    folder = os.path.join(server.data, "objects/tmp")
    wait_for(lambda: len(os.listdir(folder)) == count)


def t_no_more_than_so_many_at_once():
    """The rest waits, and gets its turn."""
    with outside({"dicom.access": "open"}) as server:
        busy = [stalled(server) for _ in range(RUNNING)]
        wait_stalled(server, RUNNING)
        done = []

        def one_more():
            with associate(server) as a:
                done.append(a.echo())

        waiting = threading.Thread(target=one_more)
        waiting.start()
        time.sleep(0.5)
        equal(done, [])
        busy[0].abort()
        waiting.join(60)
        equal(done, [0])
        # A stop ends those that wait, too.
        busy[0] = stalled(server)
        wait_stalled(server, RUNNING)
        late = dicom.Wire(server.dicom_port, ADDRESS)
        late.send(dicom.associate_rq(BOTH))
        time.sleep(0.3)
        server.stop()
        late.until_closed()
        for a in busy + [late]:
            a.close()


def t_known_nodes_are_not_counted():
    with outside() as server:
        server.verb("node", "add", "PARROT", ADDRESS, "104")
        wait_for(lambda: admitted(server))
        busy = [stalled(server) for _ in range(2 * RUNNING)]
        wait_stalled(server, 2 * RUNNING)
        with associate(server) as a:
            equal(a.echo(), 0)
        for a in busy:
            a.abort()


if __name__ == "__main__":
    sys.exit(main())
