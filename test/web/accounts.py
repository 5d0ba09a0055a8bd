"""Who may come: users, passwords, sessions, keys, the second factor, links for
once, and what keeps others out."""

import base64
import hashlib
import hmac
import os
import re
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness.portal import (PASSWORD, Http, add_user, basic, login, portal,
                            users)
from harness.runner import equal, main
from harness.server import wait_for

TSAN = True
NEW = "another good password"


def me(web, **more):
    return web.get("/api/v1/session", **more)


def t_log_in_and_out():
    with users() as server:
        web = Http(server)
        equal(me(web).status, 401)
        equal(web.post("/api/v1/session", {
            "username": "eva", "password": "wrong"}).code,
            "wrong_credentials")
        got = web.post("/api/v1/session",
                       {"username": "EVA", "password": PASSWORD})
        equal(got.json["user"]["name"], "eva")
        equal(got.json["user"]["rights"], ["search", "download", "share"])
        cookie = got.header("Set-Cookie")
        assert re.fullmatch(r"fileroom=[A-Za-z0-9]{43}; Path=/; HttpOnly; "
                            r"SameSite=Strict", cookie), cookie
        assert hashed(got).isdisjoint(server.log().split())
        web.csrf = got.json["token"]
        equal(me(web).json["user"]["name"], "eva")
        equal(web.delete("/api/v1/session").status, 204)
        equal(web.cookies, {})
        # The old cookie is of no use any more.
        web.cookies = {"fileroom": cookie[9:52]}
        equal(me(web).status, 401)


def hashed(got):
    return {got.json["token"], PASSWORD}


def t_log_in_by_form():
    with users() as server:
        web = Http(server)
        got = web.post(
            "/login", b"username=eva&password=" + PASSWORD.replace(
                " ", "+").encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"})
        equal((got.status, got.header("Location")), (303, "/"))
        equal(me(web).status, 200)


def t_secure_cookie():
    with users(tls="true") as server:
        web = login(server, "eva", secure=True)
        equal(list(web.cookies), ["__Host-fileroom"])


def t_row_d5_fixation():
    """A session's name changes at login; the one before ends."""
    with users() as server:
        web = login(server, "eva")
        before = dict(web.cookies)
        login(server, "eva", web=web)
        assert web.cookies != before
        web.cookies = before
        equal(me(web).status, 401)


def t_row_d5_csrf():
    with users() as server:
        web = login(server, "root")
        host = "http://127.0.0.1:%d" % web.address[1]

        def change(**headers):
            return web.patch("/api/v1/account", {"phone": "1"}, headers={
                k.replace("_", "-"): v for k, v in headers.items()}).status

        equal(change(), 200)
        equal(change(Origin=host, Sec_Fetch_Site="same-origin"), 200)
        equal(change(Origin="http://evil.example"), 403)
        equal(change(Origin="null"), 403)
        equal(change(Sec_Fetch_Site="cross-site"), 403)
        equal(change(Sec_Fetch_Site="same-site"), 403)
        equal(change(X_Fileroom_Token="x"), 403)
        equal(change(X_Fileroom_Token=None), 403)
        # HTTP Basic is sent by browsers on their own, too.
        plain = Http(server, **basic("eva", PASSWORD))
        equal(plain.patch("/api/v1/account", {"phone": "2"}).status, 200)
        equal(plain.patch("/api/v1/account", {"phone": "2"}, headers={
            "Origin": "http://evil.example"}).status, 403)
        # Nobody is logged in by another site's form.
        equal(Http(server).post("/api/v1/session", {
            "username": "eva", "password": PASSWORD}, headers={
                "Origin": "http://evil.example"}).status, 403)
        # A form cannot send JSON.
        equal(web.post("/api/v1/account/keys", b'{"name":"x"}', headers={
            "Content-Type": "text/plain"}).status, 400)


def t_basic_and_keys():
    with users() as server:
        plain = Http(server, **basic("eva", PASSWORD))
        equal(me(plain).json["token"], "")
        equal(me(Http(server, **basic("eva", "wrong password"))).status, 401)
        equal(me(Http(server, **basic("nobody", PASSWORD))).status, 401)
        got = plain.post("/api/v1/account/keys", {"name": "script"})
        key = got.json["key"]
        assert re.fullmatch(r"frk_[A-Za-z0-9]{43}", key), key
        with_key = Http(server, Authorization="Bearer " + key)
        equal(me(with_key).json["user"]["name"], "eva")
        (row,) = plain.get("/api/v1/account/keys").json["keys"]
        equal(row["name"], "script")
        assert key not in plain.get("/api/v1/account/keys").text
        wrong = me(Http(server, Authorization="Bearer frk_x"))
        equal(wrong.status, 401)
        # Programs are told how; a browser would show a dialog of its own.
        equal([c.split()[0] for c in wrong.all("WWW-Authenticate")],
              ["Bearer", "Basic"])
        equal([c.split()[0] for c in me(Http(
            server, User_Agent="Mozilla/5.0 (X11)")).all("WWW-Authenticate")],
            ["Bearer"])
        root = login(server, "root")
        equal(root.delete("/api/v1/account/keys/%d" % row["id"]).status, 404)
        server.verb("user", "edit", "eva", "--active", "no")
        wait_for(lambda: me(with_key).status == 401)
        server.verb("user", "edit", "eva", "--active", "yes")
        wait_for(lambda: me(with_key).status == 200)
        equal(plain.delete("/api/v1/account/keys/%d" % row["id"]).status, 204)
        equal(me(with_key).status, 401)
        with open(os.path.join(server.data, "fileroom.db"), "rb") as f:
            assert key.encode() not in f.read()
        assert key not in server.log() and PASSWORD not in server.log()


def t_users():
    with users() as server:
        web = login(server, "root")
        got = web.post("/api/v1/users", {
            "name": "無名 ö", "password": NEW, "rights": ["search", "upload"],
            "first_name": "Ö", "salute": "Dr.", "only_modality": "CT,MR"})
        equal(got.status, 201)
        path = "/api/v1/users/%E7%84%A1%E5%90%8D%20%C3%B6"
        one = web.get(path).json
        equal((one["name"], one["rights"], one["only_modality"]),
              ("無名 ö", ["search", "upload"], "CT,MR"))
        assert "hash" not in got.text and "argon" not in got.text
        equal(web.post("/api/v1/users", {"name": "無名 O"}).code, "conflict")
        equal([u["name"] for u in web.get("/api/v1/users").json["users"]],
              ["eva", "root", "無名 ö"])
        changed = web.patch(path, {"rights": [], "email": "a@b"}).json
        equal((changed["rights"], changed["email"], changed["first_name"]),
              ([], "a@b", "Ö"))
        for wrong in ({"rights": ["fly"]}, {"role": "king"}, {"hash": "x"},
                      {"active": 1}, {"first_name": "x" * 200}):
            equal(web.patch(path, wrong).status, 400)
        for name in ("", "a:b", " a", "a\n", "x" * 65):
            equal(web.post("/api/v1/users", {"name": name}).status, 400)
        for password in ("1234567", "x" * 1025):
            equal(web.put(path + "/password",
                          {"password": password}).status, 400)
        equal(web.put(path + "/password",
                      {"password": "Ü" * 1024}).status, 204)
        login(server, "無名 ö", "Ü" * 1024)
        equal(web.delete(path).status, 204)
        equal(web.get(path).status, 404)


def t_another_name():
    """Keys stay; sessions and passwords that are known by the old name end."""
    with users() as server:
        root, web = login(server, "root"), login(server, "eva")
        plain = Http(server, **basic("eva", PASSWORD))
        key = plain.post("/api/v1/account/keys", {"name": "k"}).json["key"]
        for name in ("ROOT", "a:b", "", ".", ".."):
            assert root.patch("/api/v1/users/eva", {
                "name": name}).status in (400, 409), name
        equal(me(web).status, 200)
        equal(root.patch("/api/v1/users/eva", {"name": "Ida"}).json["name"],
              "Ida")
        equal((me(web).status, me(plain).status), (401, 401))
        login(server, "ida")
        equal(me(Http(server, Authorization="Bearer " + key))
              .json["user"]["name"], "Ida")
        server.verb("user", "edit", "ida", "--name", "eva", "--phone", "1")
        one = root.get("/api/v1/users/eva").json
        equal((one["name"], one["phone"]), ("eva", "1"))
        assert "already" in server.run(
            "user", "edit", "eva", "--name", "Root").stderr
        equal(server.run("user", "list", "--name", "x").returncode, 2)


def t_last_administrator_stays():
    with users() as server:
        web = login(server, "root")
        equal(web.delete("/api/v1/users/root").code, "conflict")
        equal(web.patch("/api/v1/users/root", {"active": False}).code,
              "conflict")
        equal(web.patch("/api/v1/users/root", {"role": "user"}).code,
              "conflict")
        equal(server.run("user", "delete", "root").returncode, 1)


def t_nobody_gives_what_he_has_not():
    with users() as server:
        add_user(server, "chief", "--rights", "search,users")
        web = login(server, "chief")
        equal(web.post("/api/v1/users", {
            "name": "a", "rights": ["search"]}).status, 201)
        equal(web.post("/api/v1/users", {
            "name": "b", "rights": ["delete"]}).code, "denied")
        equal(web.post("/api/v1/users", {
            "name": "b", "role": "admin"}).code, "denied")
        equal(web.patch("/api/v1/users/chief",
                        {"role": "admin"}).code, "denied")
        equal(web.put("/api/v1/users/root/password",
                      {"password": NEW}).code, "denied")
        equal(web.post("/api/v1/users/root/reset").code, "denied")
        equal(web.delete("/api/v1/users/root").code, "denied")
        # Eva may download, which chief may not.
        equal(web.patch("/api/v1/users/eva", {"phone": "1"}).code, "denied")


def t_sessions_end_at_once():
    with users() as server:
        root = login(server, "root")

        def ended(action):
            web = login(server, "eva")
            action()
            equal(me(web).status, 401)
            server.verb("user", "edit", "eva", "--active", "yes")
            server.verb("user", "password", "eva", "--password-stdin",
                        stdin=PASSWORD)
            wait_for(lambda: Http(server).post("/api/v1/session", {
                "username": "eva", "password": PASSWORD}).status == 200)

        ended(lambda: root.patch("/api/v1/users/eva", {"active": False}))
        ended(lambda: root.put("/api/v1/users/eva/password",
                               {"password": NEW}))
        web = login(server, "eva")
        server.verb("user", "edit", "eva", "--active", "no")
        wait_for(lambda: me(web).status == 401)
        server.verb("user", "edit", "eva", "--active", "yes")
        wait_for(lambda: Http(server).post("/api/v1/session", {
            "username": "eva", "password": PASSWORD}).status == 200)
        web = login(server, "eva")
        server.verb("user", "delete", "eva")
        wait_for(lambda: me(web).status == 401)


def t_own_account():
    with users() as server:
        web, other = login(server, "eva"), login(server, "eva")
        equal(web.patch("/api/v1/account", {"phone": "+49 1"}).json["phone"],
              "+49 1")
        for wrong in ({"rights": ["users"]}, {"role": "admin"},
                      {"only_own": False}, {"only_modality": ""},
                      {"name": "root"}):
            equal(web.patch("/api/v1/account", wrong).status, 400)
        equal(web.put("/api/v1/account/password", {
            "password": "wrong", "new": NEW}).code, "wrong_credentials")
        got = web.put("/api/v1/account/password",
                      {"password": PASSWORD, "new": NEW})
        equal(got.status, 200)
        equal(me(web).status, 200)
        equal(me(other).status, 401)
        login(server, "eva", NEW)


def code_of(secret, shift=0):
    key = base64.b32decode(secret)
    step = struct.pack(">Q", int(time.time()) // 30 + shift)
    mac = hmac.new(key, step, hashlib.sha1).digest()
    at = mac[19] & 15
    return "%06d" % ((struct.unpack(">I", mac[at:at + 4])[0] & 0x7fffffff)
                     % 1000000)


def t_second_factor():
    with users() as server:
        web = login(server, "eva")
        path = "/api/v1/account/second_factor"
        secret = web.post(path).json["secret"]
        equal(web.put(path, {"password": PASSWORD, "secret": secret,
                             "code": "000000"}).status, 400)
        equal(web.put(path, {"password": "x", "secret": secret,
                             "code": code_of(secret)}).status, 401)
        equal(web.put(path, {"password": PASSWORD, "secret": secret,
                             "code": code_of(secret)}).status, 204)
        equal(web.get("/api/v1/account").json["second_factor"], True)

        def enter(**more):
            return Http(server).post("/api/v1/session", {
                "username": "eva", "password": PASSWORD, **more})

        equal(enter().code, "second_factor")
        equal(enter(code="12345").code, "wrong_credentials")
        code = code_of(secret)
        equal(enter(code=code).status, 200)
        # A code works once.
        equal(enter(code=code).code, "wrong_credentials")
        equal(me(Http(server, **basic("eva", PASSWORD))).status, 401)
        # The right password does not wipe out wrong codes.
        for _ in range(9):
            equal(enter(code="000000").code, "wrong_credentials")
        equal(enter(code=code_of(secret, 1)).status, 429)
        root = login(server, "root")
        equal(root.delete("/api/v1/users/eva/second_factor").status, 204)


def t_row_d1_first_administrator():
    """Nothing but the link, which works once."""
    with portal() as server:
        link = wait_for(lambda: re.search(
            r"http://(127\.0\.0\.1:\d+)(/setup\?[A-Za-z0-9]{43})\n",
            server.log()))
        equal(link.group(1), "127.0.0.1:%d" % server.ports["http"][1])
        web = Http(server)
        token = link.group(2).partition("?")[2]
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        equal(web.get("/api/v1/portal").json["setup"], True)
        equal(web.get("/setup?" + "x" * 43).status, 404)
        assert token in web.get(link.group(2)).text
        equal(web.post("/setup", b"token=x&username=a&password=12345678",
                       headers=form).status, 404)
        equal(web.post("/setup", f"token={token}&username=a&password=short"
                       .encode(), headers=form).status, 400)
        got = web.post("/setup", f"token={token}&username=boss&password={NEW}"
                       .replace(" ", "+").encode(), headers=form)
        equal((got.status, got.header("Location")), (303, "/"))
        equal(me(web).json["user"]["role"], "admin")
        equal(web.get(link.group(2)).status, 404)
        equal(Http(server).post(
            "/setup", f"token={token}&username=two&password=12345678".encode(),
            headers=form).status, 404)
        equal(web.get("/api/v1/portal").json["setup"], False)
        server.stop()
        server.start()
        assert server.log().count("/setup?") == 1


def t_reset_link():
    with users() as server:
        root = login(server, "root")
        first = root.post("/api/v1/users/eva/reset").json["url"]
        url = root.post("/api/v1/users/eva/reset").json["url"]
        path = re.sub(r"^http://127\.0\.0\.1:\d+", "", url)
        web = login(server, "eva")
        equal(web.get(re.sub(r"^http://[^/]+", "", first)).status, 404)
        assert "eva" in web.get(path).text
        body = f"token={path.partition('?')[2]}&password={NEW}".replace(
            " ", "+").encode()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        equal(Http(server).post("/reset", body, headers=form).status, 303)
        equal(me(web).status, 401)
        login(server, "eva", NEW)
        equal(Http(server).post("/reset", body, headers=form).status, 404)


def t_row_d3_throttling():
    """Ten failures of an account, known or not, and then none is checked."""
    with users(trusted_proxies="127.0.0.1") as server:
        web = Http(server)
        count = 0

        def enter(name, password, address):
            return web.post(
                "/api/v1/session", {"username": name, "password": password},
                headers={"X-Forwarded-For": address,
                         "X-Forwarded-Proto": "https"})

        for name in ("eva", "nobody"):
            began = time.monotonic()
            for _ in range(10):
                count += 1
                equal(enter(name, "wrong", f"192.0.2.{count}").code,
                      "wrong_credentials")
            got = enter(name.upper(), PASSWORD, "192.0.2.200")
            equal((got.status, got.code), (429, "too_often"))
            # A quarter of an hour from the first failure.
            took = time.monotonic() - began
            assert 899 - took <= int(got.header("Retry-After")) <= 901, took
        # Of one address, with a name that is another each time.
        for n in range(40):
            equal(enter(f"x{n}", "wrong", f"2001:db8::{n:x}").status, 401)
        equal(enter("root", PASSWORD, "2001:db8::ffff").status, 429)
        equal(enter("root", PASSWORD, "2001:db8:1::1").status, 200)


def t_row_d3_unknown_names_take_as_long():
    """By the processor's time: that of the clock is others' too."""
    with users() as server:
        web = Http(server)

        def cpu():
            with open("/proc/%d/stat" % server.process.pid,
                      encoding="ascii") as f:
                fields = f.read().rpartition(")")[2].split()
            return int(fields[11]) + int(fields[12])

        def ticks(*names):
            before = cpu()
            for name in names:
                web.post("/api/v1/session",
                         {"username": name, "password": "wrong"})
            return cpu() - before

        ticks("warm")
        known = ticks(*["eva"] * 6)
        unknown = ticks(*(f"who{n}" for n in range(6)))
        assert known > 0, known
        assert unknown > known / 4 and known > unknown / 4, (known, unknown)


def t_row_d4_many_logins_at_once():
    """They wait for two threads; others are served meanwhile."""
    import threading
    with users() as server:
        def enter(results):
            results.append(Http(server).post("/api/v1/session", {
                "username": "eva", "password": PASSWORD}).status)

        def before_the_last():
            """Was another request answered before the last of many?"""
            results = []
            threads = [threading.Thread(target=enter, args=(results,))
                       for _ in range(100)]
            for t in threads:
                t.start()
            equal(Http(server).get("/readyz").status, 200)
            yes = len(results) < len(threads)
            for t in threads:
                t.join()
            equal(set(results) <= {200, 503}, True)
            assert 200 in results
            return yes

        # This thread may be held up for longer than all of them take.
        assert any(before_the_last() for _ in range(10)), "it came last"


if __name__ == "__main__":
    main(sys.modules[__name__])
