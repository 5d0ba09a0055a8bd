"""Weaknesses of files and paths (rows B2, B4, B5)."""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), HERE]

import _attack
from _attack import alive
from harness import dicom, sample
from harness.runner import main
from harness.server import Server

NASTY = ("../../x", "../" * 20 + "tmp/x", "/etc/x", "a\0b", "9" * 64, "9" * 65,
         "", "CON", "a/b", "..", ".", "~root", "$(id)", "%2e%2e%2f", "a\\b",
         "-rf", "\r\nx", "\xff\xfe")


def made(*parts):
    path = os.path.join(*parts)
    os.makedirs(path)
    return path


def t_B2_names_from_the_wire_name_no_file():
    with tempfile.TemporaryDirectory() as tmp, \
            Server(data=made(tmp, "deep/er/data")) as server:
        outside = _attack.files_below(tmp) - _attack.files_below(server.data)
        stored = 0
        for i, bad in enumerate(NASTY):
            raw = bad.encode("latin-1")
            for tag in (0x00080018, 0x0020000D, 0x0020000E, 0x00100020):
                values = {0x00080016: dicom.CT.encode(),
                          0x00080018: b"1.2.%d.%d" % (i, tag),
                          0x0020000D: b"1.2.3", 0x0020000E: b"1.2.4",
                          0x00100020: b"ID"}
                values[tag] = raw
                with dicom.Association(
                        server.dicom_port,
                        [(dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
                    status = a.store(dicom.CT, raw.decode("latin-1")
                                     if tag == 0x00080018 else "1.2.3",
                                     dicom.dataset([
                                         (t, "LO" if t == 0x00100020
                                          else "UI", v)
                                         for t, v in values.items()]))
                    # stored safely or refused with a reason
                    assert status in (0, 0xB007) or a.comment, (bad, status)
                    stored += status in (0, 0xB007)
        assert stored > 20
        for ae in ("../../", "/etc/passwd", "a/b"):
            try:
                with dicom.Association(
                        server.dicom_port,
                        [(dicom.CT, [dicom.EXPLICIT_LITTLE])],
                        calling=ae) as a:
                    a.store(dicom.CT, "1.2.99", dicom.instance("1.2.99"))
            except dicom.Rejected:
                pass
        now = _attack.files_below(tmp) - _attack.files_below(server.data)
        assert now == outside, now - outside
        inside = [os.path.relpath(f, server.data)
                  for f in _attack.files_below(server.data)]
        allowed = set("0123456789abcdefghijklmnopqrstuvwxyz-_./")
        assert all(set(f) <= allowed for f in inside), inside
        alive(server)


def t_B2_export_names():
    """What export writes stays below the folder it was given, whatever the
    patient is called."""
    with tempfile.TemporaryDirectory() as tmp, Server() as server:
        for i, bad in enumerate(("../../x", "/etc/x", "a/../../b", "..",
                                 "x" * 300, "CON", "-rf", "a\r\nb")):
            with dicom.Association(
                    server.dicom_port,
                    [(dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
                uid = "1.2.5.%d" % i
                assert a.store(dicom.CT, uid, dicom.instance(
                    uid, study="1.2.6.%d" % i, name=bad, patient=bad,
                    more=[(0x00081030, "LO", bad[:60]),
                          (0x0008103E, "LO", bad[:60])])) == 0
        before = _attack.files_below(tmp)
        out = os.path.join(made(tmp, "a/b/c"), "out")
        server.verb("export", *["1.2.6.%d" % i for i in range(8)], "-o", out)
        new = _attack.files_below(tmp) - before
        assert len([f for f in new if f.startswith(out + "/")]) == 8, new
        assert all(f.startswith(out + "/") for f in new), new


def t_B4_symlinks_are_not_followed():
    """A folder of the archive swapped for a link: nothing is written through
    it, and the store is refused or goes elsewhere inside."""
    with tempfile.TemporaryDirectory() as tmp, Server() as server:
        target = os.path.join(tmp, "target")
        os.makedirs(target)
        with dicom.Association(
                server.dicom_port,
                [(dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
            assert a.store(dicom.CT, "1.2.1", dicom.instance("1.2.1")) == 0
        objects = os.path.join(server.data, "objects")
        year = next(n for n in os.listdir(objects) if n.isdigit())
        os.rename(os.path.join(objects, year), os.path.join(tmp, "kept"))
        os.symlink(target, os.path.join(objects, year))
        with dicom.Association(
                server.dicom_port,
                [(dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
            a.store(dicom.CT, "1.2.2", dicom.instance("1.2.2", study="1.9"))
        assert not _attack.files_below(target)
        os.unlink(os.path.join(objects, year))
        os.rename(os.path.join(tmp, "kept"), os.path.join(objects, year))
        alive(server)


def t_B5_preamble_is_ours():
    """A program or JSON in the preamble of an imported file is not kept."""
    with tempfile.TemporaryDirectory() as tmp, Server() as server:
        for i, preamble in enumerate((b"MZ" + b"\x90" * 126,
                                      b"\x7fELF" + b"\2" * 124,
                                      b'{"a": "' + b"x" * 121,
                                      b"#!/bin/sh\nid\n".ljust(128, b"\n"))):
            path = sample.write(sample.image(study="b5", number=i + 1),
                                os.path.join(tmp, "in", "%d.dcm" % i))
            with open(path, "r+b") as f:
                f.write(preamble)
            server.verb("import", path)
        stored = [f for f in _attack.files_below(
            os.path.join(server.data, "objects")) if f.endswith(".dcm")]
        assert len(stored) == 4
        server.verb("export", sample.uid("study", "b5"), "-o",
                    os.path.join(tmp, "out"))
        exported = _attack.files_below(os.path.join(tmp, "out"))
        for path in stored + sorted(
                f for f in exported if f.endswith(".dcm")):
            with open(path, "rb") as f:
                assert f.read(132) == bytes(128) + b"DICM", path
            kind = subprocess.run(["file", "-b", path], capture_output=True,
                                  text=True).stdout if os.path.exists(
                                      "/usr/bin/file") else "DICOM"
            assert kind.startswith("DICOM"), kind


if __name__ == "__main__":
    sys.exit(main())
