"""HL7 messages and a host that takes them over MLLP, for tests.

    with Host() as host:
        ... send to 127.0.0.1:host.port ...
        host.got  # the messages, without their frames
"""

import socket
import threading

SB, EB = b"\x0b", b"\x1c\r"


def frame(message):
    return SB + message + EB


def order(control="1", patient="P1", name="Doe^Jane", accession="A1",
          procedure="RP1^Head", modality="CT", station="CT1",
          start="202611221030", order_control="NW", application="HIS",
          facility="WARD", status="SC", more=()):
    """An ORM^O01 by the mapping 'manual', as bytes with CR."""
    lines = [
        f"MSH|^~\\&|{application}|{facility}|FILEROOM||20261121100000||"
        f"ORM^O01|{control}|P|2.3.1|||||||",
        f"PID|1||{patient}||{name}||19800102|F",
        f"ORC|{order_control}|{accession}|||{status}||||||||||{start}",
        f"OBR|1|{accession}||{procedure}||||||||||||Ref^Rita||{modality}|||"
        f"{station}",
        *more]
    return "".join(line + "\r" for line in lines).encode()


def field(message, segment, position):
    """One field as text; of MSH counted as HL7 does."""
    for line in message.decode("utf-8", "replace").split("\r"):
        parts = line.split("|")
        if parts[0] == segment:
            at = position - 1 if segment == "MSH" else position
            return parts[at] if at < len(parts) else ""
    return None


def ack(message, code="AA", text="", control=None, error=""):
    return (f"MSH|^~\\&|HOST||FILEROOM||20261121100000||ACK|9|P|2.3.1\r"
            f"MSA|{code}|"
            f"{field(message, 'MSH', 10) if control is None else control}"
            f"|{text}\r{error}").encode()


class Host:
    """answer(message) gives the bytes to write (framed by answers of its own),
    an acknowledgement to be framed, or None to close the connection."""

    def __init__(self, answer=ack, tls=None, port=0):
        self.answer, self.tls = answer, tls
        self.got, self.connections = [], 0
        self.lock = threading.Lock()
        self.socket = socket.create_server(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _listen(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection):
        try:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                self._talk(connection)
        except OSError:
            pass

    def _talk(self, connection):
        pending = b""
        while True:
            while EB not in pending:
                part = connection.recv(65536)
                if not part:
                    return
                pending += part
            message, _, pending = pending.partition(EB)
            message = message.lstrip(SB)
            with self.lock:
                self.got.append(message)
            answer = self.answer(message)
            if answer is None:
                return
            if not answer.startswith(SB):
                answer = frame(answer) if answer else b""
            connection.sendall(answer)
