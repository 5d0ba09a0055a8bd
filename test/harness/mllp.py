"""HL7 over MLLP, as a client, and what the archive keeps of it.

    with Mllp(server.hl7_port) as c:
        equal(code(c.ask(order("1"))), "AA")
"""

import socket
import sqlite3
import os

START, END = b"\x0b", b"\x1c\r"


def order(control, *, placer=None, patient="P1", name="DOE^JANE", ack="",
          kind="ORM^O01", version="2.3.1", charset="", app="HIS", more=()):
    """An order by the default mapping; control is MSH-10."""
    placer = placer or f"A{control}"
    segments = [
        f"MSH|^~\\&|{app}|CLINIC|FILEROOM|RAD|20260101120000||{kind}|"
        f"{control}|P|{version}|||{ack or '|'}||{charset}",
        f"PID|||{patient}||{name}||19510224|F",
        f"ORC|NW|{placer}|||IP||^^^20260102080000||20260101||||||20260102",
        f"OBR|1|{placer}||21100^CT HEAD||||||||||||||CT|||CTAWP1",
        *more]
    return "".join(s + "\r" for s in segments).encode()


def frame(message):
    return START + message + END


def fields(message, name):
    """The fields of the first segment of this name; [0] is the name."""
    bar = message[3:4] if message.startswith(b"MSH") else b"|"
    for line in message.replace(b"\n", b"\r").split(b"\r"):
        if line.startswith(name.encode()):
            return [f.decode("utf-8", "replace") for f in line.split(bar)]
    raise AssertionError(f"no {name} in {message!r}")


def code(message):
    """MSA-1."""
    return fields(message, "MSA")[1]


class Mllp:
    def __init__(self, port, host="127.0.0.1", seconds=120, tls=None,
                 source=None):
        self.socket = socket.create_connection(
            (host, port), seconds,
            source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket)
        self.left = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def push(self, data):
        """What may not be taken to its end: its reader may have had enough."""
        try:
            self.send(data)
        except OSError:
            pass

    def _more(self):
        """A reset is an end, too: of one who has still been sending."""
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            return False
        self.left += data
        return bool(data)

    def receive(self):
        """The next frame's message; None at the end."""
        while END not in self.left:
            if not self._more():
                if self.left:
                    raise AssertionError(f"half a frame: {self.left!r}")
                return None
        message, self.left = self.left.split(END, 1)
        if message[:1] != START:
            raise AssertionError(f"no frame: {message!r}")
        return message[1:]

    def ask(self, message):
        self.send(frame(message))
        return self.receive()

    def rest(self):
        """All bytes up to the end of the stream."""
        while self._more():
            pass
        return self.left

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)


def fill(sock, data, seconds):
    """Sends data over and over, until nothing of it is taken for so long: who
    is to read waits for us."""
    sock.settimeout(seconds)
    view, at = memoryview(data), 0
    try:
        while True:
            at += sock.send(view[at:])
            at %= len(data)
    except TimeoutError:
        pass


def rows(server, sql, *args):
    """What a query of the database gives, as dictionaries."""
    path = os.path.join(server.data, "fileroom.db")
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=120)
    try:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(sql, args)]
    finally:
        db.close()


def items(server):
    return rows(server, "SELECT * FROM item ORDER BY id")


def journal(server):
    return rows(server, "SELECT * FROM hl7_journal ORDER BY id")
