"""An object of more than 2 GiB in and out: streamed, so that the memory of the
server stays small; and PDUs of 16 KiB to 1 MiB both ways."""

import hashlib
import os
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.runner import Skip, main
from harness.server import Server

SIZE = (2 << 30) + (64 << 20)
BLOCK = bytes(range(256)) * 1024  # 256 KiB


def rss_kib(server):
    with open("/proc/%d/status" % server.pid) as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])


def send_huge(a, uid, header, size):
    """C-STORE whose pixels are BLOCK over and over; the digest of what was
    sent, and the status."""
    digest = hashlib.sha256(header)
    a.send(dicom.p_data(dicom.pdv(1, dicom.store_command(
        1, dicom.CT, uid), True)), dicom.p_data(dicom.pdv(
            1, header, last=False)))
    step = min(a.accepted["max_length"] - 6, len(BLOCK))
    left = size
    while left > 0:
        part = BLOCK[:min(step, left)]
        left -= len(part)
        digest.update(part)
        a.send(dicom.p_data(dicom.pdv(1, part, last=left == 0)))
    return digest.hexdigest(), a.response()[0]


def get_huge(port, uid):
    """The digest of the one object a C-GET gives, without holding it."""
    with dicom.Association(
            port, [(dicom.GET_STUDY, [dicom.EXPLICIT_LITTLE]),
                   (dicom.CT, [dicom.EXPLICIT_LITTLE])], timeout=300,
            user=dicom.user_information(
                1 << 20, dicom.role(dicom.CT, False, True))) as a:
        a.query(dicom.GET_STUDY, dicom.C_GET, dicom.dataset(
            [(0x00080052, "CS", "IMAGE"), (0x00080018, "UI", uid)]))
        digest, n = hashlib.sha256(), 0
        while True:
            number, control, part = a.read_pdv()
            if control & 1:
                values = dicom.parse(part)
                if struct.unpack("<H", values[0x0100])[0] == dicom.C_STORE:
                    message = struct.unpack("<H", values[0x0110])[0]
                    continue
                status = struct.unpack("<H", values[0x0900])[0]
                if status == 0xFF00:
                    continue
                return digest.hexdigest(), n, status
            digest.update(part)
            n += len(part)
            if control & 2:
                a.send_message(number, dicom.command(
                    [(0x0002, dicom.CT), (0x0100, 0x8001), (0x0120, message),
                     (0x0800, 0x0101), (0x0900, 0), (0x1000, uid)]))


def t_more_than_two_gigabytes():
    with Server() as server:
        if shutil.disk_usage(server.data).free < 3 * SIZE:
            raise Skip("not enough room on the disk")
        uid = "1.2.70"
        header = dicom.instance(uid, pixels=b"")[:-12] + dicom.header(
            0x7FE00010, "OW", SIZE)
        with dicom.Association(
                server.dicom_port, [(dicom.CT, [dicom.EXPLICIT_LITTLE])],
                timeout=300) as a:
            sent, status = send_huge(a, uid, header, SIZE)
            assert status == 0, hex(status)
        got, n, status = get_huge(server.dicom_port, uid)
        assert status == 0 and n == SIZE + len(header), (hex(status), n)
        assert got == sent
        assert rss_kib(server) < 400 * 1024, rss_kib(server)


def t_pdu_sizes_both_ways():
    data = dicom.instance("1.2.71", pixels=os.urandom(3000001))
    with Server() as server:
        for length in (16384, 65536, 131072, 262144, 1 << 20):
            with dicom.Association(
                    server.dicom_port,
                    [(dicom.CT, [dicom.EXPLICIT_LITTLE]),
                     (dicom.GET_STUDY, [dicom.EXPLICIT_LITTLE])],
                    fragment=length - 6, user=dicom.user_information(
                        length, dicom.role(dicom.CT, True, True))) as a:
                assert a.store(dicom.CT, "1.2.71", data) == 0
                seen = []
                read_pdu = a.read_pdu

                def measured():
                    kind, body = read_pdu()
                    seen.append(len(body))
                    return kind, body

                a.read_pdu = measured
                status, _, got = a.get(dicom.GET_STUDY, [
                    (0x00080052, "CS", "IMAGE"),
                    (0x00080018, "UI", "1.2.71")])
                assert status == 0 and [d for _, _, d in got] == [data]
                assert max(seen) <= length, (length, max(seen))


if __name__ == "__main__":
    sys.exit(main())
