"""A storage node in plain Python, the destination of what the server sends:
well behaved, or misbehaving in the way a test asks for.

    with Sink() as sink:
        server.verb("node", "add", "SINK", "127.0.0.1", str(sink.port))
        …
        equal(sink.data(), items)

behave(number, uid) says for each C-STORE (counted from 0 over all
associations) what happens: a status to answer with, or one of ACTIONS.
"""

import socket
import struct
import threading

from . import dicom
from .scp import accept_pdu, parse_request

ACTIONS = (
    "stall",       # the data set is read, nothing is answered
    "deaf",        # nothing is read any more
    "close",       # closed instead of the answer
    "cut",         # closed within the data set
    "reset",       # likewise, with a reset
    "abort",       # A-ABORT instead of the answer
    "release",     # A-RELEASE-RQ instead of the answer
    "wrong id",    # the answer names another message
    "wrong kind",  # a C-ECHO-RSP
    "pending",     # status FF00
    "garbage",     # bytes that are no PDU
    "request",     # a C-ECHO-RQ instead of the answer
    "twice",       # answered twice
    "data",        # the answer has a data set, which goes on for ever
    "drip",        # the answer comes a byte at a time, and stops half-way
)


def any_syntax(abstract, syntaxes):
    """Accepts the first that is proposed."""
    return syntaxes[0]


def only(*wanted):
    """Accepts these transfer syntaxes."""
    def choose(abstract, syntaxes):
        return next((s for s in syntaxes if s in wanted), None)
    return choose


class Sink:
    """choose(abstract, [syntaxes]): the accepted one or None. reject: (result,
    source, reason) of an A-ASSOCIATE-RJ. window: operations that it lets be in
    flight (answers come in bundles of so many). greet: "accept", or "silent",
    "close", "garbage", "abort" instead of an answer to the request."""

    def __init__(self, behave=None, choose=any_syntax, reject=None,
                 window=None, greet="accept", max_length=65536, port=0):
        self.behave = behave or (lambda number, uid: 0)
        self.choose, self.reject, self.window = choose, reject, window
        self.greet, self.max_length = greet, max_length
        self.got, self.requests, self.ends = [], [], []
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self.begun = threading.Event()  # the first data set has begun
        self.most_in_flight, self.open, self.most_open = 0, 0, 0
        self.connections, self.errors = [], []
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close()
        if kind is None and self.errors:
            raise self.errors[0]

    def close(self):
        self.stopped.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for c in self.connections:
            try:
                c.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def data(self):
        """{uid: data set} of what was received whole."""
        return {item["uid"]: item["data"] for item in self.got}

    def _listen(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        wire = dicom.Wire.__new__(dicom.Wire)
        wire.socket, wire.counted = connection, 1
        end = "closed"
        try:
            if self._accept(wire):
                end = self._stores(wire)
        except (dicom.Closed, OSError):
            pass
        except BaseException as e:  # pylint: disable=broad-except
            self.errors.append(e)
        finally:
            self._count_end(wire)
            self.ends.append(end)
            connection.close()

    def _count_end(self, wire):
        """Once, and before the peer is told: it may open the next then."""
        with self.lock:
            self.open -= wire.counted
            wire.counted = 0

    def _accept(self, wire):
        kind, body = wire.read_pdu()
        assert kind == 1, "PDU %d" % kind
        request = parse_request(body)
        self.requests.append(request)
        wire.contexts = {}
        for number, abstract, syntaxes in request["contexts"]:
            chosen = self.choose(abstract, syntaxes)
            if chosen:
                wire.contexts[number] = (abstract, chosen)
        if self.greet == "silent":
            self.stopped.wait(300)
            return False
        if self.greet == "garbage":
            wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return False
        if self.greet == "abort":
            wire.send(dicom.abort(2, 1))
            return False
        if self.greet == "close":
            return False
        if self.reject:
            wire.send(dicom.pdu(3, bytes([0, *self.reject])))
            wire.until_closed()
            return False
        more = b""
        if self.window and request["window"]:
            more = dicom.window(self.window, 1)
        wire.send(accept_pdu(request, self.choose, self.max_length, more))
        return True

    def _message(self, wire, first):
        """(context, command values, data set), or how the association ends.
        first: the first PDU, read already."""
        cmd, data, context, action = b"", b"", 0, None
        values, kind, body = None, *first
        while True:
            if kind == 5:
                self._count_end(wire)
                wire.send(dicom.RELEASE_RP)
                return "released"
            if kind == 7:
                return "aborted"
            assert kind == 4, "PDU %d" % kind
            at = 0
            while at < len(body):
                length, context, control = struct.unpack_from(
                    ">IBB", body, at)
                part = body[at + 6:at + 4 + length]
                at += 4 + length
                if control & 1:
                    cmd += part
                    if control & 2:
                        values = {t & 0xFFFF: v for t, v in
                                  dicom.parse(cmd).items()}
                        uid = dicom.as_text(values[0x1000])
                        with self.lock:
                            number, self.count = self.count, self.count + 1
                        action = self.behave(number, uid)
                        if struct.unpack("<H", values[0x0800])[0] == 0x0101:
                            return context, values, data, action
                    continue
                data += part
                self.begun.set()
                if action in ("cut", "reset"):
                    if action == "reset":
                        wire.socket.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
                    return action
                if action == "deaf":
                    self.stopped.wait(300)
                    return action
                if control & 2:
                    return context, values, data, action
            kind, body = wire.read_pdu()

    count = 0

    def _stores(self, wire):
        held = []
        while True:
            message = self._message(wire, wire.read_pdu())
            if isinstance(message, str):
                return message
            context, values, data, action = message
            with self.lock:
                self.got.append({
                    "uid": dicom.as_text(values[0x1000]), "data": data,
                    "syntax": wire.contexts[context][1],
                    "class": wire.contexts[context][0], "values": values})
            held.append((context, values, action))
            self.most_in_flight = max(self.most_in_flight, len(held))
            if self.window and len(held) < self.window and self._more(wire):
                continue
            for answer in reversed(held):
                end = self._answer(wire, *answer)
                if end:
                    return end
            held = []

    def _more(self, wire):
        """Does another message come soon?"""
        wire.socket.settimeout(0.3)
        try:
            return bool(wire.socket.recv(1, socket.MSG_PEEK))
        except (socket.timeout, BlockingIOError):
            return False
        finally:
            wire.socket.settimeout(None)

    def _answer(self, wire, context, values, action):
        """None, or how the association ends."""
        message = struct.unpack("<H", values[0x0110])[0]
        code, status = dicom.C_STORE | dicom.RSP, 0
        if action == "stall":
            self.stopped.wait(300)
            return action
        if action == "close":
            return action
        if action == "abort":
            wire.send(dicom.abort())
            return action
        if action == "release":
            wire.send(dicom.RELEASE_RQ)
            wire.read_pdu()
            return action
        if action == "garbage":
            wire.send(b"\xff" * 64)
            return action
        if action == "wrong id":
            message += 100
        elif action == "wrong kind":
            code = dicom.C_ECHO | dicom.RSP
        elif action == "request":
            code = dicom.C_ECHO
        elif action == "pending":
            status = 0xFF00
        elif action in ("twice", "data", "drip"):
            status = 0
        elif isinstance(action, tuple):
            status = action[0]
        elif action is not None:
            status = action
        fields = [(0x0002, dicom.as_text(values[0x0002])), (0x0100, code),
                  (0x0110 if action == "request" else 0x0120, message),
                  (0x0800, 0 if action == "data" else dicom.NO_DATA),
                  (0x0900, status),
                  (0x1000, dicom.as_text(values[0x1000]))]
        if isinstance(action, tuple):
            fields.append((0x0902, action[1]))
        answer = dicom.p_data(dicom.pdv(
            context, dicom.command(fields), is_command=True))
        if action == "drip":
            for byte in answer[:len(answer) // 2]:
                wire.send(bytes([byte]))
            self.stopped.wait(300)
            return action
        wire.send(answer)
        if action == "twice":
            wire.send(answer)
        while action == "data" and not self.stopped.is_set():
            wire.send(dicom.p_data(dicom.pdv(
                context, bytes(4096), last=False)))
        return None
