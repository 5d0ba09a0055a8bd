"""A DICOM peer in plain Python for tests: it says what it is told to, right or
wrong. PDUs (PS3.8 9.3), user information items (PS3.7 Annex D), commands
(PS3.7 Annex E) and data sets (PS3.5 7) as bytes.

    with Association(port, [(CT, [EXPLICIT_LITTLE])]) as a:
        status = a.store(CT, uid, data)

Nothing here is checked on the way out: a test that wants an odd length or a
wrong order builds it with the functions below.
"""

import contextlib
import socket
import struct

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
J2K_LOSSLESS = "1.2.840.10008.1.2.4.90"
RLE = "1.2.840.10008.1.2.5"

APPLICATION = "1.2.840.10008.3.1.1.1"
VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
SC = "1.2.840.10008.5.1.4.1.1.7"
FIND_PATIENT = "1.2.840.10008.5.1.4.1.2.1.1"
MOVE_PATIENT = "1.2.840.10008.5.1.4.1.2.1.2"
GET_PATIENT = "1.2.840.10008.5.1.4.1.2.1.3"
FIND_STUDY = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE_STUDY = "1.2.840.10008.5.1.4.1.2.2.2"
GET_STUDY = "1.2.840.10008.5.1.4.1.2.2.3"
FIND_PATIENT_STUDY = "1.2.840.10008.5.1.4.1.2.3.1"
WORKLIST = "1.2.840.10008.5.1.4.31"

C_STORE, C_GET, C_FIND, C_MOVE, C_ECHO = 0x1, 0x10, 0x20, 0x21, 0x30
C_CANCEL = 0xFFF
RSP = 0x8000
NO_DATA = 0x0101

LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR",
        "UT", "UV"}


class Closed(Exception):
    """The server ended the connection without a word."""


class Rejected(Exception):
    def __init__(self, result, source, reason):
        super().__init__("rejected: result %d source %d reason %d"
                         % (result, source, reason))
        self.result, self.source, self.reason = result, source, reason


class Aborted(Exception):
    def __init__(self, source, reason):
        super().__init__("aborted: source %d reason %d" % (source, reason))
        self.source, self.reason = source, reason


# Data sets ---------------------------------------------------------------

def pad(value, filler=b" "):
    return value + filler if len(value) % 2 else value


def text(value, vr="LO"):
    """str or bytes or a number as an even-length value."""
    if isinstance(value, (int, float)):
        value = str(value)
    if isinstance(value, str):
        value = value.encode("utf-8")
    return pad(value, b"\0" if vr == "UI" else b" ")


def header(tag, vr, length, syntax=EXPLICIT_LITTLE):
    """Tag, VR and length field of one element."""
    order = ">" if syntax == EXPLICIT_BIG else "<"
    group, element = tag >> 16, tag & 0xFFFF
    if syntax == IMPLICIT_LITTLE:
        return struct.pack("<HHI", group, element, length)
    if vr in LONG:
        return struct.pack(order + "HH2sHI", group, element, vr.encode(), 0,
                           length)
    return struct.pack(order + "HH2sH", group, element, vr.encode(),
                       length & 0xFFFF)


def element(tag, vr, value, syntax=EXPLICIT_LITTLE):
    """One element; value is text, bytes, or for US/UL/SS/SL a number."""
    order = ">" if syntax == EXPLICIT_BIG else "<"
    codes = {"US": "H", "UL": "I", "SS": "h", "SL": "i", "FD": "d", "FL": "f"}
    if vr in codes and not isinstance(value, bytes):
        value = struct.pack(order + codes[vr], value)
    elif vr in ("OB", "OW", "UN", "SQ"):
        value = pad(value, b"\0")
    else:
        value = text(value, vr)
    return header(tag, vr, len(value), syntax) + value


def dataset(elements, syntax=EXPLICIT_LITTLE):
    """elements: (tag, vr, value) in any order; written in order of tags."""
    return b"".join(element(t, v, x, syntax)
                    for t, v, x in sorted(elements, key=lambda e: e[0]))


def instance(uid, sop_class=CT, study="1.2.3", series="1.2.3.4",
             patient="PAT1", name="Doe^John", pixels=b"\1\2\3\4",
             syntax=EXPLICIT_LITTLE, more=()):
    """A small object as bytes."""
    return dataset([
        (0x00080016, "UI", sop_class), (0x00080018, "UI", uid),
        (0x00080020, "DA", "20260102"), (0x00080030, "TM", "101112"),
        (0x00080050, "SH", "ACC1"), (0x00080060, "CS", "CT"),
        (0x00100010, "PN", name), (0x00100020, "LO", patient),
        (0x0020000D, "UI", study), (0x0020000E, "UI", series),
        (0x00200013, "IS", "1"), (0x7FE00010, "OW", pixels), *more], syntax)


def parse(data, syntax=IMPLICIT_LITTLE):
    """A flat data set of defined lengths as {tag: value bytes}."""
    out, at = {}, 0
    order = ">" if syntax == EXPLICIT_BIG else "<"
    while at < len(data):
        group, elem = struct.unpack_from(order + "HH", data, at)
        at += 4
        if syntax == IMPLICIT_LITTLE:
            (length,) = struct.unpack_from("<I", data, at)
            at += 4
        elif data[at:at + 2].decode("latin-1") in LONG:
            (length,) = struct.unpack_from(order + "I", data, at + 4)
            at += 8
        else:
            (length,) = struct.unpack_from(order + "H", data, at + 2)
            at += 4
        out[group << 16 | elem] = data[at:at + length]
        at += length
    return out


def as_text(value):
    return value.decode("utf-8", "replace").strip(" \0")


# Commands ----------------------------------------------------------------

def command(elements):
    """A command set with its group length; elements: (element, value), where
    a number is US (UL for 0000,0000), text a UID or string."""
    body = b""
    for elem, value in sorted(elements, key=lambda e: e[0]):
        if isinstance(value, int):
            value = struct.pack("<H", value)
        elif isinstance(value, str):
            value = pad(value.encode(), b"\0")
        body += struct.pack("<HHI", 0, elem, len(value)) + value
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def store_command(message, sop_class, uid, has_data=True):
    return command([(0x0002, sop_class), (0x0100, C_STORE),
                    (0x0110, message), (0x0700, 0),
                    (0x0800, 0 if has_data else NO_DATA), (0x1000, uid)])


# PDUs --------------------------------------------------------------------

def pdu(kind, body, length=None):
    return struct.pack(">BBI", kind, 0,
                       len(body) if length is None else length) + body


def item(kind, body, length=None):
    if isinstance(body, str):
        body = body.encode()
    return struct.pack(">BBH", kind, 0,
                       len(body) if length is None else length) + body


def context_rq(number, abstract, syntaxes):
    return item(0x20, bytes([number, 0, 0, 0]) + item(0x30, abstract)
                + b"".join(item(0x40, s) for s in syntaxes))


def role(sop_class, scu, scp):
    uid = sop_class.encode()
    return item(0x54, struct.pack(">H", len(uid)) + uid
                + bytes([int(scu), int(scp)]))


def extended(sop_class, info):
    uid = sop_class.encode()
    return item(0x56, struct.pack(">H", len(uid)) + uid + info)


def window(invoked, performed):
    return item(0x53, struct.pack(">HH", invoked, performed))


def identity(kind, primary, secondary=b"", answer=False):
    return item(0x58, bytes([kind, int(answer)])
                + struct.pack(">H", len(primary)) + primary
                + struct.pack(">H", len(secondary)) + secondary)


def user_information(max_length=65536, more=b"", version="PARROT"):
    return item(0x50, (item(0x51, struct.pack(">I", max_length))
                       if max_length is not None else b"")
                + item(0x52, "2.25.1") + item(0x55, version) + more)


def title(ae):
    return ae.encode().ljust(16)[:16]


def associate_rq(contexts, calling="PARROT", called="FILEROOM",
                 application=APPLICATION, version=1, user=None):
    """contexts: bytes of the context items, or a list of (abstract, [syntax])
    that get the ids 1, 3, 5 …"""
    if not isinstance(contexts, bytes):
        contexts = b"".join(context_rq(2 * i + 1, a, s)
                            for i, (a, s) in enumerate(contexts))
    return pdu(1, struct.pack(">HH", version, 0) + title(called)
               + title(calling) + bytes(32) + item(0x10, application)
               + contexts + (user_information() if user is None else user))


def pdv(context, data, is_command=False, last=True):
    return struct.pack(">IBB", len(data) + 2, context,
                       int(is_command) | int(last) << 1) + data


def p_data(*pdvs):
    return pdu(4, b"".join(pdvs))


RELEASE_RQ = pdu(5, bytes(4))
RELEASE_RP = pdu(6, bytes(4))


def abort(source=0, reason=0):
    return pdu(7, bytes([0, 0, source, reason]))


def parse_accept(body):
    """The items of an A-ASSOCIATE-AC: {'contexts': {id: (result, syntax)},
    'max_length', 'items': {type: [bytes]}}."""
    out = {"contexts": {}, "items": {}, "max_length": None,
           "application": None}
    at = 68
    while at + 4 <= len(body):
        kind, length = body[at], struct.unpack_from(">H", body, at + 2)[0]
        value = body[at + 4:at + 4 + length]
        at += 4 + length
        if kind == 0x10:
            out["application"] = value.decode()
        elif kind == 0x21:
            out["contexts"][value[0]] = (
                value[2], value[8:].decode().rstrip("\0"))
        elif kind == 0x50:
            inner = 0
            while inner + 4 <= len(value):
                sub, n = value[inner], struct.unpack_from(
                    ">H", value, inner + 2)[0]
                data = value[inner + 4:inner + 4 + n]
                inner += 4 + n
                out["items"].setdefault(sub, []).append(data)
                if sub == 0x51:
                    out["max_length"] = struct.unpack(">I", data)[0]
    return out


# Connections and associations --------------------------------------------

class Wire:
    """A TCP connection that reads PDUs; with an ssl.SSLContext, in TLS."""

    def __init__(self, port, host="127.0.0.1", timeout=120, source=None,
                 tls=None):
        self.socket = socket.create_connection(
            (host, port), timeout, source_address=source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            try:
                self.socket = tls.wrap_socket(
                    self.socket, server_hostname=host)
            except BaseException:
                self.socket.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))

    @contextlib.contextmanager
    def in_one_write(self):
        """What is sent within is with the peer at once, or not at all."""
        parts = []
        self.send = lambda *more: parts.extend(more)
        try:
            yield
        finally:
            del self.send
        self.send(*parts)

    def read(self, n):
        out = b""
        while len(out) < n:
            try:
                part = self.socket.recv(n - len(out))
            except ConnectionResetError:
                part = b""
            if not part:
                raise Closed("connection closed after %d of %d bytes"
                             % (len(out), n))
            out += part
        return out

    def read_pdu(self):
        """(type, body)."""
        kind, _, length = struct.unpack(">BBI", self.read(6))
        return kind, self.read(length)

    def until_closed(self):
        """Everything the server still sends before it closes."""
        out = b""
        while True:
            try:
                part = self.socket.recv(65536)
            except ConnectionResetError:
                return out
            if not part:
                return out
            out += part


class Association(Wire):
    """Requests one; raises Rejected, Aborted or Closed when refused."""

    def __init__(self, port, contexts, calling="PARROT", called="FILEROOM",
                 user=None, fragment=16378, timeout=120, host="127.0.0.1",
                 tls=None, **more):
        super().__init__(port, host, timeout, tls=tls)
        self.fragment = fragment
        self.message = 0
        self.released = False
        self.pending = []  # PDVs that were read and not yet used
        self.send(associate_rq(contexts, calling, called, user=user, **more))
        try:
            body = self.expect(2)
        except Exception:
            self.close()
            raise
        self.accepted = parse_accept(body)
        # {id: (abstract, syntax)} of what was accepted
        self.contexts = {}
        if not isinstance(contexts, bytes):
            for i, (abstract, _) in enumerate(contexts):
                result, syntax = self.accepted["contexts"].get(
                    2 * i + 1, (255, ""))
                if result == 0:
                    self.contexts[2 * i + 1] = (abstract, syntax)

    def __exit__(self, kind, *_):
        try:
            if kind is None and not self.released:
                self.end()
        except (OSError, Closed, Aborted):
            pass
        self.close()

    def expect(self, wanted, passing=None):
        kind, body = self.read_pdu()
        while kind == passing:
            kind, body = self.read_pdu()
        if kind == 3:
            raise Rejected(*body[1:4])
        if kind == 7:
            raise Aborted(*body[2:4])
        if kind != wanted:
            raise AssertionError("PDU %d, not %d" % (kind, wanted))
        return body

    def context_for(self, abstract, syntax=None):
        for number, (a, s) in self.contexts.items():
            if a == abstract and syntax in (None, s):
                return number
        raise AssertionError("no accepted context for %s" % abstract)

    def next_message(self):
        self.message += 1
        return self.message

    def send_message(self, context, cmd, data=None):
        parts = [p_data(pdv(context, cmd, is_command=True))]
        if data is not None:
            step = self.fragment
            for at in range(0, max(len(data), 1), step):
                parts.append(p_data(pdv(context, data[at:at + step],
                                        last=at + step >= len(data))))
        self.send(*parts)

    def read_pdv(self):
        while not self.pending:
            body = self.expect(4)
            at = 0
            while at < len(body):
                length, number, control = struct.unpack_from(">IBB", body, at)
                self.pending.append(
                    (number, control, body[at + 6:at + 4 + length]))
                at += 4 + length
        return self.pending.pop(0)

    def read_message(self):
        """(context id, {element: value} of the command, data set or None)."""
        cmd, data = b"", None
        while True:
            number, control, part = self.read_pdv()
            assert control & 1, "a data fragment before the command"
            cmd += part
            if control & 2:
                break
        values = {tag & 0xFFFF: value for tag, value in parse(cmd).items()}
        if struct.unpack("<H", values[0x0800])[0] != NO_DATA:
            data = b""
            while True:
                _, control, part = self.read_pdv()
                assert not control & 1, "a command fragment in a data set"
                data += part
                if control & 2:
                    break
        return number, values, data

    def response(self):
        """The next message as (status, command values, data set)."""
        _, values, data = self.read_message()
        return struct.unpack("<H", values[0x0900])[0], values, data

    def echo(self):
        context = self.context_for(VERIFICATION)
        self.send_message(context, command(
            [(0x0002, VERIFICATION), (0x0100, C_ECHO),
             (0x0110, self.next_message()), (0x0800, NO_DATA)]))
        return self.response()[0]

    def store(self, sop_class, uid, data, syntax=None, context=None):
        """The status of the C-STORE-RSP; .comment has the error comment."""
        if context is None:
            context = self.context_for(sop_class, syntax)
        self.send_message(context, store_command(
            self.next_message(), sop_class, uid), data)
        status, values, _ = self.response()
        self.comment = as_text(values.get(0x0902, b""))
        return status

    def query(self, abstract, operation, identifier):
        """Sends a C-FIND or C-GET request; returns its message id."""
        message = self.next_message()
        self.send_message(self.context_for(abstract), command(
            [(0x0002, abstract), (0x0100, operation), (0x0110, message),
             (0x0700, 0), (0x0800, 0)]), identifier)
        return message

    def cancel(self, message, abstract):
        self.send_message(self.context_for(abstract), command(
            [(0x0100, C_CANCEL), (0x0120, message), (0x0800, NO_DATA)]))

    def find(self, abstract, identifier):
        """(final status, [{tag: value}])."""
        context = self.context_for(abstract)
        syntax = self.contexts[context][1]
        if not isinstance(identifier, bytes):
            identifier = dataset(identifier, syntax)
        self.query(abstract, C_FIND, identifier)
        answers = []
        while True:
            status, values, data = self.response()
            self.comment = as_text(values.get(0x0902, b""))
            if status not in (0xFF00, 0xFF01):
                return status, answers
            answers.append(parse(data, syntax))

    def get(self, abstract, identifier, answer=lambda values, data: 0):
        """C-GET: (final status, command values of the last response,
        [(sop instance, syntax, data)]). answer gives the status with which
        each sub-operation is answered."""
        context = self.context_for(abstract)
        if not isinstance(identifier, bytes):
            identifier = dataset(identifier, self.contexts[context][1])
        self.query(abstract, C_GET, identifier)
        got = []
        while True:
            number, values, data = self.read_message()
            kind = struct.unpack("<H", values[0x0100])[0]
            if kind == C_STORE:
                uid = as_text(values[0x1000])
                got.append((uid, self.contexts[number][1], data))
                self.send_message(number, command(
                    [(0x0002, as_text(values[0x0002])),
                     (0x0100, C_STORE | RSP),
                     (0x0120, struct.unpack("<H", values[0x0110])[0]),
                     (0x0800, NO_DATA), (0x0900, answer(values, data)),
                     (0x1000, uid)]))
                continue
            status = struct.unpack("<H", values[0x0900])[0]
            self.failed_list = data
            if status != 0xFF00:
                return status, values, got

    def release(self):
        """What was on its way is let pass (PS3.8 Table 9-10, AR-6)."""
        self.send(RELEASE_RQ)
        self.expect(6, passing=4)
        self.released = True

    def end(self):
        """Released, and closed by the server: what it tells of the association
        stands in its log then, and it is not among what goes on."""
        self.release()
        self.until_closed()
        self.close()

    def abort(self, source=0, reason=0):
        self.send(abort(source, reason))
        self.released = True
        self.close()
