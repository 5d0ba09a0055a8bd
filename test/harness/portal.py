"""HTTP for tests: requests over a socket of one's own, so that everything can
be sent that no library would.

    with portal() as server:
        web = Http(server)
        web.get("/healthz").text
"""

import base64
import http.client
import json
import re
import socket
import ssl
import urllib.parse

from .server import SECRETS, Server

# Members of JSON that are secrets; of addresses, their end.
SECRET_MEMBERS = {"password", "new", "token", "key", "secret", "url"}


def portal(**settings):
    """A server with its portal open on loopback."""
    return Server(settings={"http.port": "auto", "http.bind": "127.0.0.1", **{
        "http." + key: value for key, value in settings.items()}})


def trusting():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """Of an error."""
        return self.json["error"]["code"]

    def header(self, name):
        """The only one of this name, or None."""
        found = [v for k, v in self.headers if k.lower() == name.lower()]
        assert len(found) <= 1, found
        return found[0] if found else None

    def all(self, name):
        return [v for k, v in self.headers if k.lower() == name.lower()]

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


def keep_secret(text):
    """Fails the test, at the server's end, if its log shows this. Short ones
    are words that stand there for other reasons."""
    if isinstance(text, str) and len(text) >= 12:
        SECRETS.add(text)


def keep_secrets(headers, body):
    for name, value in headers.items():
        if name.lower() == "authorization":
            keep_secret(value.partition(" ")[2])
    if not body or body[:1] != b"{" or len(body) > 1 << 16:
        return
    try:
        found = json.loads(body)
    except ValueError:
        return
    for name, value in found.items():
        if name in SECRET_MEMBERS and isinstance(value, str):
            keep_secret(re.split(r"[?=]", value)[-1])


class Http:
    """One who asks: keeps cookies and the token of its session."""

    def __init__(self, server=None, secure=False, address=None, **headers):
        self.address = address or server.ports["http"]
        self.secure = secure
        self.headers = {k.replace("_", "-"): v for k, v in headers.items()}
        self.cookies, self.csrf = {}, None

    def ask(self, method, path, body=None, headers=None, timeout=120):
        kind = http.client.HTTPSConnection if self.secure \
            else http.client.HTTPConnection
        more = {"context": trusting()} if self.secure else {}
        link = kind(*self.address, timeout=timeout, **more)
        send = dict(self.headers)
        if self.cookies:
            send["Cookie"] = "; ".join(
                f"{k}={v}" for k, v in self.cookies.items())
        if self.csrf and method not in ("GET", "HEAD"):
            send["X-Fileroom-Token"] = self.csrf
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            send["Content-Type"] = "application/json"
        send.update(headers or {})
        send = {k: v for k, v in send.items() if v is not None}
        keep_secrets(send, body)
        path = urllib.parse.quote(path, safe="".join(map(chr, range(33, 127))))
        try:
            link.request(method, path, body, send)
            got = link.getresponse()
            answer = Answer(got.status, got.getheaders(), got.read())
        finally:
            link.close()
        keep_secrets({}, answer.body)
        for line in answer.all("Set-Cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if re.search(r"max-age=0\b", line, re.I):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
                keep_secret(value)
        return answer

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.ask("POST", path, body, **more)

    def put(self, path, body=None, **more):
        return self.ask("PUT", path, body, **more)

    def patch(self, path, body=None, **more):
        return self.ask("PATCH", path, body, **more)

    def delete(self, path, **more):
        return self.ask("DELETE", path, **more)


class Steady:
    """Many requests over one connection, by who is logged in as this Http; as
    they are given, byte by byte."""

    def __init__(self, web):
        self.web, self.link, self.rest = web, None, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.link:
            self.link.close()
        self.link, self.rest = None, b""

    def until(self, enough):
        while True:
            n = enough(self.rest)
            if n is not None:
                part, self.rest = self.rest[:n], self.rest[n:]
                return part
            more = self.link.recv(65536)
            if not more:
                raise ConnectionError("closed")
            self.rest += more

    def ask(self, method, path, body=b"", kind=None):
        """The answer; path and body are bytes."""
        if not self.link:
            self.link = socket.create_connection(self.web.address, 300)
            self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = [method + b" " + path + b" HTTP/1.1", b"Host: localhost",
                b"Cookie: " + "; ".join(
                    f"{k}={v}" for k, v in self.web.cookies.items()).encode(),
                b"X-Fileroom-Token: " + (self.web.csrf or "x").encode()]
        if kind:
            head += [b"Content-Type: " + kind,
                     b"Content-Length: %d" % len(body)]
        self.link.sendall(b"\r\n".join(head) + b"\r\n\r\n" + body)
        first = self.until(lambda got: got.find(b"\r\n\r\n") + 4
                           if b"\r\n\r\n" in got else None)
        lines = first.decode("latin-1").split("\r\n")
        headers = [tuple(line.split(": ", 1)) for line in lines[1:-2]]
        answer = Answer(int(lines[0].split()[1]), headers, b"")
        n = int(answer.header("Content-Length") or 0)
        answer.body = self.until(
            lambda got: n if len(got) >= n else None)
        if answer.header("Connection") == "close":
            self.close()
        return answer

    def get(self, path):
        return self.ask(b"GET", path)


def basic(name, password):
    text = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": "Basic " + text}


def raw(address, data, seconds=120, shut=False):
    """What comes back for these bytes, until the other side closes."""
    with socket.create_connection(address, seconds) as s:
        try:
            s.sendall(data)
            if shut:
                s.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has answered, and closed, already
        return until_closed(s)


def until_closed(s):
    got = b""
    while True:
        try:
            part = s.recv(65536)
        except ConnectionResetError:
            return got
        if not part:
            return got
        got += part


PASSWORD = "correct horse battery"


def add_user(server, name, *options, password=PASSWORD):
    server.verb("user", "add", name, "--password-stdin", *options,
                stdin=password + "\n")


def login(server, name, password=PASSWORD, web=None, **more):
    """Who is logged in by a cookie."""
    web = web or Http(server, **more)
    got = web.post("/api/v1/session",
                   {"username": name, "password": password})
    assert got.status == 200, got
    web.csrf = got.json["token"]
    return web


def users(**settings):
    """A portal with an administrator 'root' and a user 'eva'."""
    server = portal(**settings)
    add_user(server, "root", "--role", "admin")
    add_user(server, "eva")
    return server
