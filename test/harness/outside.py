"""A network namespace of one's own, in which ADDRESS is an address of this
machine that is not loopback: callers from there are strangers."""

import ctypes
import fcntl
import os
import socket
import struct

from harness.runner import Skip

ADDRESS = "192.0.2.1"
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, SIOCSIFADDR = 0x8914, 0x8916
IFF_UP = 1


def enter_namespace():
    """Once for the process; raises Skip where it is not allowed."""
    if os.path.exists("/proc/self/ns/net") and enter_namespace.done:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0 and \
            libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        raise Skip("no network namespace: "
                   + os.strerror(ctypes.get_errno()))
    with socket.socket() as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
        fcntl.ioctl(s, SIOCSIFADDR, struct.pack(
            "16sHH4s8x", b"lo:1", socket.AF_INET, 0,
            socket.inet_aton(ADDRESS)))
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo:1", IFF_UP))
    enter_namespace.done = True


enter_namespace.done = False
