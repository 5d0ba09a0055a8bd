"""A node in plain Python for tests of our client: it accepts, then plays a
script, well behaved or not.

    def script(a):                      # a: an Accepted association
        number, values, data = a.read_message()
        a.answer(number, values, 0)

    with Scp(script) as scp:
        run("echo", "PEER@127.0.0.1:%d" % scp.port)

What a script raises fails the test when the block is left, but for a client
that went away.
"""

import socket
import struct
import threading

from . import dicom
from .dicom import (Aborted, Association, Closed, RSP, VERIFICATION, command,
                    item, p_data, parse, pdu, pdv, role, title)


def parse_request(body):
    """{'called', 'calling', 'contexts': [(id, abstract, [syntaxes])],
    'roles': {class: (scu, scp)}, 'extended': {class: bytes}, 'window'}"""
    out = {"called": body[4:20].decode("latin-1").strip(),
           "calling": body[20:36].decode("latin-1").strip(),
           "contexts": [], "roles": {}, "extended": {}, "window": None}
    for kind, value in items(body[68:]):
        if kind == 0x20:
            abstract, syntaxes = "", []
            for sub, text in items(value[4:]):
                text = text.decode("latin-1").rstrip("\0")
                if sub == 0x30:
                    abstract = text
                elif sub == 0x40:
                    syntaxes.append(text)
            out["contexts"].append((value[0], abstract, syntaxes))
        elif kind == 0x50:
            for sub, data in items(value):
                if sub in (0x54, 0x56):
                    n = struct.unpack_from(">H", data)[0]
                    name, rest = data[2:2 + n].decode(), data[2 + n:]
                    if sub == 0x54:
                        out["roles"][name] = (rest[0], rest[1])
                    else:
                        out["extended"][name] = rest
                elif sub == 0x53:
                    out["window"] = struct.unpack(">HH", data)
    return out


def items(body):
    at = 0
    while at + 4 <= len(body):
        kind, n = body[at], struct.unpack_from(">H", body, at + 2)[0]
        yield kind, body[at + 4:at + 4 + n]
        at += 4 + n


def accept_pdu(request, choose, max_length=65536, more=b"", roles=True):
    """An A-ASSOCIATE-AC. choose(abstract, syntaxes): the syntax, or None."""
    body = struct.pack(">HH", 1, 0) + title(request["called"]) + title(
        request["calling"]) + bytes(32)
    body += item(0x10, dicom.APPLICATION.encode())
    for number, abstract, syntaxes in request["contexts"]:
        syntax = choose(abstract, syntaxes)
        body += item(0x21, bytes([number, 0, 0 if syntax else 3, 0]) + item(
            0x40, (syntax or syntaxes[0]).encode()))
    if roles:
        more += b"".join(role(name, scu, scp)
                         for name, (scu, scp) in request["roles"].items())
    body += dicom.user_information(max_length, more, "SCRIPTED")
    return pdu(2, body)


class Accepted(Association):
    """The acceptor's side of an association."""

    def __init__(self, connection):
        # pylint: disable=super-init-not-called
        self.socket = connection
        self.socket.settimeout(120)
        self.fragment, self.message = 16378, 0
        self.pending, self.released, self.contexts = [], False, {}
        self.request = None

    def accept(self, choose=lambda abstract, syntaxes: syntaxes[0],
               asked=lambda request: None, **more):
        """asked is told of the request before that is answered."""
        self.request = parse_request(self.expect(1))
        asked(self.request)
        for number, abstract, syntaxes in self.request["contexts"]:
            syntax = choose(abstract, syntaxes)
            if syntax:
                self.contexts[number] = (abstract, syntax)
        self.send(accept_pdu(self.request, choose, **more))

    def expect(self, wanted):
        kind, body = self.read_pdu()
        if kind == 5:
            self.send(dicom.RELEASE_RP)
            raise Closed("released by the client")
        if kind == 7:
            raise Aborted(*body[2:4])
        assert kind == wanted, "PDU %d, not %d" % (kind, wanted)
        return body

    def unread(self, kind, body):
        """Puts a P-DATA-TF back."""
        assert kind == 4, kind
        at = 0
        while at < len(body):
            length, number, control = struct.unpack_from(">IBB", body, at)
            self.pending.append(
                (number, control, body[at + 6:at + 4 + length]))
            at += 4 + length

    def answer(self, number, values, status, data=None, **fields):
        """A response to the command in values."""
        self.send_message(number, self.response_to(
            values, status, data is not None, **fields), data)

    @staticmethod
    def response_to(values, status, has_data=False, comment=None, counts=None,
                    message=None, code=None):
        out = [(0x0002, values.get(0x0002, b"")),
               (0x0100, struct.pack("<H", code if code is not None else
                                    struct.unpack("<H", values[0x0100])[0]
                                    | RSP)),
               (0x0120, struct.pack("<H", message) if message is not None
                else values[0x0110]),
               (0x0800, struct.pack("<H", 1 if has_data else 0x0101)),
               (0x0900, struct.pack("<H", status))]
        if comment is not None:
            out.append((0x0902, dicom.text(comment)))
        if counts is not None:
            out += [(0x1020 + i, struct.pack("<H", n))
                    for i, n in enumerate(counts) if n is not None]
        return command(out)

    def ask(self, number, code, message, sop_class=VERIFICATION, **more):
        """A request of ours; the status it is answered with."""
        data = more.pop("data", None)
        self.send_message(number, command(
            [(0x0002, dicom.text(sop_class, "UI")),
             (0x0100, struct.pack("<H", code)),
             (0x0110, struct.pack("<H", message)),
             (0x0700, struct.pack("<H", 0)),
             (0x0800, struct.pack("<H", 0x0101 if data is None else 1)),
             (0x1000, dicom.text(more.pop("uid", "1.2.3"), "UI"))]), data)
        _, values, _ = self.read_message()
        return struct.unpack("<H", values[0x0900])[0]

    def cancelled(self, seconds=0.0):
        """Has a C-CANCEL come?"""
        self.socket.settimeout(seconds or 0.001)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except (socket.timeout, BlockingIOError):
            return False
        finally:
            self.socket.settimeout(120)
        _, values, _ = self.read_message()
        return struct.unpack("<H", values[0x0100])[0] == dicom.C_CANCEL

    def until_released(self):
        """Answers the release of the client."""
        while True:
            kind, _ = self.read_pdu()
            if kind == 5:
                self.send(pdu(6, bytes(4)))
                return
            if kind == 7:
                return


def find_element(data, tag):
    """The value of an element in an identifier (implicit VR)."""
    return parse(data).get(tag, b"").decode("latin-1").strip(" \0")


class Scp:
    """Listens; each association is a thread that plays the script. With
    raw, the script gets the Accepted before anything is read."""

    def __init__(self, script, raw=False, wrap=None, **accept):
        self.script, self.raw, self.how = script, raw, accept
        self.wrap = wrap
        self.errors, self.threads, self.requests = [], [], []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def node(self, title_="PEER"):
        return "%s@127.0.0.1:%d" % (title_, self.port)

    def _listen(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            t = threading.Thread(
                target=self._serve, args=(connection,), daemon=True)
            self.threads.append(t)
            t.start()

    def _serve(self, connection):
        try:
            if self.wrap:
                connection = self.wrap(connection)
            a = Accepted(connection)
            if not self.raw:
                a.accept(asked=self.requests.append, **self.how)
            self.script(a)
            if not self.raw:
                a.until_released()
        except (Closed, Aborted, OSError):
            pass
        except BaseException as e:  # pylint: disable=broad-except
            self.errors.append(e)
        finally:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        # Ends the accept() under way, too: then all threads are known.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(60)
        self.socket.close()
        for t in self.threads:
            t.join(60)
        if kind is None and self.errors:
            raise self.errors[0]


__all__ = ["Accepted", "Scp", "find_element", "p_data", "pdv"]
