"""DICOM over TLS as a server: every service through it, who is let in, what
comes instead of TLS, and certificates that are replaced while it runs."""

import os
import shutil
import socket
import ssl
import sys
import time
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom, tls
from harness.runner import equal, main, raises
from harness.server import Server, open_files, wait_for

TSAN = True
ECHO = [(dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE])]
ALL = ECHO + [(dicom.CT, [dicom.EXPLICIT_LITTLE]),
              (dicom.FIND_STUDY, [dicom.IMPLICIT_LITTLE])]
HALF_OPEN = 1000


def serve(**settings):
    return Server(settings={"dicom.tls_port": "auto", **{
        "dicom." + key: value for key, value in settings.items()}})


def associate(server, contexts=None, cert=None, ca=None, version=None,
              **more):
    return dicom.Association(
        server.dicom_tls_port, contexts or ECHO,
        tls=tls.context(cert, ca, version), **more)


def own(server):
    return os.path.join(server.data, "tls", "dicom-cert.pem")


def refusals(server):
    return server.verb("node", "refused")


def t_every_service():
    with serve() as server:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            uid = "1.2.%d" % version
            data = dicom.instance(uid, pixels=os.urandom(3_000_000))
            with associate(server, ALL, version=version) as a:
                equal(a.socket.version(),
                      {771: "TLSv1.2", 772: "TLSv1.3"}[version])
                equal(a.echo(), 0)
                equal(a.store(dicom.CT, uid, data), 0)
                status, found = a.find(dicom.FIND_STUDY, [
                    (0x00080052, "CS", "STUDY"), (0x00100020, "LO", "PAT1")])
                equal((status, len(found)), (0, 1))
                equal(a.echo(), 0)
        assert list(server.ports) == ["dicom", "dicom-tls"], server.ports


def t_own_certificate():
    with serve() as server:
        equal(os.stat(own(server)).st_mode & 0o777, 0o600)
        key = os.path.join(server.data, "tls", "dicom-key.pem")
        equal(os.stat(key).st_mode & 0o777, 0o600)
        before = tls.fingerprint(own(server))
        server.restart()
        equal(tls.fingerprint(own(server)), before)
        context = tls.context(ca=own(server))
        context.check_hostname = False
        with dicom.Association(
                server.dicom_tls_port, ECHO, tls=context) as a:
            equal(a.echo(), 0)


def t_closed_port_makes_nothing():
    with serve(tls_port="0") as server:
        equal(list(server.ports), ["dicom"])
        assert not os.path.exists(own(server))
        del server.settings["dicom.tls_port"]
        server.stop()
        server.settings["dicom.tls_port"] = "auto"
        server.start()
        assert os.path.exists(own(server))


def t_port_follows_the_setting():
    with Server(settings={"dicom.tls_port": None}, start=False) as server:
        server.verb("settings", "set", "dicom.tls_port", "0")
        server.start()
        equal(list(server.ports), ["dicom"])
        server.verb("settings", "set", "dicom.tls_port", "auto")
        server.wait_log("DICOM over TLS listens on 127.0.0.1:")
        line = [x for x in server.log().splitlines()
                if "DICOM over TLS listens" in x][-1]
        port = int(line.split("127.0.0.1:")[1].split()[0])
        with dicom.Association(port, ECHO, tls=tls.context()) as a:
            equal(a.echo(), 0)
            server.verb("settings", "set", "dicom.tls_port", "0")
            server.wait_log("listens on no port now")
            # What stands, stands.
            equal(a.echo(), 0)
        raises(ConnectionRefusedError, dicom.Wire, port)


def accepted_in_steps(server, step):
    """Asks for an association, so many bytes at a time; the first byte of the
    answer."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = tls.context().wrap_bio(incoming, outgoing)
    with dicom.Wire(server.dicom_tls_port) as w:
        def exchange(action):
            while True:
                try:
                    return action()
                except ssl.SSLWantReadError:
                    pass
                send()
                got = w.socket.recv(65536)
                if not got:
                    raise dicom.Closed("within " + action.__name__)
                incoming.write(got)

        def send():
            out = outgoing.read()
            for at in range(0, len(out), step):
                w.send(out[at:at + step])

        exchange(session.do_handshake)
        session.write(dicom.associate_rq(ECHO))
        send()
        return exchange(lambda: session.read(1))


def t_byte_by_byte():
    """A hello that comes a byte at a time is a hello."""
    with serve() as server:
        for step in (1, 10, 100):
            begun = time.monotonic()
            try:
                equal(accepted_in_steps(server, step), b"\2")
                return
            except (dicom.Closed, OSError):
                # So slow that ARTIM ended it: in larger steps, then.
                if time.monotonic() - begun < 9:
                    raise
        raise AssertionError("the server waits for no byte")


def hello():
    outgoing = ssl.MemoryBIO()
    session = tls.context().wrap_bio(ssl.MemoryBIO(), outgoing)
    raises(ssl.SSLWantReadError, session.do_handshake)
    return outgoing.read()


def t_half_handshakes_cost_no_thread():
    """A thousand callers that stop within the handshake, some at its first
    byte, some within the hello, some after it: the next one is served."""
    whole = hello()
    open_files(HALF_OPEN + 100)
    with serve() as server:
        held = []
        try:
            for i in range(HALF_OPEN):
                w = dicom.Wire(server.dicom_tls_port)
                w.send(whole[:(1, 100, len(whole))[i % 3]])
                held.append(w)
            for _ in range(3):
                before = time.monotonic()
                with associate(server) as a:
                    equal(a.echo(), 0)
                with dicom.Association(server.dicom_port, ECHO) as a:
                    equal(a.echo(), 0)
                # By threads that wait it would be minutes.
                assert time.monotonic() - before < 60, "echo had to wait"
            with open(f"/proc/{server.pid}/status", encoding="utf-8") as f:
                threads = int(f.read().split("Threads:")[1].split()[0])
            assert threads < 100, threads
        finally:
            for w in held:
                w.close()


def t_slow_handshake_ends():
    """ARTIM counts from the connection, however often a byte comes."""
    whole = hello()
    with serve() as server:
        begun = time.monotonic()
        with dicom.Wire(server.dicom_tls_port) as w:
            w.socket.settimeout(1)
            at = 0
            while time.monotonic() - begun < 60:
                try:
                    w.send(whole[at:at + 1])
                    at += 1
                    if w.socket.recv(10) == b"":
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            took = time.monotonic() - begun
            assert 9 < took < 60, took
        with associate(server) as a:
            equal(a.echo(), 0)


def t_what_is_no_tls_is_named():
    with serve() as server:
        for first, said in (
                (dicom.associate_rq(ECHO), "plain DICOM came to the DICOM "
                 "TLS port"),
                (b"GET / HTTP/1.0\r\n\r\n", "an HTTP request came to the "
                 "DICOM TLS port"),
                (b"\xff" * 20, "no TLS hello")):
            with dicom.Wire(server.dicom_tls_port) as w:
                w.send(first)
                equal(w.until_closed()[:2], b"\x15\x03", "a TLS alert")
            server.wait_log(said)
        with dicom.Wire(server.dicom_port) as w:
            w.send(hello())
            w.until_closed()
        server.wait_log("a TLS hello came to the plain DICOM port")
        wait_for(lambda: len(refusals(server).splitlines()) == 4)
        assert "127.0.0.1" in refusals(server)


def t_garbage_after_the_hello():
    with serve() as server:
        for more in (b"\0" * 100, b"\x16\x03\x03\xff\xff" + b"\1" * 70000,
                     b"\x17\x03\x03\x00\x10" + b"\5" * 16):
            with dicom.Wire(server.dicom_tls_port) as w:
                try:
                    w.send(hello() + more)
                    w.until_closed()
                except ConnectionError:
                    pass
        with associate(server) as a:
            # Garbage within: the connection ends, nothing else does.
            raw = socket.socket(fileno=os.dup(a.socket.fileno()))
            raw.sendall(b"\x17\x03\x03\x00\x20" + b"\7" * 32)
            raises((ssl.SSLError, dicom.Closed, ConnectionError), a.echo)
            raw.close()
            a.released = True
        with associate(server) as a:
            equal(a.echo(), 0)


def t_old_versions_are_refused():
    with serve() as server:
        context = tls.context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        raises((ssl.SSLError, ConnectionError), dicom.Wire,
               server.dicom_tls_port, tls=context)
        server.wait_log("no TLS newer than 1.1")
        context = tls.context(version=ssl.TLSVersion.TLSv1_2)
        for weak in ("AES128-SHA", "AES128-GCM-SHA256",
                     "ECDHE-ECDSA-AES128-SHA256"):
            context.set_ciphers(weak + ":@SECLEVEL=0")
            raises((ssl.SSLError, ConnectionError), dicom.Wire,
                   server.dicom_tls_port, tls=context)
        server.wait_log("no cipher of BCP 195")


def denied(server, **how):
    """No association comes about. In TLS 1.3 a client learns of it only when
    it reads."""
    try:
        with associate(server, **how):
            return False
    except (ssl.SSLError, dicom.Closed, ConnectionError):
        return True


def t_client_certificates():
    with tls.Certificates() as c:
        c.make("authority")
        known = c.make("known", "authority")
        expired = c.make("expired", "authority",
                         dates=("20200101000000Z", "20210101000000Z"))
        stranger = c.make("stranger")
        ca = c.path("authority.pem")
        versions = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
        for mode, trust, allowed in (
                ("none", "", {None, known, expired, stranger}),
                ("none", ca, {None, known, expired, stranger}),
                ("request", "", {None, known, expired, stranger}),
                ("request", ca, {None, known}),
                ("require", "", {known, expired, stranger}),
                ("require", ca, {known})):
            with serve(tls_client_cert=mode, tls_ca=trust) as server:
                for who in (None, known, expired, stranger):
                    for version in versions:
                        equal(not denied(server, cert=who, version=version),
                              who in allowed, (mode, trust, who, version))
                if trust and mode != "none":
                    server.wait_log("no trusted authority has signed it")
                    server.wait_log("it has expired")
                    wait_for(lambda: "certificate is refused"
                             in refusals(server))
                if mode == "require":
                    server.wait_log("has shown no certificate")


def served_by(port, ca):
    context = tls.context(ca=ca)
    try:
        with dicom.Association(port, ECHO, tls=context) as a:
            return a.echo() == 0
    except ssl.SSLError:
        return False


def t_certificate_is_replaced():
    with tls.Certificates() as c:
        first, second = c.make("first"), c.make("second", rsa=True)
        cert, key = c.path("cert.pem"), c.path("key.pem")
        shutil.copy(first[0], cert)
        shutil.copy(first[1], key)
        with serve(tls_cert=cert, tls_key=key) as server:
            port = server.dicom_tls_port
            assert served_by(port, first[0])
            with associate(server) as old:
                # Half of the change: named once, and the old pair serves.
                shutil.copy(second[0], cert)
                server.wait_log("is not that of the certificate")
                assert served_by(port, first[0])
                shutil.copy(second[1], key)
                wait_for(lambda: served_by(port, second[0]))
                equal(old.echo(), 0)
                os.rename(key, key + ".away")
                server.wait_log("No such file")
                assert served_by(port, second[0])
                os.rename(key + ".away", key)
                equal(server.log().count("is not that of the"), 1)
                equal(server.log().count("No such file"), 1)
                equal(old.echo(), 0)


def t_certificate_by_settings():
    with tls.Certificates() as c:
        pair = c.make("mine")
        with serve() as server:
            server.verb("settings", "set", "dicom.tls_cert", pair[0])
            # Alone it does not fit: nothing changes, and it is said.
            server.wait_log("dicom.tls_key")
            assert served_by(server.dicom_tls_port, pair[0]) is False
            server.verb("settings", "set", "dicom.tls_key", pair[1])
            wait_for(lambda: served_by(server.dicom_tls_port, pair[0]))


def t_a_bad_file_at_the_start():
    with Server(settings={"dicom.tls_port": "auto",
                          "dicom.tls_cert": "/nonexistent/cert.pem"},
                start=False) as server:
        e = raises(AssertionError, server.start)
        assert "status 2" in str(e), e
        assert "/nonexistent/cert.pem" in str(e), e


def t_ends_in_order():
    """Its end is close_notify, then the end of the stream: without the first
    ssl raises SSLEOFError."""
    with serve() as server:
        with associate(server) as a:
            a.socket.suppress_ragged_eofs = False
            equal(a.echo(), 0)
            a.release()
            equal(a.socket.recv(1), b"")


def t_many_at_once():
    with serve() as server:
        held = [associate(server) for _ in range(50)]
        for _ in range(2):
            for a in held:
                equal(a.echo(), 0)
        for a in held:
            a.release()
            a.close()


def t_bound_nodes():
    with tls.Certificates() as c:
        mine, other = c.make("mine"), c.make("other")
        print_of = tls.fingerprint(mine[0])
        with serve() as server:
            server.verb("node", "add", "BOUND", "127.0.0.1", "104", "--tls",
                        "--certificate", mine[0])
            assert f"certificate {print_of}" in server.verb("node", "list")

            def let_in(cert, port="dicom_tls_port", calling="BOUND"):
                context = tls.context(cert) if "tls" in port else None
                try:
                    with dicom.Association(getattr(server, port), ALL,
                                           calling=calling, tls=context) as a:
                        return a.echo() == 0
                except dicom.Rejected as e:
                    equal((e.result, e.source, e.reason), (1, 1, 3))
                    return False

            wait_for(lambda: not let_in(other))
            assert let_in(mine)
            assert not let_in(None)
            assert not let_in(None, "dicom_port")
            assert not let_in(other, calling=" BOUND")
            # Others need none.
            assert let_in(None, calling="FREE")
            assert let_in(other, calling="FREE")
            for words in ("must call over TLS", tls.fingerprint(other[0]),
                          "has not shown its certificate"):
                wait_for(lambda w=words: w in refusals(server), what=words)
            # In the form that openssl prints.
            upper = ":".join(print_of[i:i + 2] for i in range(0, 64, 2))
            server.verb("node", "edit", "BOUND", "--certificate",
                        upper.upper())
            assert f"certificate {print_of}" in server.verb("node", "list")
            server.verb("node", "edit", "BOUND", "--certificate", "none")
            assert "certificate" not in server.verb("node", "list")
            wait_for(lambda: let_in(other))
            for wrong in ("12ab", print_of + "0", "/nonexistent.pem", ""):
                server.verb("node", "edit", "BOUND", "--certificate", wrong,
                            expect=2)


def t_as_client():
    """echo to another archive of ours: by certificate, by authority, and in
    words what is wrong."""
    with tls.Certificates() as c:
        c.make("authority")
        good = c.make("good", "authority")
        wrong = c.make("wrong", "authority", names="DNS:elsewhere")
        with serve(tls_cert=good[0], tls_key=good[1],
                   tls_client_cert="require") as far, \
                serve(tls_cert=wrong[0], tls_key=wrong[1]) as odd, \
                serve() as near:
            def echo(node):
                done = near.run("echo", node)
                return done.returncode, done.stdout + done.stderr

            def node(name, server, port, *more):
                near.verb("node", "add", name, "127.0.0.1",
                          str(getattr(server, port)), *more)

            own_print = tls.fingerprint(good[0])
            # It shows its own certificate, which far demands.
            node("FILEROOM", far, "dicom_tls_port", "--tls")
            equal(echo("FILEROOM")[0], 0, "any certificate")
            near.verb("node", "edit", "FILEROOM", "--certificate", own_print)
            equal(echo("FILEROOM")[0], 0, "its certificate")
            near.verb("node", "edit", "FILEROOM", "--certificate", wrong[0])
            status, said = echo("FILEROOM")
            equal(status, 1)
            assert "not the one bound to the node" in said, said
            near.verb("node", "edit", "FILEROOM", "--certificate", "none",
                      "--port", str(far.dicom_port))
            status, said = echo("FILEROOM")
            equal(status, 1)
            assert "not speak TLS" in said, said
            near.verb("node", "edit", "FILEROOM", "--no-tls", "--port",
                      str(far.dicom_tls_port))
            status, said = echo("FILEROOM")
            equal(status, 1)
            assert "speaks TLS on this port" in said, said
            near.verb("node", "edit", "FILEROOM", "--certificate", own_print)
            status, said = echo("FILEROOM")
            assert status != 0 and "--tls" in said, said
            near.verb("node", "edit", "FILEROOM", "--tls",
                      "--certificate", "none")
            near.verb("settings", "set", "dicom.tls_ca",
                      c.path("authority.pem"))
            equal(echo("FILEROOM")[0], 0, "signed by whom we trust")
            near.verb("node", "edit", "FILEROOM", "--port",
                      str(odd.dicom_tls_port))
            status, said = echo("FILEROOM")
            equal(status, 1)
            assert "not for this host name" in said, said
            near.verb("settings", "set", "dicom.tls_ca", good[0])
            status, said = echo("FILEROOM")
            assert "no trusted authority" in said, said


if __name__ == "__main__":
    sys.exit(main())
