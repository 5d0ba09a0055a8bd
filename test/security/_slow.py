"""Many connections of HTTP that take their time: heads, bodies, and readers
of large answers."""

import errno
import os
import resource
import select
import socket
import tempfile

from harness import sample
from harness.runner import Skip

MANY = 2000


def room_for(count):
    """As many descriptors as that takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 200:
        raise Skip(f"no more than {hard} open files")
    if soft < count + 200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count + 200, hard))


def large_study(server, files=24, rows=512):
    """Its path as a zip, larger than what sockets hold for a reader."""
    with tempfile.TemporaryDirectory() as folder:
        sample.study(folder, count=files, study="large", rows=rows)
        server.verb("import", folder)
    return f"/api/v1/studies/{sample.uid('study', 'large')}/archive"


def requests(web, zip_path):
    """(bytes to send, size of the receive buffer) of each kind."""
    own = (f"Cookie: fileroom={web.cookies['fileroom']}\r\n"
           f"X-Fileroom-Token: {web.csrf}\r\n").encode()
    host = b" HTTP/1.1\r\nHost: localhost\r\n"
    return (
        (b"GET /healthz" + host + b"X-Slow: ", None),
        (b"GET /heal", None),
        # What has come at once counts for the least rate.
        (b"PATCH /api/v1/account" + host + own
         + b"Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
         b'{"phone":"' + b"1" * 9999, None),
        (b"POST /api/v1/uploads" + host + own
         + b"Content-Length: 1000000\r\n\r\n" + bytes(9999), None),
        (b"POST /api/v1/uploads" + host + own
         + b"Transfer-Encoding: chunked\r\n\r\n10000\r\n" + b"a" * 9999,
         None),
        (b"GET " + zip_path.encode() + host + own + b"\r\n", 4096),
    )


class Crowd:
    """count connections, the kinds in turn; all of them are open."""

    def __init__(self, address, kinds, count=MANY):
        room_for(count)
        self.links = []
        try:
            for i in range(count):
                data, room = kinds[i % len(kinds)]
                s = socket.socket()
                self.links.append(s)
                if room:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
                s.settimeout(120)
                s.connect(address)
                try:
                    s.sendall(data)
                except OSError:
                    pass  # closed already: open() tells
                s.setblocking(False)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for s in self.links:
            s.close()

    def open(self):
        """How many the server has not closed."""
        watch = select.poll()
        for s in self.links:
            watch.register(s, select.POLLRDHUP)
        bad = [fd for fd, event in watch.poll(0)
               if event & (select.POLLRDHUP | select.POLLHUP | select.POLLERR)]
        return len(self.links) - len(bad)

    def drip(self):
        """A byte each; from who reads, a little."""
        for s in self.links:
            try:
                s.send(b"x")
            except OSError as e:
                assert e.errno in (errno.EPIPE, errno.ECONNRESET,
                                   errno.EAGAIN), e


def descriptors(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))
