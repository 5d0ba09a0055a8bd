"""DICOM TLS with the clients of others: DCMTK's own TLS, Orthanc's in both
directions, dcmjs-dimse's, and those that have none through a tunnel; and what
testssl.sh thinks of the port."""

import concurrent.futures
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
sys.path.insert(0, HERE)

from dcmtk import dcmqrti
from gdcm import gdcmscu
from harness import runner, sample, tls
from harness.runner import equal
from harness.server import Server
from move import Storescp, digests, digests_of
from orthanc import Orthanc

OPEN = {"dicom.tls_port": "auto"}


def run(*command, cwd=None, seconds=120):
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd,
                          errors="replace", timeout=seconds)
    text = done.stdout + done.stderr
    assert done.returncode == 0, "%s: %s" % (" ".join(command), text)
    return text


def pump(source, sink):
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    for s in (source, sink):
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_RDWR)


class Tunnel:
    """A plain port on loopback whose connections go on in TLS."""

    def __init__(self, port, context):
        self.target, self.context = port, context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self.listener.accept()
                secured = self.context.wrap_socket(socket.create_connection(
                    ("127.0.0.1", self.target)))
                for pair in ((plain, secured), (secured, plain)):
                    threading.Thread(target=pump, args=pair,
                                     daemon=True).start()


def t_dcmtk():
    """With and without a certificate of its own."""
    with Server(OPEN) as server, tls.Certificates() as made, \
            tempfile.TemporaryDirectory() as tmp:
        pem, key = made.make("scanner")
        trust = ["+cf", os.path.join(server.data, "tls/dicom-cert.pem")]
        peer = ["-aec", "FILEROOM", "127.0.0.1", str(server.dicom_tls_port)]
        paths = sample.study(tmp, count=4, study="t1", patient="TLS1")
        for own in (["+tla"], ["+tls", key, pem]):
            run("echoscu", *own, *trust, *peer)
            run("storescu", *own, *trust, *peer, *paths)
            found = run("findscu", "-S", *own, *trust, "-k",
                        "QueryRetrieveLevel=STUDY", "-k", "PatientID=TLS1",
                        "-k", "StudyInstanceUID", *peer)
            assert sample.uid("study", "t1") in found, found


def t_clients_without_tls():
    with Server(OPEN) as server, tempfile.TemporaryDirectory() as tmp:
        context = tls.context(
            ca=os.path.join(server.data, "tls/dicom-cert.pem"))
        context.check_hostname = False
        with Tunnel(server.dicom_tls_port, context) as tunnel:
            peer = ["-aec", "FILEROOM", "127.0.0.1", str(tunnel.port)]
            paths = sample.study(tmp + "/in", count=5, study="t2",
                                 patient="TLS2")
            run("dcmsend", *peer, *paths)
            key = "StudyInstanceUID=" + sample.uid("study", "t2")
            os.makedirs(tmp + "/got")
            run("getscu", "-S", "-od", tmp + "/got", "-k",
                "QueryRetrieveLevel=STUDY", "-k", key, *peer)
            equal(digests(tmp + "/got"), digests_of(paths))
            with Storescp("+x=") as scp:
                server.verb("node", "add", "SCP", "127.0.0.1", str(scp.port))
                run("movescu", "-S", "-aem", "SCP", "-k",
                    "QueryRetrieveLevel=STUDY", "-k", key, *peer)
                equal(digests(scp.folder), digests_of(paths))
            assert "TLS2" in dcmqrti(tunnel.port, "study"), "dcmqrti"
            equal(gdcmscu(server, "--echo", port=tunnel.port), (1, 0, 0, 0))


def t_orthanc_both_ways():
    with Server(OPEN) as server, tls.Certificates() as made, \
            tempfile.TemporaryDirectory() as tmp:
        pem, key = made.make("orthanc")
        more = {
            "DicomTlsEnabled": True, "DicomTlsCertificate": pem,
            "DicomTlsPrivateKey": key, "DicomTlsTrustedCertificates":
                os.path.join(server.data, "tls/dicom-cert.pem"),
            "DicomModalities": {"fileroom": {
                "AET": "FILEROOM", "Host": "127.0.0.1",
                "Port": server.dicom_tls_port, "UseDicomTls": True}}}
        with Orthanc(server, more) as orthanc:
            server.verb("node", "add", "ORTHANC", "127.0.0.1",
                        str(orthanc.dicom), "--tls", "--certificate",
                        tls.fingerprint(pem))
            assert "OFFIS_DCMTK" in server.verb("node", "echo", "ORTHANC")
            for path in sample.study(tmp, count=3, study="t3"):
                with open(path, "rb") as f:
                    orthanc.call("POST", "/instances", f.read())
            instances = orthanc.call("GET", "/instances")
            orthanc.call("POST", "/modalities/fileroom/echo", {})
            orthanc.call("POST", "/modalities/fileroom/store", instances)
            for one in instances:
                orthanc.call("DELETE", "/instances/" + one)
            orthanc.call("POST", "/modalities/fileroom/move", {
                "Level": "Study", "TargetAet": "ORTHANC", "Resources": [
                    {"StudyInstanceUID": sample.uid("study", "t3")}]})
            equal(sorted(orthanc.call("GET", "/instances")),
                  sorted(instances))


def t_dcmjs():
    if not os.path.isdir(os.path.join(HERE, "node_modules")):
        raise runner.Skip("its npm packages are not installed")
    with tls.Certificates() as made, tempfile.TemporaryDirectory() as tmp:
        pem, key = made.make("server")
        with Server({**OPEN, "dicom.tls_cert": pem,
                     "dicom.tls_key": key}) as server:
            paths = sample.study(tmp, count=3, study="js", patient="JS1")
            text = run("node", os.path.join(HERE, "dcmjs.js"),
                       str(server.dicom_tls_port), sample.uid("study", "js"),
                       *paths, "--ca", pem)
        seen = json.loads(next(x for x in text.splitlines()
                               if x.startswith("{")))
        equal((seen["echo"], seen["stored"], seen["found"]),
              (0, [0, 0, 0], ["JS1"]))


# Protocols, ciphers, forward secrecy, preferences, certificate, holes: all that
# it looks at but what clients of others would choose. An id of each is to be
# among its findings.
CHECKS = ("-p", "-s", "-f", "-P", "-S", "-U")
IDS = {"TLS1_2", "cipherlist_NULL", "cipher_order", "cert_keySize",
       "heartbleed"}


def testssl(program, port, out, *more):
    """Its findings above LOW."""
    done = subprocess.run(
        [program, "--quiet", "--color", "0", "--warnings", "batch",
         "--ip", "127.0.0.1", "--nodns", "min", "--jsonfile", out,
         *CHECKS, *more, "localhost:%d" % port],
        capture_output=True, text=True, timeout=800, check=False)
    with open(out, encoding="utf-8") as f:
        findings = json.load(f)
    ids = {f["id"].split(" ")[0] for f in findings}
    assert IDS <= ids, (IDS - ids, done.stdout)
    return {f["id"].split(" ")[0]: f for f in findings
            if f["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL")}


# The certificate that we make is signed by itself, for long, and revoked by
# nobody; but for that there is nothing.
OWN = {"cert_chain_of_trust", "cert_trust", "cert_validityPeriod",
       "cert_revocation"}
# It takes it for consent when the answer is not there at once.
SLOW = {"secure_client_renego"}


def refuses_renegotiation(port):
    """Asked for it, the server ends the connection: no certificate is looked
    at ("depth=") another time."""
    with subprocess.Popen(
            ["openssl", "s_client", "-tls1_2", "-connect",
             "127.0.0.1:%d" % port], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as asked:
        asked.stdin.write(b"R\n")
        asked.stdin.flush()
        out = asked.stdout.read()
        first, asked_again, then = out.partition(b"RENEGOTIATING")
        assert b"depth=" in first and asked_again, out
        return b"depth=" not in then


def t_testssl():
    """Both ports, side by side: it waits most of its time."""
    program = shutil.which("testssl") or shutil.which("testssl.sh")
    if program is None:
        raise runner.Skip("testssl.sh is not installed")
    with Server({**OPEN, "http.tls": "true", "http.port": "auto",
                 "http.bind": "127.0.0.1"}) as server, \
            tempfile.TemporaryDirectory() as tmp, \
            concurrent.futures.ThreadPoolExecutor() as pool:
        for one in [
                pool.submit(testssl, program, server.dicom_tls_port,
                            os.path.join(tmp, "dicom.json")),
                pool.submit(testssl, program, server.http_port,
                            os.path.join(tmp, "http.json"), "-h")]:
            bad = one.result()
            assert set(bad) <= OWN | SLOW, bad
        for port in server.dicom_tls_port, server.http_port:
            assert refuses_renegotiation(port), port


if __name__ == "__main__":
    sys.exit(runner.main())
