"""The portal beside its peers: searches in 20,000 studies beside Orthanc's,
and the zip of a study beside nginx, which serves the same bytes."""

import base64
import http.client
import json
import multiprocessing
import os
import re
import shutil
import socket
import statistics
import subprocess
import time
import urllib.parse

import _peers

NAME, PASSWORD = "bench", "bench-password-1"
AUTHORIZATION = {"Authorization": "Basic " + base64.b64encode(
    f"{NAME}:{PASSWORD}".encode()).decode()}


class Fileroom(_peers.Fileroom):
    """With its portal open and a user of it."""

    def command(self):
        return super().command() + ["--set", "http.port=auto", "--set",
                                    "http.bind=127.0.0.1"]

    def start(self, folder):
        super().start(folder)
        subprocess.run(
            [self.bench.server_program, "user", "add", NAME,
             "--password-stdin", "--data", folder],
            input=PASSWORD.encode(), check=True, stdout=subprocess.DEVNULL)
        return self

    def search(self, number):
        """A request, and what stands once in each of its answers."""
        query = urllib.parse.urlencode(
            {"patient_name": f"LOAD-{number:06d}*", "limit": 200})
        return request("GET", "/api/v1/studies?" + query, "",
                       AUTHORIZATION), b'"accession":'


class Orthanc(_peers.Orthanc):
    def command(self):
        self.http_port = _peers.free_port()
        argv = super().command()
        with open(argv[1], encoding="utf-8") as f:
            config = json.load(f)
        config.update({
            "HttpServerEnabled": True, "HttpPort": self.http_port,
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False})
        with open(argv[1], "w", encoding="utf-8") as f:
            json.dump(config, f)
        return argv

    def search(self, number):
        body = json.dumps({"Level": "Study", "Expand": True, "Query": {
            "PatientName": f"LOAD-{number:06d}*"}})
        return request("POST", "/tools/find", body), b'"ParentPatient"'


class Link:
    """One kept connection, with little work between a request and the next:
    what the client takes is taken from both servers alike."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.room = bytearray(4 << 20)
        self.view = memoryview(self.room)

    def ask(self, request):
        self.socket.sendall(request)
        n = self.socket.recv_into(self.room)
        while (end := self.room.find(b"\r\n\r\n", 0, n)) < 0:
            n += self.socket.recv_into(self.view[n:])
        head = bytes(self.view[:end])
        if not head.startswith(b"HTTP/1.1 200"):
            raise _peers.Failed(repr(head[:300]))
        size = int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)[1])
        size += end + 4
        if size > len(self.room):
            raise _peers.Failed(f"an answer of {size} bytes")
        while n < size:
            n += self.socket.recv_into(self.view[n:])
        return self.room[end + 4:n]

    def close(self):
        self.socket.close()


def connect(server):
    return http.client.HTTPConnection("127.0.0.1", server.http_port,
                                      timeout=120)


def request(method, path, body="", headers=None):
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1",
             f"Content-Length: {len(body)}" if body else ""]
    lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
    return ("\r\n".join(x for x in lines if x) + "\r\n\r\n" + body).encode()


def searches(server, count, groups, each):
    """Searches a second on one connection; the answers are counted."""
    link = Link(server.http_port)
    begun = time.monotonic()
    for i in range(count):
        text, mark = server.search(i % groups)
        data = link.ask(text)
        if data.count(mark) != each:
            raise _peers.Failed(f"{server.name}: {data[:200]!r}")
    wall = time.monotonic() - begun
    link.close()
    return count / wall


def search_scenario(bench, fs, studies, judge_ratio, medians):
    shape = {"studies": studies, "patients": max(1, studies // 2)}
    bench_log = bench.log
    bench_log(f"search: 100 of {studies} studies over HTTP, one connection")
    seed, servers = bench.new_seed(), []
    for kind in (Fileroom, Orthanc):
        if not any(k.name == kind.name for k in bench.kinds):
            continue
        server = bench.start(kind, fs)
        bench.load(server, "store", seed=seed, count=studies, assocs=8,
                   **shape)
        servers.append(server)
    groups = max(1, studies // 100)
    rates = {s.name: [] for s in servers}
    for number in range(1, bench.rounds + 1):
        for server in servers:
            try:
                count = 10 if server.name == "orthanc" else 500
                rate = searches(server, count, groups, min(100, studies))
            except (_peers.Failed, OSError, http.client.HTTPException) as e:
                bench_log(f"  {e}")
                continue
            rates[server.name].append(rate)
            bench_log(f"  round {number} {server.name:8} {rate:10.1f} /s")
    for server in servers:
        bench.end(server)
    judge_ratio(bench, "search", medians(rates), "searches/s", 50)


class Nginx:
    """It serves one folder."""

    def __init__(self, folder):
        self.port = _peers.free_port()
        lines = [f"pid {folder}/pid; error_log {folder}/error; "
                 "user root; daemon off; worker_processes 2; events {}",
                 "http { access_log off; sendfile on;"]
        lines += [f"{kind}_temp_path {folder}/{kind};" for kind in (
            "client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
        lines.append(f"server {{ listen 127.0.0.1:{self.port}; "
                     f"root {folder}; }} }}")
        config = os.path.join(folder, "nginx.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write("\n".join(lines))
        self.process = subprocess.Popen(
            [_peers.find_program("nginx"), "-c", config])

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def fetch(port, path, headers, buffer):
    """Bytes a second of one answer, and its bytes."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    begun, n = time.monotonic(), 0
    link.request("GET", path, None, headers)
    answer = link.getresponse()
    if answer.status != 200:
        raise _peers.Failed(f"{path}: {answer.status}")
    while got := answer.readinto(buffer):
        n += got
    rate = n / (time.monotonic() - begun)
    link.close()
    return rate, n


def zip_scenario(bench, fs, images):
    if _peers.find_program("nginx") is None:
        bench.skip("zip", "nginx is not installed")
        return
    bench.log(f"zip: a study of {images} x 0.5 MB, beside nginx serving it")
    server = bench.start(Fileroom, fs)
    bench.load(server, "store", seed=bench.new_seed(), count=images, studies=1,
               patients=1, rows=512, columns=512)
    link = connect(server)
    link.request("GET", "/api/v1/studies", None, AUTHORIZATION)
    study = json.loads(link.getresponse().read())["studies"][0]["uid"]
    path = f"/api/v1/studies/{study}/archive"
    link.request("GET", path, None, AUTHORIZATION)
    folder = fs.fresh("nginx")
    os.makedirs(folder)
    with open(os.path.join(folder, "study.zip"), "wb") as f:
        shutil.copyfileobj(link.getresponse(), f, 1 << 20)
    link.close()
    nginx = Nginx(folder)
    buffer, ours, theirs, most = memoryview(bytearray(1 << 20)), [], [], 0
    before = server.rss_bytes()
    try:
        for number in range(1, bench.rounds + 1):
            rate, n = fetch(server.http_port, path, AUTHORIZATION, buffer)
            most = max(most, server.rss_bytes())
            other, m = fetch(nginx.port, "/study.zip", {}, buffer)
            if n != m:
                raise _peers.Failed(f"zip: {n} bytes, and {m}")
            ours.append(rate)
            theirs.append(other)
            bench.log(f"  round {number} fileroom {rate / 1e6:8.0f} MB/s, "
                      f"nginx {other / 1e6:8.0f} MB/s")
    finally:
        nginx.stop()
        bench.end(server)
    ratio = statistics.median(ours) / statistics.median(theirs)
    bench.judge("zip", f"{statistics.median(ours) / 1e6:.0f} MB/s, {ratio:.2f}"
                f" times nginx; {most / 1e6:.0f} MB of memory, "
                f"{before / 1e6:.0f} before", "0.5x nginx, under 32 MB",
                ratio >= 0.5 and most < 32e6)


class Crowd:
    """Connections that cost a server something and want little of it."""

    def __init__(self, port, readers, idle, path):
        self.links = []
        for number in range(readers + idle):
            s = socket.socket()
            if number < readers:
                # Small, so that the server cannot get rid of its answer.
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.settimeout(60)
            s.connect(("127.0.0.1", port))
            s.sendall(request("GET", path if number < readers else "/healthz",
                              "", AUTHORIZATION))
            if number >= readers:
                s.recv(65536)
            self.links.append(s)
        self.readers = self.links[:readers]
        # In a process of its own: it takes nothing from who measures.
        self.process = multiprocessing.get_context("fork").Process(
            target=self.sip, daemon=True)
        self.process.start()

    def sip(self):
        """Each takes 4 KiB a second: enough not to be cut off."""
        while True:
            time.sleep(1)
            for s in self.readers:
                try:
                    s.recv(4096)
                except OSError:
                    pass

    def open(self):
        """How many have not been closed by the server."""
        n = 0
        for s in self.links[len(self.readers):]:
            s.setblocking(False)
            try:
                n += s.recv(1) != b""
            except BlockingIOError:
                n += 1
        return n

    def close(self):
        self.process.terminate()
        self.process.join()
        for s in self.links:
            s.close()


def slow_scenario(bench, fs, readers=200, idle=1000):
    """What a fast client notices of slow ones: searches a second, and the
    rate of a zip, alone and beside them."""
    bench.log(f"slow: a fast client beside {readers} slow readers and "
              f"{idle} idle connections")
    server = bench.start(Fileroom, fs)
    bench.load(server, "store", seed=bench.new_seed(), count=100, studies=1,
               patients=1, rows=512, columns=512)
    link = connect(server)
    link.request("GET", "/api/v1/studies", None, AUTHORIZATION)
    study = json.loads(link.getresponse().read())["studies"][0]["uid"]
    link.close()
    path = f"/api/v1/studies/{study}/archive"
    buffer = memoryview(bytearray(1 << 20))
    rates = {"alone": ([], []), "beside": ([], [])}
    for number in range(1, max(3, bench.rounds) + 1):
        for name in ("alone", "beside"):
            crowd = None
            if name == "beside":
                crowd = Crowd(server.http_port, readers, idle, path)
            try:
                one = searches(server, 2000, 1, 1)
                two, _ = fetch(server.http_port, path, AUTHORIZATION, buffer)
                if crowd and crowd.open() < idle:
                    raise _peers.Failed("idle connections were closed")
            finally:
                if crowd:
                    crowd.close()
            rates[name][0].append(one)
            rates[name][1].append(two)
            bench.log(f"  round {number} {name:7} {one:7.0f} searches/s, "
                      f"zip {two / 1e6:6.0f} MB/s")
    bench.end(server)
    for at, what in enumerate(("searches", "zip")):
        alone, beside = (statistics.median(rates[n][at])
                         for n in ("alone", "beside"))
        bench.judge(f"slow-{what}", f"{beside / alone:.2f} of what it is alone",
                    "at least 0.8", beside >= 0.8 * alone)
