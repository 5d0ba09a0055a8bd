"""The HL7 port and those who call from elsewhere."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness.mllp import START, Mllp, code, fields, frame, items, journal, order
from harness.outside import ADDRESS, enter_namespace
from harness.runner import equal, main
from harness.server import Server, wait_for


def outside(**settings):
    enter_namespace()
    return Server(settings={"hl7.port": "auto", "hl7.bind": ADDRESS, **{
        "hl7." + key: value for key, value in settings.items()}})


def call(server):
    return Mllp(server.hl7_port, ADDRESS)


def t_stranger():
    with outside() as server:
        with call(server) as c:
            c.send(frame(order("1", app="WHO")) * 3)
            msa = fields(c.receive(), "MSA")
            equal(msa[1:3], ["AR", "1"])
            assert "hl7.access" in msa[3], msa
            equal(c.receive(), None)
        equal((items(server), journal(server)), ([], []))
        wait_for(lambda: "no HL7 node" in server.verb("node", "refused"))
        assert "WHO" in server.verb("node", "refused")
        said = server.run("doctor").stdout
        assert f"fileroom hl7 node add WHO {ADDRESS} 0" in said, said


def t_stranger_says_much():
    """No more of him is read than names him."""
    with outside() as server:
        with call(server) as c:
            c.push(START + order("1") + b"NTE|" + b"x" * 70000)
            equal(fields(c.receive(), "MSA")[1:3], ["AR", "1"])
            equal(c.receive(), None)
        equal(journal(server), [])


def t_stranger_asks_for_tokens():
    with outside(access="open") as server:
        with call(server) as c:
            c.send(b"\x101.2.3\r")
            equal(c.rest(), b"\x10\r")
        wait_for(lambda: "token query" in server.verb("node", "refused"))
        with call(server) as c:
            equal(code(c.ask(order("1"))), "AA")
    with outside(token_access="open") as server:
        with call(server) as c:
            c.send(b"\x101.2.3\r")
            equal(c.socket.recv(9), b"\x10\r")
            equal(code(c.ask(order("1"))), "AR")


def t_silent_stranger():
    with outside() as server:
        started = time.monotonic()
        with call(server) as c:
            equal(c.rest(), b"")
            assert time.monotonic() - started > 8


def answer(server):
    with call(server) as c:
        return code(c.ask(order("1")))


def t_node():
    with outside() as server:
        equal(answer(server), "AR")
        server.verb("hl7", "node", "add", "HIS", ADDRESS, "0")
        wait_for(lambda: answer(server) == "AA")
        # Also on a connection that stands.
        with call(server) as c:
            equal(code(c.ask(order("2"))), "AA")
            server.verb("hl7", "node", "delete", "HIS")
            wait_for(lambda: answer(server) == "AR")
            equal(code(c.ask(order("3"))), "AR")


def t_open_access():
    with outside(access="open") as server:
        equal(answer(server), "AA")


def t_unfinished():
    """The answer comes after 30 s, with the reason."""
    with outside(access="open") as server:
        with call(server) as c, call(server) as slow:
            started = time.monotonic()
            c.send(START + order("1")[:150])
            slow.send(START + order("2")[:100])
            slow.socket.settimeout(2)
            said = b""
            while not said:
                try:
                    slow.send(b"x")
                except OSError:
                    pass  # it has ended; what it said is there
                try:
                    said = slow.socket.recv(1000)
                    assert said, "the end, without a word"
                except TimeoutError:
                    assert time.monotonic() - started < 300
            assert b"MSA|AR|2" in said, said
            equal(fields(c.receive(), "MSA")[1:3], ["AR", "1"])
            assert time.monotonic() - started > 25
        equal([e["outcome"] for e in journal(server)], ["rejected"] * 2)


if __name__ == "__main__":
    sys.exit(main())
