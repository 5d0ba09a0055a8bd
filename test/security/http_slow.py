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
from harness.runner import Skip, equal, main
from harness.server import wait_for


# The head of a request must be whole by then (WAIT_HTTP_HEAD_MS), less some.
CUT_S = 15
TRIES = 5


def late(began):
    """By now the first of a crowd may have been cut off, as they shall be."""
    return time.monotonic() - began > CUT_S


def too_slow():
    raise Skip(f"this machine takes more than {CUT_S} s to open them")


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
        # A machine that cannot open so many in time is asked for fewer.
        if not any(beside_a_crowd(server, web, zip_path, count)
                   for count in (MANY, MANY, MANY // 4, MANY // 20)):
            too_slow()
        served(server, web, zip_path)


def beside_a_crowd(server, web, zip_path, count):
    """Whether all of it was open at once, and so this says something."""
    before, began = _attack.threads(server), time.monotonic()
    with Crowd(server.ports["http"], requests(web, zip_path), count) as crowd:
        # All are with the server, not in a queue of the system.
        wait_for(lambda: _attack.descriptors(server) > count or late(began),
                 what="all connections")
        crowd.drip()
        equal(web.get("/api/v1/studies").status, 200)
        equal(web.patch("/api/v1/account", {"phone": "1"}).status, 200)
        # None of the slow ones went to make room.
        still = crowd.open()
        if still < count and late(began):
            return False
        equal(still, count)
        served(server, web, zip_path)
        # Uploads have a thread each, up to LIMIT_WORKERS_UPLOAD.
        assert _attack.threads(server) < before + 120
        return True


# LIMIT_HTTP_PER_ADDRESS
SHARE = 1500


def t_row_e1_one_address_does_not_hold_all():
    """Silent connections of one address from elsewhere: others come in."""
    enter_namespace()
    with portal(bind="", allow_plain="true") as server:
        port = server.http_port
        near = Http(server, address=("127.0.0.1", port))
        far = Http(server, address=(ADDRESS, port))
        for number in range(1, TRIES + 1):
            wait_for(lambda: answers(far), what="an answer")
            began = time.monotonic()
            with Crowd((ADDRESS, port), ((b"GET /heal", None), (b"", None)),
                       SHARE + 100) as crowd:
                if share_is_all(crowd, near, far, began):
                    assert 1 <= server.log().count("gets no more") <= number
                    for s in crowd.links[:200]:
                        s.close()
                    crowd.links = crowd.links[200:]
                    wait_for(lambda: answers(far), what="an answer")
                    return
        too_slow()


def share_is_all(crowd, near, far, began):
    """Whether all of it was open at once, and so this says something."""
    wait_for(lambda: crowd.open() <= SHARE, what="a share")
    equal(near.get("/healthz").status, 200)
    got = answers(far)
    if crowd.open() < SHARE:
        assert late(began), "less than its share"
        return False
    equal(got, False, "somebody more was answered")
    return True


def answers(web):
    try:
        return web.get("/healthz").status == 200
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
