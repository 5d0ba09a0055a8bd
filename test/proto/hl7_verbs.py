"""The verb hl7: messages to hosts, at once and by the queue; comparing and
explaining messages; mappings; nodes."""

import os
import shutil
import ssl
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import hl7  # noqa: E402
from harness.runner import equal, main  # noqa: E402
from harness.server import (  # noqa: E402
    VERB_SECONDS, Server, binary, free_port, wait_for)
from harness.tls import Certificates  # noqa: E402

TSAN = True


class Folder:
    """A temporary folder with an archive's data folder in it; no server."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="fileroom-hl7-")
        self.data = self("data")
        return self

    def __exit__(self, *what):
        shutil.rmtree(self.path, ignore_errors=True)

    def __call__(self, *parts):
        return os.path.join(self.path, *parts)

    def file(self, name, data):
        with open(self(name), "wb") as f:
            f.write(data)
        return self(name)

    def run(self, *args, stdin=b"", data=None):
        done = subprocess.run(
            [binary(), *args, "--data", data or self.data],
            input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=VERB_SECONDS, check=False)
        done.out = done.stdout.decode("utf-8", "replace")
        done.err = done.stderr.decode("utf-8", "replace")
        for word in ("Sanitizer", "runtime error:", "must hold:"):
            assert word not in done.err, done.err
        return done

    def verb(self, *args, expect=0, **more):
        done = self.run(*args, **more)
        assert done.returncode == expect, (args, done.returncode, done.out,
                                           done.err)
        return done.out if expect == 0 else done.err


# Sending.


def t_send_waits_for_the_acknowledgement():
    with Folder() as f, hl7.Host() as host:
        path = f.file("a.hl7", hl7.order("17"))
        out = f.verb("hl7", "send", host.address, path)
        assert "message 1: AA accepted" in out, out
        equal(host.got, [hl7.order("17")])
        assert not os.path.exists(f.data), "an archive was made"


def t_several_files_and_messages_over_one_connection():
    with Folder() as f, hl7.Host() as host:
        one = f.file("a.hl7", hl7.order("1") + hl7.order("2"))
        two = f.file("b.hl7", hl7.frame(hl7.order("3")) +
                     hl7.frame(hl7.order("4")))
        out = f.verb("hl7", "send", host.address, one, two)
        equal(out.count("AA accepted"), 4)
        equal(host.got, [hl7.order(str(n)) for n in (1, 2, 3, 4)])
        equal(host.connections, 1)


def t_files_of_text_get_the_ends_of_segments():
    with Folder() as f, hl7.Host() as host:
        for n, end in enumerate((b"\n", b"\r\n")):
            data = hl7.order(str(n)).replace(b"\r", end).rstrip()
            f.verb("hl7", "send", host.address, f.file("a.txt", data))
            equal(host.got[n], hl7.order(str(n)))
        # From standard input; a line break of the message's own stays.
        data = hl7.order("3", name="Doe\n^Jane")
        f.verb("hl7", "send", host.address, "-", stdin=data)
        equal(host.got[2], data)


def t_refusals_are_told_in_words_and_the_rest_is_sent():
    def answer(message):
        n = hl7.field(message, "MSH", 10)
        if n == "2":
            return hl7.ack(message, "AE", "PID-3 is missing")
        if n == "3":
            return hl7.ack(message, "CR")
        return hl7.ack(message, "CA")

    with Folder() as f, hl7.Host(answer) as host:
        path = f.file("a.hl7", b"".join(hl7.order(str(n))
                                        for n in (1, 2, 3, 4)))
        err = f.verb("hl7", "send", host.address, path, expect=1)
        assert "message 2" in err and "AE refused" in err, err
        assert "PID-3 is missing" in err, err
        assert "message 3" in err and "CR rejected" in err, err
        assert "2 of 4 messages were not taken" in err, err
        equal(len(host.got), 4)


def t_a_reason_in_the_error_segment_is_shown():
    with Folder() as f, hl7.Host(lambda m: hl7.ack(
            m, "AE", error="ERR||PID^1^3|101^Required field missing|E||||"
            "No patient id\r")) as host:
        err = f.verb("hl7", "send", host.address,
                     f.file("a.hl7", hl7.order()), expect=1)
        assert "No patient id" in err, err


def t_answers_to_others_are_passed_over():
    with Folder() as f, hl7.Host(lambda m: hl7.frame(
            hl7.ack(m, "AE", "old", control="99")) + hl7.frame(
                hl7.ack(m))) as host:
        out = f.verb("hl7", "send", host.address, f.file("a.hl7",
                                                         hl7.order("1")))
        assert "AA accepted" in out, out


def t_what_is_wrong_with_a_host_is_said():
    with Folder() as f:
        path = f.file("a.hl7", hl7.order())
        port = free_port()
        err = f.verb("hl7", "send", f"127.0.0.1:{port}", path, expect=1)
        assert f"127.0.0.1:{port}" in err and "refused" in err, err
        with hl7.Host(lambda m: b"") as host:
            err = f.verb("hl7", "send", host.address, path, "--timeout", "1",
                         expect=1)
            assert "no acknowledgement within 1 s" in err, err
        with hl7.Host(lambda m: None) as host:
            err = f.verb("hl7", "send", host.address, path, expect=1)
            assert "closed the connection without an ack" in err, err
        with hl7.Host(lambda m: b"HTTP/1.1 400 Bad") as host:
            err = f.verb("hl7", "send", host.address, path, expect=1)
            assert "no acknowledgement" in err and "HTTP/1.1" in err, err
        with hl7.Host(lambda m: hl7.SB + b"x" * 9000 + b"HTTP") as host:
            err = f.verb("hl7", "send", host.address, path, "--timeout", "1",
                         expect=1)
            assert "no acknowledgement within 1 s" in err, err


def t_wrong_usage():
    with Folder() as f:
        path = f.file("a.hl7", hl7.order())
        for args, words in (
                (("hl7",), "send, compare, map"),
                (("hl7", "sned"), "'sned'"),
                (("hl7", "send", "127.0.0.1:1"), "missing"),
                (("hl7", "send", "127.0.0.1", path), "HOST:PORT"),
                (("hl7", "send", "127.0.0.1:0", path), "HOST:PORT"),
                (("hl7", "send", "::1:99", path), "brackets"),
                (("hl7", "send", "x:1", path, "--html", "y"), "--html"),
                (("hl7", "send", "x:1", path, "--timeout", "0"), "--timeout"),
                (("hl7", "map", path, "--failed"), "--failed"),
                (("hl7", "mapping", "show", "NOTHING"), "'NOTHING'"),
                (("hl7", "mapping", "preset", "nothing"), "ihe-omi"),
                (("hl7", "mapping", "set", "MODALITY", "OBR", "x", "1"),
                 "no place"),
                (("hl7", "mapping", "set", "MODALITY", "OBR", "1"), "a place"),
                (("hl7", "mapping", "show", "--for", "/X"), "--for"),
                (("hl7", "journal", "show", "x"), "'x'"),
                (("hl7", "journal", "lsit"), "'lsit'"),
                (("hl7", "node", "add", "A:B", "h", "1"), "colon"),
                (("hl7", "node", "add", "A", "h", "99999"), "'99999'"),
                (("hl7", "node", "delete", "A", "--tls"), "no options")):
            err = f.verb(*args, expect=2)
            assert words in err, (args, err)
        assert not os.path.exists(f.data)
        err = f.verb("hl7", "send", "127.0.0.1:9", f("none"), expect=1)
        assert "none" in err and "No such file" in err, err
        err = f.verb("hl7", "send", "127.0.0.1:9", f.file("e", b"hello"),
                     expect=1)
        assert "no HL7 message in" in err, err


def t_send_over_tls():
    with Folder() as f, Certificates() as c:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(*c.make("host"))
        path = f.file("a.hl7", hl7.order("5"))
        with hl7.Host(tls=server) as host:
            out = f.verb("hl7", "send", host.address, path, "--tls")
            assert "AA accepted" in out, out
            # Plain words to a host that speaks TLS.
            err = f.verb("hl7", "send", host.address, path, "--timeout", "2",
                         expect=1)
            assert host.address in err, err
        with hl7.Host() as host:
            err = f.verb("hl7", "send", host.address, path, "--tls",
                         "--timeout", "2", expect=1)
            assert host.address in err, err


def t_nodes():
    with Folder() as f, hl7.Host() as host:
        f.verb("hl7", "node", "add", "HIS", "127.0.0.1", str(host.port),
               "--app", "HISAPP", "--facility", "MAIN")
        equal(f.verb("hl7", "node", "list"),
              f"HIS  127.0.0.1 {host.port}  application HISAPP"
              "  facility MAIN\n")
        err = f.verb("hl7", "node", "add", "HIS", "127.0.0.1", "1", expect=1)
        assert "already" in err, err
        out = f.verb("hl7", "send", "HIS", f.file("a.hl7", hl7.order()))
        assert "AA accepted" in out, out
        f.verb("hl7", "node", "edit", "HIS", "--port", "0", "--tls",
               "--facility", "")
        equal(f.verb("hl7", "node", "list"),
              "HIS  127.0.0.1 0 tls  application HISAPP\n")
        err = f.verb("hl7", "send", "HIS", f("a.hl7"), expect=2)
        assert "does not listen" in err, err
        err = f.verb("hl7", "send", "RIS", f("a.hl7"), expect=2)
        assert "no HL7 node 'RIS'" in err and "node add" in err, err
        f.verb("hl7", "node", "delete", "HIS")
        equal(f.verb("hl7", "node", "list"), "")
        err = f.verb("hl7", "node", "delete", "HIS", expect=1)
        assert "no HL7 node 'HIS'" in err, err


def t_what_was_sent_is_in_the_journal():
    with Folder() as f, hl7.Host(lambda m: hl7.ack(
            m, "AE" if hl7.field(m, "MSH", 10) == "2" else "AA",
            "not this one")) as host:
        f.verb("hl7", "node", "add", "HIS", "127.0.0.1", str(host.port))
        f.verb("hl7", "send", "HIS",
               f.file("a.hl7", hl7.order("1") + hl7.order("2")), expect=1)
        rows = f.verb("hl7", "journal", "list").splitlines()
        equal(len(rows), 3)
        assert "declined" in rows[1] and "not this one" in rows[1], rows
        assert "sent" in rows[2] and "ORM^O01" in rows[2], rows
        # Only what came can be taken again.
        equal(f.verb("hl7", "journal", "list", "--failed"), "")
        shown = f.verb("hl7", "journal", "show", rows[2].split()[0])
        assert "\nPID|1||P1||Doe^Jane||" in shown, shown
        assert f"HIS:{host.port}" in shown, shown


def t_a_message_of_the_journal_as_it_came():
    """In its own character set, to be mapped and sent again."""
    latin = hl7.order("1", name="Müller^Jörg").decode().replace(
        "|2.3.1|||||||", "|2.3.1||||||8859/1|").encode("latin-1")
    with Folder() as f:
        f.verb("worklist", "import", f.file("a.hl7", latin))
        number = f.verb("hl7", "journal", "list").splitlines()[1].split()[0]
        assert "Müller^Jörg" in f.verb("hl7", "journal", "show", number)
        f.verb("hl7", "journal", "show", number, "-o", f("b.hl7"))
        with open(f("b.hl7"), "rb") as b:
            equal(b.read(), latin)
        assert "Müller^Jörg" in f.verb("hl7", "map", f("b.hl7"))
        err = f.verb("hl7", "journal", "list", "-o", f("c"), expect=2)
        assert "-o belongs to 'show'" in err, err


# The queue.


def t_queued_messages_are_sent_by_the_server():
    latin = hl7.order("2", name="Müller^Jörg").decode().encode("latin-1")
    with Server() as server, Folder() as f, hl7.Host() as host:
        server.verb("hl7", "node", "add", "HIS", "127.0.0.1", str(host.port))
        out = server.verb("hl7", "send", "HIS", "--queue", f.file(
            "a.hl7", hl7.order("1") + latin + hl7.order("3", name="山田^花")))
        equal(out.count(": job "), 3)
        wait_for(lambda: len(host.got) == 3, 60, "three messages")
        equal(host.got[:2], [hl7.order("1"), latin])
        equal(host.got[2], hl7.order("3", name="山田^花"))
        wait_for(lambda: server.verb("jobs", "list", "--state",
                                     "done").count("hl7:HIS") == 3)
        rows = server.verb("hl7", "journal", "list").splitlines()
        equal(len([r for r in rows if " sent" in r]), 3)


def t_a_refusal_fails_the_job_with_its_words():
    with Server() as server, Folder() as f, hl7.Host(
            lambda m: hl7.ack(m, "AE", "no such ward")) as host:
        server.verb("hl7", "send", host.address, "--queue",
                    f.file("a.hl7", hl7.order("1")))
        wait_for(lambda: "no such ward" in server.verb(
            "jobs", "list", "--state", "failed"), 60, "the job to fail")
        equal(len(host.got), 1)


def t_a_fault_of_the_host_and_silence_are_tried_again():
    codes = iter(["ERR|||207^Application internal error|E\r", None])

    def answer(message):
        error = next(codes, "")
        if error is None:
            return None
        return hl7.ack(message, "AR" if error else "AA", error=error)

    with Server() as server, Folder() as f, hl7.Host(answer) as host:
        server.verb("hl7", "send", host.address, "--queue",
                    f.file("a.hl7", hl7.order("1")))
        for n in (1, 2):
            wait_for(lambda n=n: len(host.got) >= n and "waiting" in
                     server.verb("jobs", "list"), 60, f"attempt {n}")
            server.retry(1)
        wait_for(lambda: "done" in server.verb("jobs", "list"), 60, "done")
        equal(host.got, [hl7.order("1")] * 3)


def t_messages_keep_their_order_over_failures():
    silent = iter([True])

    def answer(message):
        return None if next(silent, False) else hl7.ack(message)

    with Server() as server, Folder() as f, hl7.Host(answer) as host:
        server.verb("hl7", "node", "add", "HIS", "127.0.0.1", str(host.port))
        server.verb("hl7", "send", "HIS", "--queue", f.file(
            "a.hl7", b"".join(hl7.order(str(n)) for n in range(1, 6))))
        server.wait_log("attempt 1 failed")
        # Somebody is in a hurry for the last of them.
        for number in (5, 4, 3, 2, 1):
            server.retry(number)
        wait_for(lambda: server.verb("jobs", "list", "--state",
                                     "done").count("hl7:HIS") == 5)
        equal([hl7.field(m, "MSH", 10) for m in host.got],
              ["1", "1", "2", "3", "4", "5"])


def t_an_unreachable_host_waits_and_survives_a_restart():
    with Server() as server, Folder() as f:
        port = free_port()
        server.verb("hl7", "node", "add", "HIS", "127.0.0.1", str(port))
        server.verb("hl7", "send", "HIS", "--queue",
                    f.file("a.hl7", hl7.order("1")))
        wait_for(lambda: "refused" in server.verb("jobs", "list"))
        server.kill()
        with hl7.Host() as host:
            server.start()
            # The node is asked for its address when the message is sent.
            server.verb("hl7", "node", "edit", "HIS", "--port",
                        str(host.port))

            def sent():
                server.retry(1)
                return host.got
            wait_for(sent, 60, "the message")
            equal(host.got, [hl7.order("1")])
            server.verb("hl7", "node", "delete", "HIS")
            wait_for(lambda: "done" in server.verb("jobs", "list"))


# Comparing and explaining.


def t_compare():
    with Folder() as f:
        a = f.file("a.hl7", hl7.order("1"))
        b = f.file("b.hl7", hl7.order("1", name="<Doe>^John", modality="MR"))
        out = f.verb("hl7", "compare", a, b, "--html", f("page.html"))
        assert "PID 5" in out and "+ <Doe>^John" in out, out
        assert out.endswith("2 differences\n"), out
        with open(f("page.html"), encoding="utf-8") as page:
            text = page.read()
        assert "&lt;Doe&gt;^John" in text and "<Doe>" not in text
        assert f.verb("hl7", "compare", a, a).endswith("0 differences\n")
        err = f.verb("hl7", "compare", a, f.file("c", b"x"), expect=1)
        assert f("c") in err and "no HL7 message" in err, err


def t_map_shows_where_values_come_from():
    with Folder() as f:
        path = f.file("a.hl7", hl7.order(
            "1", procedure="RP1^Head", start="202611221030",
            more=["ORC|CA|A2", "OBR|2|A2||RP2^Neck||||||||||||||MR"]))
        out = f.verb("hl7", "map", path)
        rows = {r.split("  ")[0]: r
                for r in out.split("step 2")[0].splitlines()}
        for field, place, raw, value in (
                ("PATIENT NAME", "PID 5 0", "Doe^Jane", "Doe^Jane"),
                ("START TIME", "ORC 15 1", "202611221030", "1030")):
            line = rows[field]
            assert place in line and raw in line and value in line, line
        assert "step 1: NW" in out and "step 2: CA" in out, out
        assert "mapping: the preset manual" in out, out
        out = f.verb("hl7", "map", path, "--mapping", "ihe-orm")
        assert "mapping: ihe-orm" in out, out
        assert "taken from another field" in out, out
        nobody = f.file("b.hl7", hl7.order("1", patient=""))
        out = f.verb("hl7", "map", nobody)
        assert "refused: " in out and "PID-3" in out, out
        mine = f.file("m.txt", b"PATIENT ID = PID 3 1\nPATIENT NAME = PID 5\n"
                      b"REQUESTED PROCEDURE ID = OBR 4 1\nMODALITY = OBR 24\n")
        out = f.verb("hl7", "map", path, "--mapping", mine)
        assert "MODALITY" not in out.split("step 2")[0], out
        err = f.verb("hl7", "map", path, "--mapping", f.file("n", b"X = 1\n"),
                     expect=2)
        assert "line 1" in err and "'X'" in err, err
        assert not os.path.exists(f.data)


def t_mappings_of_senders():
    with Folder() as f, Server(data=f.data) as server:
        path = f.file("a.hl7", hl7.order("1"))
        server.verb("hl7", "mapping", "set", "MODALITY", "OBR", "21", "1",
                    "OBR", "24", "1", "--for", "HIS/WARD")
        shown = server.verb("hl7", "mapping", "show", "modality", "--for",
                            "HIS/WARD")
        assert "OBR 21 1, OBR 24 1" in shown, shown
        shown = server.verb("hl7", "mapping", "show", "Modality")
        assert "OBR 18 1" in shown and "preset manual" in shown, shown
        out = server.verb("hl7", "map", path)
        assert "a mapping of this archive" in out and "OBR 21 1" in out, out
        server.verb("hl7", "mapping", "set", "START DATE - TIME", "OBR", "36",
                    "1")
        text = server.verb("hl7", "mapping", "export")
        assert "START DATE = OBR 36 1\nSTART TIME = OBR 36 1\n" in text, text
        server.verb("hl7", "mapping", "preset", "ihe-omi", "--for", "RIS")
        equal(server.verb("hl7", "mapping", "list").split()[2:],
              ["(any)", "(any)", "HIS", "WARD", "RIS", "(any)"])
        # To another installation and back.
        server.verb("hl7", "mapping", "export", f("m.txt"), "--for", "RIS")
        server.verb("hl7", "mapping", "import", f("m.txt"), "--for", "LIS")
        equal(server.verb("hl7", "mapping", "export", "--for", "LIS"),
              server.verb("hl7", "mapping", "export", "--for", "RIS"))
        server.verb("hl7", "mapping", "delete", "--for", "HIS/WARD")
        err = server.run("hl7", "mapping", "delete", "--for", "HIS/WARD")
        equal(err.returncode, 1)
        err = server.run("hl7", "mapping", "set", "PATIENT_ID", "none")
        equal(err.returncode, 2)
        assert "PATIENT ID needs a place" in err.stderr, err.stderr
        server.verb("hl7", "mapping", "set", "MODALITY", "none")
        shown = server.verb("hl7", "mapping", "show", "MODALITY")
        assert "MODALITY  -" in shown, shown


if __name__ == "__main__":
    sys.exit(main())
