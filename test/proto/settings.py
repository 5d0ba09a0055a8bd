"""Settings that change while the server runs: what cannot be taken, and what
must be all the same."""

import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness.dicom import (IMPLICIT_LITTLE, VERIFICATION,  # noqa: E402
                           Association, Rejected)
from harness.runner import equal, main  # noqa: E402
from harness.server import Server, free_port, wait_for  # noqa: E402


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except OSError:
        return False


def called(port, title):
    try:
        with Association(port, [(VERIFICATION, [IMPLICIT_LITTLE])],
                         called=title) as a:
            return a.echo() == 0
    except Rejected:
        return False


def t_what_cannot_be_set_holds_up_nothing_else():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with Server({"dicom.bind": None, "hl7.port": None, "http.port": None,
                     "dicom.tls_port": None}, start=False) as server:
            for key in ("hl7.port", "http.port", "dicom.tls_port"):
                server.verb("settings", "set", key, "0")
            server.verb("settings", "set", "dicom.bind", "127.0.0.1")
            server.start()
            # TEST-NET-3 is nobody's address.
            for key, value in (("dicom.bind", "203.0.113.7"),
                               ("dicom.tls_port", port), ("hl7.port", port),
                               ("http.port", port),
                               ("dicom.tls_cert", "/nonexistent/a.pem")):
                server.verb("settings", "set", key, value)
            server.verb("settings", "set", "dicom.ae_title", "OTHERNAME")
            for text in ("dicom.port: cannot listen", "hl7.port: cannot",
                         "http.port: cannot", "/nonexistent/a.pem"):
                server.wait_log(text)
            wait_for(lambda: called(server.dicom_port, "OTHERNAME"))
            assert not called(server.dicom_port, "FILEROOM")
            equal(server.log().count("hl7.port: cannot"), 1)
            assert "dicom.bind is now" not in server.log()
            for key in ("hl7.port", "http.port", "dicom.tls_port"):
                server.verb("settings", "set", key, "0")
            server.verb("settings", "set", "dicom.bind", "::1")
            server.wait_log("dicom.bind is now '::1'")


def t_another_address_on_the_same_port():
    ports = [str(free_port()) for _ in range(3)]
    with Server({"dicom.port": ports[0], "dicom.bind": None,
                 "hl7.port": ports[1], "http.port": ports[2]}) as server:
        for name in ("dicom", "hl7", "http"):
            server.verb("settings", "set", name + ".bind", "127.0.0.1")
            server.wait_log(f"{name}.bind is now '127.0.0.1'")
        assert "in use" not in server.log(), server.log()
        assert all(listens(int(p)) for p in ports)
        if os.path.exists("/proc/net/if_inet6"):
            with socket.socket(socket.AF_INET6) as s:
                s.settimeout(10)
                assert s.connect_ex(("::1", int(ports[2]))) != 0


if __name__ == "__main__":
    sys.exit(main())
