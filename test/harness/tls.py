"""Certificates and contexts for tests of TLS: made by the openssl command,
spoken by Python's ssl module."""

import os
import ssl
import subprocess
import tempfile


def openssl(*args, stdin=None):
    done = subprocess.run(["openssl", *args], input=stdin,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    if done.returncode != 0:
        raise AssertionError(f"openssl {args[0]}: {done.stderr.decode()}")
    return done.stdout


class Certificates:
    """A folder of key pairs: .path("name.pem"), .path("name.key")."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="fileroom-tls-")
        self.folder = self._folder.name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder, name)

    def make(self, name, signer=None, names="DNS:localhost,IP:127.0.0.1",
             rsa=False, dates=("20200101000000Z", "20500101000000Z")):
        """Signed by itself, or by a pair made before; its two paths."""
        pem, key = self.path(name + ".pem"), self.path(name + ".key")
        kind = ["rsa:2048"] if rsa else [
            "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        openssl("req", "-new", "-newkey", *kind, "-nodes", "-keyout", key,
                "-out", self.path(name + ".csr"), "-subj", f"/CN={name}")
        self._sign(name, signer, names, dates, pem)
        return pem, key

    def _sign(self, name, signer, names, dates, pem):
        work = self.path(name + ".ca")
        os.mkdir(work)
        for file, text in (("index.txt", ""), ("serial", "01"), ("config", f"""
[ca]
default_ca = one
[one]
database = {work}/index.txt
serial = {work}/serial
new_certs_dir = {work}
default_md = sha256
policy = any
x509_extensions = ext
unique_subject = no
[any]
commonName = supplied
[ext]
subjectAltName = {names}
basicConstraints = critical,CA:{"FALSE" if signer else "TRUE"}
""")):
            with open(os.path.join(work, file), "w", encoding="utf-8") as f:
                f.write(text)
        by = ["-cert", self.path(signer + ".pem"),
              "-keyfile", self.path(signer + ".key")] if signer else [
                  "-selfsign", "-keyfile", self.path(name + ".key")]
        openssl("ca", "-batch", "-notext", "-config",
                os.path.join(work, "config"), *by, "-startdate", dates[0],
                "-enddate", dates[1], "-in", self.path(name + ".csr"),
                "-out", pem)


def fingerprint(path):
    """SHA-256 of the first certificate of a PEM file, in hex."""
    out = openssl("x509", "-in", path, "-noout", "-fingerprint", "-sha256")
    return out.decode().split("=", 1)[1].strip().replace(":", "").lower()


def context(cert=None, ca=None, version=None):
    """A client's context; cert is a pair of paths, ca whom it trusts. Without
    ca it believes anybody."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    if ca:
        c.check_hostname = True
        c.verify_mode = ssl.CERT_REQUIRED
        c.load_verify_locations(ca)
    if cert:
        c.load_cert_chain(*cert)
    if version:
        c.minimum_version = c.maximum_version = version
    return c
