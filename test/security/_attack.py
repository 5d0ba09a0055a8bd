"""What the security tests share: measuring the server, and bytes made to
hurt."""

import os
import struct
import zlib

from harness import dicom


def rss_kib(server):
    """Resident memory of the server."""
    with open("/proc/%d/status" % server.pid) as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise AssertionError("no VmRSS")


def descriptors(server):
    return len(os.listdir("/proc/%d/fd" % server.pid))


def threads(server):
    return len(os.listdir("/proc/%d/task" % server.pid))


def cpu_seconds(server):
    """What the server has used of the processor: that is its own, whoever
    else the machine works for."""
    with open("/proc/%d/stat" % server.pid, encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sanitized():
    """Address sanitizer keeps freed memory back: figures of memory mean
    little."""
    return "asan" in os.path.realpath(os.environ.get("FILEROOM_BIN", ""))


def alive(server):
    """The server answers a C-ECHO."""
    with dicom.Association(
            server.dicom_port,
            [(dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE])]) as a:
        assert a.echo() == 0
    assert server.running()


def ct(port, syntax=dicom.EXPLICIT_LITTLE, **more):
    return dicom.Association(port, [(dicom.CT, [syntax])], **more)


def nested(depth, defined=False, close=True):
    """A data set with sequences in sequences, explicit VR little endian."""
    tag = struct.pack("<HH", 0x0040, 0xA730)
    if not defined:
        opening = tag + b"SQ\0\0" + struct.pack("<I", 0xFFFFFFFF) \
            + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        closing = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) \
            + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        return opening * depth + (closing * depth if close else b"")
    total = 20 * depth
    out = []
    for level in range(depth):
        left = total - 20 * level
        out.append(tag + b"SQ\0\0" + struct.pack("<I", left - 12)
                   + struct.pack("<HHI", 0xFFFE, 0xE000, left - 20))
    return b"".join(out)


def head(uid, sop_class=dicom.CT):
    return dicom.dataset([
        (0x00080016, "UI", sop_class), (0x00080018, "UI", uid),
        (0x00100020, "LO", "ATTACK"), (0x0020000D, "UI", "1.2.3"),
        (0x0020000E, "UI", "1.2.3.4")])


def deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    out = packer.compress(data) + packer.flush()
    return out + b"\0" * (len(out) % 2)


def files_below(folder):
    return {os.path.join(where, name)
            for where, _, names in os.walk(folder) for name in names}
