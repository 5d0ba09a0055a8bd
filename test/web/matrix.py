"""Who may call what: every route, made from the table itself, by everybody,
for what is his and what is not, from our pages and from those of others."""

import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import sample
from harness.portal import PASSWORD, Http, add_user, basic, login, users
from harness.runner import equal, main

RIGHTS = ("search download share upload send retrieve edit delete worklist "
          "activity settings users").split()
# What answers without a login: pages for logging in, and for machines.
OPEN = {"GET /healthz", "GET /readyz", "GET /api/v1/portal",
        "POST /api/v1/session", "POST /login", "GET /setup", "POST /setup",
        "GET /reset", "POST /reset", "GET /token", "GET /token/archive", "GET /", "GET /login", "GET /assets/{name}",
        "GET /api/v1/openapi.json"}
# Would end what the next ones need.
ENDS = {"DELETE /api/v1/session"}
BODIES = set()
TRAVERSAL = [
    "/../etc/passwd", "/..%2fetc/passwd", "/%2e%2e/etc/passwd",
    "/%252e%252e/etc/passwd", "/..%5cetc", "/....//etc", "/..;/etc",
    "/%c0%ae%c0%ae/etc/passwd", "//etc/passwd", "/./healthz", "/healthz/..",
    "/healthz%00", "/api/v1/../../healthz", "/assets/../../.HTTP/HTTP.db",
    "/token/../fileroom.db", "/assets/../../fileroom.db",
    "/api/v1/studies/..%2f..%2ffileroom.db", "/file:///etc/passwd",
    "/\\..\\..\\etc", "/%uff0e%uff0e/", "/api/v1/studies/%2e%2e/series"]


def archive():
    server = users()
    with tempfile.TemporaryDirectory() as folder:
        for study, place in (("1", "North"), ("2", "South")):
            sample.study(os.path.join(folder, study), count=1, study=study,
                         InstitutionName=place)
        server.verb("import", folder)
    return server


def routes(web):
    found = []
    for path, methods in web.get("/api/v1/openapi.json").json["paths"].items():
        for method, about in methods.items():
            found.append((method.upper(), path, about))
            if "requestBody" in about:
                BODIES.add((method.upper(), path))
    assert len(found) > 30
    return found


def filled(path, study):
    path = path.replace("{study}", sample.uid("study", study))
    path = path.replace("{patient}", "SAMPLE1")
    return re.sub(r"\{[^}]*\}", "nothing", path)


def call(web, method, path, study="1", **more):
    body = {} if (method, path) in BODIES else None
    return web.ask(method, filled(path, study), body, **more)


def admitted(got):
    """It went past the gate: what is wrong then is wrong with the request."""
    return got.status not in (401, 403) and not (
        got.status == 303 and got.header("Location") == "/")


def t_row_d1_without_login():
    with archive() as server:
        web = Http(server)
        doc = web.get("/api/v1/openapi.json").json
        equal(sorted(doc["components"]["securitySchemes"]),
              ["cookie", "key", "password"])
        body = doc["paths"]["/api/v1/uploads"]["post"]["requestBody"]
        assert {"multipart/form-data", "application/dicom"} <= \
            set(body["content"]), body
        for method, path, about in routes(web):
            got = call(web, method, path)
            name = f"{method} {path}"
            equal(bool(about["security"]),
                  about["x-fileroom-demand"] != "nothing", name)
            if about["x-fileroom-demand"] == "local":
                equal(got.status, 200, name)
            elif name in OPEN:
                equal(about["x-fileroom-demand"], "nothing", name)
            else:
                assert not admitted(got), (name, got)
                assert about["x-fileroom-demand"] != "nothing", name


def t_row_d6_route_by_right():
    """With each right alone, with none, and with all."""
    with archive() as server:
        for right in ["none", *RIGHTS]:
            add_user(server, right, "--rights",
                     "" if right == "none" else right)
        for right in ["none", *RIGHTS, "root"]:
            web = login(server, right)
            for method, path, about in routes(web):
                name = f"{method} {path}"
                demand = about["x-fileroom-demand"]
                if name in OPEN | ENDS or demand == "local":
                    continue
                got = call(web, method, path, study="9")
                may = demand == "user" or right in (demand, "root")
                equal(admitted(got), may and demand != "link",
                      (right, name, got))


def t_row_d6_own_and_foreign():
    """Routes with a study: of what may not be seen none answers."""
    with archive() as server:
        add_user(server, "north", "--rights", ",".join(RIGHTS),
                 "--only-institution", "North")
        root, web = login(server, "root"), login(server, "north")
        for method, path, about in routes(web):
            if "{study}" not in path:
                continue
            for method_now in (method, "HEAD") if method == "GET" else (
                    method,):
                equal(call(web, method_now, path, "2").status, 404,
                      (method_now, path))
            equal(call(web, method, path, "2", headers={
                "If-None-Match": "*", "Range": "bytes=0-1"}).status, 404)
            if method == "GET":
                assert call(web, method, path, "1").status != 404 or \
                    "nothing" in filled(path, "1"), path
                assert call(root, method, path, "2").status != 404 or \
                    "nothing" in filled(path, "2"), path


def t_row_d5_origins():
    """What changes something is refused from another site's page."""
    with archive() as server:
        cookie = login(server, "root")
        plain = Http(server, **basic("root", PASSWORD))
        foreign = ({"Origin": "http://evil.example"},
                   {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"})
        for method, path, _ in routes(cookie):
            if method == "GET":
                continue
            for web in (cookie, plain):
                for headers in foreign:
                    got = call(web, method, path, "9", headers=headers)
                    equal(got.status, 403, (method, path, headers))
            if f"{method} {path}" not in OPEN:
                got = call(cookie, method, path, "9",
                           headers={"X-Fileroom-Token": None})
                equal(got.status, 403, (method, path))


def t_foreign_hosts():
    with archive() as server:
        web = login(server, "root")
        for method, path, _ in routes(web):
            got = call(web, method, path,
                       headers={"Host": "evil.example:3000"})
            equal(got.status, 421, (method, path))


def t_no_page_may_be_read_by_others():
    with archive() as server:
        web = login(server, "root")
        for method, path, _ in routes(web):
            if f"{method} {path}" in ENDS:
                continue
            got = call(web, method, path, "9",
                       headers={"Origin": "http://evil.example"})
            equal(got.all("Access-Control-Allow-Origin"), [])
            equal(got.header("X-Content-Type-Options"), "nosniff")
            assert "default-src 'none'" in got.header(
                "Content-Security-Policy"), path
            assert "unsafe" not in got.header("Content-Security-Policy")


def t_row_b1_traversal():
    with archive() as server:
        web = login(server, "root")
        for path in TRAVERSAL:
            for before in ("", "/api/v1/studies/1", "/token", "/assets"):
                got = web.get(before + path)
                assert got.status in (400, 404), (before + path, got)
                assert "root:" not in got.text


def t_row_c1_injection():
    """No parameter reaches SQL: what is nasty finds nothing, and breaks
    nothing."""
    with archive() as server:
        web = login(server, "root")
        for text in ("'", "''", "' or '1'='1", "\" or 1=1 --", "%25", "_",
                     "\\", ";drop table study", "*'*", "1); --", "$(id)",
                     "{{7*7}}", "a" * 200):
            for field in ("patient_name", "patient_id", "accession",
                          "institution", "referring", "description",
                          "modality", "sex", "issuer"):
                got = web.get(f"/api/v1/studies?{field}={text}")
                equal((got.status, got.json["studies"]), (200, []),
                      (field, text))
        equal(len(web.get("/api/v1/studies").json["studies"]), 2)


if __name__ == "__main__":
    main(sys.modules[__name__])
