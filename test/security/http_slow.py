"""Row E2 over HTTP, with as many as the row says: 2,000 connections that send
their head or their body a byte now and then, or take nothing of an answer.
While every one of them is open, others are served. (That they are cut off in
their time is tested in test/web/slow.py, with fewer, and in test/soak.)"""

import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), HERE]

import _attack
from _slow import MANY, Crowd, large_study, requests
from harness.outside import ADDRESS, enter_namespace
from harness.portal import PASSWORD, Http, login, portal, users
from harness.runner import equal, main, raises
from harness.server import wait_for


# The head of a request must be whole by then (WAIT_HTTP_HEAD_MS), less what a
# busy machine takes to open them all.
CUT_S = 15


def served(server, web, zip_path):
    """What else a normal user does."""
    equal(Http(server).post("/api/v1/session", {
        "username": "eva", "password": PASSWORD}).status, 200)
    assert len(web.get(zip_path).body) > 10 << 20
    _attack.alive(server)


def t_row_e2_two_thousand_slow_ones():
    server = users()
    with server:
        zip_path = large_study(server)
        web = login(server, "root")
        before, began = _attack.threads(server), time.monotonic()
        with Crowd(server.ports["http"], requests(web, zip_path)) as crowd:
            # All are with the server, not in a queue of the system.
            wait_for(lambda: _attack.descriptors(server) > MANY, 30,
                     "all connections")
            crowd.drip()
            equal(web.get("/api/v1/studies").status, 200)
            equal(web.patch("/api/v1/account", {"phone": "1"}).status, 200)
            # None of the slow ones went to make room.
            still = crowd.open()
            assert still == MANY or time.monotonic() - began > CUT_S, still
            served(server, web, zip_path)
            # Uploads have a thread each, up to LIMIT_WORKERS_UPLOAD.
            assert _attack.threads(server) < before + 120
        served(server, web, zip_path)


# LIMIT_HTTP_PER_ADDRESS
SHARE = 1500


def t_row_e1_one_address_does_not_hold_all():
    """Silent connections of one address from elsewhere: others come in."""
    enter_namespace()
    with portal(bind="", allow_plain="true") as server:
        port = server.http_port
        near = Http(server, address=("127.0.0.1", port))
        far = Http(server, address=(ADDRESS, port))
        equal(far.get("/healthz").status, 200)
        with Crowd((ADDRESS, port), ((b"GET /heal", None), (b"", None)),
                   SHARE + 100) as crowd:
            wait_for(lambda: crowd.open() == SHARE, 20, "a share")
            equal(near.get("/healthz").status, 200)
            raises(OSError, far.get, "/healthz")
            equal(server.log().count("gets no more"), 1)
            for s in crowd.links[:200]:
                s.close()
            crowd.links = crowd.links[200:]
            wait_for(lambda: answers(far), 20, "an answer")


def answers(web):
    try:
        return web.get("/healthz").status == 200
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
