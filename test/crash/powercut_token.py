"""Tokens and a power cut: before a token leaves, the part of the write-ahead
log with its hash has been written and flushed, and so have the key file and
its name. The server runs under the recorder of powercut.py; the log it writes
has every write, flush and answer in one order."""

import hashlib
import os
import socket
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), HERE]

from harness import dicom
from harness.runner import equal, main
from harness.server import ROOT, Server, binary

CREATE, OPEN, WRITE, _, _, FLUSHED, RENAME, _, _, SEND = range(1, 11)
HEAD = struct.Struct("<IIIIQq")


def tools():
    flavour = os.path.basename(os.path.dirname(os.path.realpath(binary())))
    subprocess.run(["make", "-s", "-C", ROOT, "B=" + flavour, "crashers"],
                   check=True, stdout=sys.stderr)
    return os.path.join(ROOT, "build", flavour, "test/crash/record.so")


def records(path):
    """(op, first path, second path, inode, data), in their order."""
    with open(path, "rb") as f:
        text = f.read()
    at, found = 0, []
    while at < len(text):
        op, a, b, n, inode, _where = HEAD.unpack_from(text, at)
        at += HEAD.size
        parts = text[at:at + a], text[at + a:at + a + b]
        at += a + b
        found.append((op, *(p.rstrip(b"\0").decode() for p in parts),
                      inode, text[at:at + n]))
        at += n
    return found


def first(found, begin, what, fits):
    for i in range(begin, len(found)):
        if fits(*found[i]):
            return i
    raise AssertionError(f"{what}: not in the record from {begin} on")


def ask(server, uids):
    answers = []
    with socket.create_connection(("127.0.0.1", server.hl7_port), 120) as s:
        for uid in uids:
            s.sendall(b"\x10" + uid.encode() + b"\r")
            got = b""
            while len(got) < 66:
                got += s.recv(66 - len(got))
            answers.append(got)
    return answers


def t_flushed_before_it_leaves():
    library = tools()
    with tempfile.TemporaryDirectory() as tmp:
        log, data = os.path.join(tmp, "log"), os.path.join(tmp, "data")
        os.makedirs(data)
        with Server(data=data, settings={"hl7.port": "auto"}, env={
                "LD_PRELOAD": library, "FILEROOM_RECORD_LOG": log,
                "FILEROOM_RECORD_ROOT": data}) as server:
            uids = [f"1.2.3.{n}" for n in range(1, 6)]
            for uid in uids:
                with dicom.Association(server.dicom_port, [
                        (dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
                    equal(a.store(dicom.CT, uid + ".1", dicom.instance(
                        uid + ".1", study=uid, series=uid + ".2")), 0)
            answers = ask(server, uids)
        found = records(log)
        begin = 0
        for answer in answers:
            digest = hashlib.sha256(answer[1:65]).digest()
            written = first(
                found, begin, "hash", lambda op, a, b, inode, data:
                op == WRITE and digest in data)
            inode = found[written][3]
            flushed = first(
                found, written, "flush", lambda op, a, b, node, data:
                op == FLUSHED and node == inode)
            sent = first(
                found, begin, "answer", lambda op, a, b, node, data:
                op == SEND and answer in data)
            assert written < flushed < sent, (written, flushed, sent)
            begin = sent
        # The key: bytes, then name, then the name's folder.
        sent = first(found, 0, "answer", lambda op, a, b, node, data:
                     op == SEND and answers[0] in data)
        made = first(found, 0, "key", lambda op, a, b, node, data:
                     op == CREATE and a.endswith("token.key.part"))
        inode = found[made][3]
        written = first(found, made, "key", lambda op, a, b, node, data:
                        op == WRITE and node == inode)
        flushed = first(found, written, "key's flush",
                        lambda op, a, b, node, data:
                        op == FLUSHED and node == inode)
        named = first(found, made, "key's name",
                      lambda op, a, b, node, data:
                      op == RENAME and b.endswith("token.key"))
        folder = first(found, named, "folder's flush",
                       lambda op, a, b, node, data:
                       op == FLUSHED and node != inode)
        assert written < flushed < named < folder < sent, (
            written, flushed, named, folder, sent)


if __name__ == "__main__":
    sys.exit(main())
