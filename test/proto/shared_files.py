"""Every file of the shared sample data, sent and imported: what is well formed
is stored and comes back bit for bit, what is cut is refused with a reason, and
nothing hurts the server."""

import csv
import hashlib
import os
import sqlite3
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.runner import Skip, main
from harness.server import Server, shared

DICOMDIR = "1.2.840.10008.1.3.10"
CUT = ("MR_truncated.dcm", "rtplan_truncated.dcm", "3gb-bulk-data-truncated",
       "emri_small_jpeg_2k_lossless_too_short.dcm", "a_associate_ac.bin",
       "no_preamble_dicm_in_data")


def files():
    if shared("data", "MANIFEST.tsv") is None:
        raise Skip("the shared sample data are not here")
    with open(shared("data", "MANIFEST.tsv"), newline="",
              encoding="utf-8") as f:
        for row in csv.DictReader(f, delimiter="\t"):
            path = shared("data", *row["path"].split("/"))
            if row["path"].startswith("dicom/") and path:
                yield row, path


def split(path):
    """(class, instance, syntax, data set) of a Part 10 file with a correct
    meta header, else None."""
    with open(path, "rb") as f:
        whole = f.read()
    if whole[128:132] != b"DICM" or whole[132:138] != b"\2\0\0\0UL":
        return None
    (length,) = struct.unpack_from("<I", whole, 140)
    try:
        meta = dicom.parse(whole[132:144 + length], dicom.EXPLICIT_LITTLE)
    except struct.error:
        return None
    values = [dicom.as_text(meta.get(t, b""))
              for t in (0x00020002, 0x00020003, 0x00020010)]
    return (*values, whole[144 + length:]) if all(values) else None


def get_back(server, sop_class, uid, syntax):
    with dicom.Association(
            server.dicom_port,
            [(dicom.GET_STUDY, [dicom.EXPLICIT_LITTLE]),
             (sop_class, [syntax])], user=dicom.user_information(
                 more=dicom.role(sop_class, False, True))) as a:
        _, _, got = a.get(dicom.GET_STUDY, [
            (0x00080052, "CS", "IMAGE"), (0x00080018, "UI", uid)])
    return [data for _, _, data in got]


def uid_inside(path):
    """The data set's own UID, which counts where the header has another."""
    import pydicom
    return str(pydicom.dcmread(path, stop_before_pixels=True, force=True).get(
        "SOPInstanceUID", ""))


def t_send_every_file():
    with Server(settings={"store.duplicate": "quarantine"}) as server:
        stored = refused = 0
        first = {}
        for row, path in files():
            parts = split(path)
            if parts is None or parts[0] == DICOMDIR:
                continue
            sop_class, uid, syntax, data = parts
            try:
                with dicom.Association(
                        server.dicom_port, [(sop_class, [syntax])],
                        timeout=120) as a:
                    if not a.contexts:
                        assert not row["EXPECTED"].startswith("ok"), path
                        continue
                    status = a.store(sop_class, uid, data)
            except dicom.Aborted:
                raise AssertionError("aborted at " + path) from None
            if status in (0, 0xB007):
                assert not path.endswith(CUT), path
                stored += 1
                if status == 0:
                    first.setdefault(uid, (sop_class, syntax, data))
            else:
                assert not row["EXPECTED"].startswith("ok"), (
                    path, hex(status), a.comment)
                assert a.comment, path
                refused += 1
        assert stored > 600, stored
        for uid, (sop_class, syntax, data) in list(first.items())[::5]:
            back = get_back(server, sop_class, uid, syntax)
            assert [hashlib.sha256(b).digest() for b in back] == [
                hashlib.sha256(data).digest()], uid
        print("%d stored, %d refused" % (stored, refused))
        server.stop()
        server.verb("check")


def t_import_every_file():
    with Server() as server:
        rows = list(files())
        done = server.run("import", shared("data", "dicom"), seconds=900)
        assert done.returncode in (0, 1), done.stderr[-2000:]
        said = done.stdout + done.stderr
        for name in ("MR_truncated.dcm", "rtplan_truncated.dcm",
                     "emri_small_jpeg_2k_lossless_too_short.dcm"):
            assert name in said, "no reason for refusing " + name
        db = sqlite3.connect(os.path.join(server.data, "fileroom.db"),
                             timeout=120)
        have = {u for (u,) in db.execute(
            "select SOPInstanceUID from instance")}
        db.close()
        missing = []
        for row, path in rows:
            parts = split(path)
            if parts is None or parts[0] == DICOMDIR:
                continue
            if row["EXPECTED"].startswith("ok") and not have & {
                    parts[1], uid_inside(path)}:
                missing.append(path)
        assert not missing, (len(missing), missing[:10])
        again = server.run("import", shared("data", "dicom"), seconds=900)
        assert again.returncode == done.returncode
        db = sqlite3.connect(os.path.join(server.data, "fileroom.db"),
                             timeout=120)
        assert {u for (u,) in db.execute(
            "select SOPInstanceUID from instance")} == have
        db.close()
        server.stop()
        server.verb("check")


if __name__ == "__main__":
    sys.exit(main())
