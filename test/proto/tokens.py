"""Tokens of studies on the command line and on the HL7 port: made once, shown
again, revoked, beside a running server; a lost key; queries byte for byte as
the manuals show; never in logs, activity or journal."""

import glob
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import sample  # noqa: E402
from harness.mllp import Mllp, code, order  # noqa: E402
from harness.runner import equal, main  # noqa: E402
from harness.server import Server, binary  # noqa: E402

TOKEN = re.compile(r"^[0-9A-Za-z]{64}$")
STUDIES = {name: sample.uid("study", name) for name in "abcd"}


def fill(server):
    """Three studies of P1, one of P2 with the same ID of another issuer."""
    folder = os.path.join(os.path.dirname(server.data), "in")
    for name, date, more in (
            ("a", "20190603", {}), ("b", "20210101", {}),
            ("c", "", {"StudyDescription": "THORAX\u00c4 \u2028x"}),
            ("d", "20200101", {"IssuerOfPatientID": "ELSEWHERE"})):
        sample.study(os.path.join(folder, name), count=1, study=name,
                     patient="P1", date=date, charset="ISO_IR 192", **more)
    server.verb("import", folder)
    shutil.rmtree(folder)


def token(server, name):
    text = server.verb("token", STUDIES[name]).strip()
    assert TOKEN.match(text), text
    return text


def key(server):
    return os.path.join(server.data, "token.key")


def everything(server):
    """All bytes there are of the archive and of what was logged."""
    text = server.log().encode()
    for path in glob.glob(server.data + "/**", recursive=True):
        if os.path.isfile(path) and "/objects/" not in path:
            with open(path, "rb") as f:
                text += f.read()
    return text


def t_made_shown_revoked():
    with Server() as server:
        fill(server)
        first = token(server, "a")
        equal(token(server, "a"), first)
        equal(os.stat(key(server)).st_mode & 0o7777, 0o600)
        lines = server.verb("token", "--patient", "P1").splitlines()
        rows = [line.split(None, 2) for line in lines]
        equal([r[1] for r in rows], [STUDIES[n] for n in "bdac"])
        equal(rows[2][0], first)
        equal(rows[0][2].split(), ["20210101", "Study", "b"])
        assert rows[3][2].strip().startswith("THORAX\u00c4 \\u2028"), rows[3]
        lines = server.verb("token", "--patient", "P1",
                            "--issuer", "ELSEWHERE").splitlines()
        equal([line.split()[1] for line in lines], [STUDIES["d"]])
        server.restart()
        equal(token(server, "a"), first)
        # The list shows whose, not which.
        listed = server.verb("token", "list")
        equal(len(listed.splitlines()), 4)
        assert STUDIES["a"] in listed and first not in listed
        server.verb("token", "revoke", STUDIES["a"], STUDIES["b"])
        equal(len(server.verb("token", "list").splitlines()), 2)
        other = token(server, "a")
        assert other != first
        done = server.run("token", "revoke", STUDIES["b"])
        equal(done.returncode, 1)
        assert "no token" in done.stderr, done.stderr
        # Not in what is kept, nor in what was logged.
        tokens = [first, other] + [r[0] for r in rows]
        server.verb("activity", "list", "--all")
        text = everything(server)
        for one in tokens:
            assert one.encode() not in text
        equal(server.verb("activity", "list", "--all").count(first), 0)


def t_the_address():
    with Server() as server:
        fill(server)
        first = token(server, "a")
        done = server.run("token", STUDIES["a"])
        assert "http.server_name" in done.stderr, done.stderr
        server.verb("settings", "set", "http.server_name", "pacs.example.org")
        equal(server.verb("token", STUDIES["a"]),
              f"http://pacs.example.org:3000/token?{first}\n")
        server.verb("settings", "set", "http.tls", "true")
        done = server.run("token", "--patient", "P1")
        assert f"https://pacs.example.org:3000/token?{first}  " \
            f"{STUDIES['a']}  20190603  Study a\n" in done.stdout, done
        equal((done.returncode, done.stderr), (0, ""))


def t_nobody():
    with Server() as server:
        fill(server)
        for args, words in (
                (["1.2.99"], "'1.2.99' is not in the archive"),
                (["--patient", "P9"], "'P9'"),
                (["--patient", "P1", "--issuer", "X"], "'P1'"),
                (["--patient", ""], "''"),
                (["revoke", "1.2.99"], "'1.2.99' has no token")):
            done = server.run("token", *args)
            equal((done.returncode, done.stdout), (1, ""), args)
            assert words in done.stderr, done.stderr
        equal(server.verb("token", "list"), "")
        assert not os.path.exists(key(server))
        for args, words in (
                ([], "missing"), (["1.2", "1.3"], "'1.3'"),
                (["revoke"], "missing"), (["list", "x"], "'x'"),
                (["list", "--patient", "P"], "--patient"),
                (["1.2", "--issuer", "X"], "--issuer"),
                (["1.2", "--patient", "P"], "'1.2'"),
                (["1.2", "--all"], "'--all'")):
            done = server.run("token", *args)
            equal(done.returncode, 2, args)
            assert words in done.stderr, (args, done.stderr)


def t_no_archive_is_made():
    with Server(start=False) as server:
        done = server.run("token", "1.2.3")
        equal(done.returncode, 1)
        assert not os.path.exists(server.data)


def t_a_lost_key():
    with Server() as server:
        fill(server)
        first = token(server, "a")
        done = server.run("token", "new-key")
        equal(done.returncode, 1)
        assert "in force" in done.stderr or "no other" in done.stderr
        with open(key(server), encoding="ascii") as f:
            old = f.read()
        os.remove(key(server))
        for name in "ab":
            done = server.run("token", STUDIES[name])
            equal((done.returncode, done.stdout), (1, ""))
            for word in ("token.key", "new-key", "missing"):
                assert word in done.stderr, done.stderr
        with open(key(server), "w", encoding="ascii") as f:
            f.write(old)
        equal(token(server, "a"), first)
        os.remove(key(server))
        server.verb("token", "new-key")
        equal(os.stat(key(server)).st_mode & 0o7777, 0o600)
        second = token(server, "b")
        done = server.run("token", "--patient", "P1")
        equal(done.returncode, 1)
        equal(len(done.stdout.splitlines()), 3)
        assert second in done.stdout and first not in done.stdout
        assert "1 of 4 tokens were made with another key" in done.stderr


def t_processes_at_once():
    """The key and the token of a study are made by one of them."""
    with Server() as server:
        fill(server)
        asked = [subprocess.Popen(
            [binary(), "token", STUDIES[name], "--data", server.data],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for name in "aabbaabb"]
        told = []
        for process in asked:
            out, err = process.communicate(timeout=120)
            equal(process.returncode, 0, err)
            told.append(out.strip())
        equal(len(set(told)), 2)
        equal(told, [told[0], told[0], told[2], told[2]] * 2)
        assert not glob.glob(server.data + "/token.key.*")


def t_killed_after_the_answer():
    """What was printed is there after kill -9 of the process and of the
    server, and the write-ahead log is all that holds it."""
    with Server() as server:
        fill(server)
        process = subprocess.Popen(
            [binary(), "token", STUDIES["a"], "--data", server.data],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        told = process.stdout.readline().strip()
        process.kill()
        process.wait()
        process.stdout.close()
        server.kill()
        server.start()
        assert TOKEN.match(told)
        equal(token(server, "a"), told)


def t_a_full_disk_gives_no_token():
    """A database that cannot be written: an error, and nothing on stdout."""
    with Server() as server:
        fill(server)
        path = server.data + "/fileroom.db"
        with sqlite3.connect(path, timeout=120) as db:
            db.execute("CREATE TRIGGER full BEFORE INSERT ON token BEGIN"
                       " SELECT raise(ABORT, 'no room'); END")
        done = server.run("token", STUDIES["a"])
        equal((done.returncode, done.stdout), (1, ""))
        assert "cannot make a token" in done.stderr, done.stderr
        with sqlite3.connect(path, timeout=120) as db:
            db.execute("DROP TRIGGER full")
        token(server, "a")


# The HL7 port.


def ask(port, *parts, until=None):
    """The bytes that answer, up to the end of the stream or of 'until'."""
    with socket.create_connection(("127.0.0.1", port), 120) as s:
        for part in parts:
            s.sendall(part)
        if until is None:
            s.shutdown(socket.SHUT_WR)
        got = b""
        while until is None or len(got) < until:
            part = s.recv(65536)
            if not part:
                break
            got += part
        return got


def manual(server):
    """The studies of the manuals' example; their tokens."""
    folder = os.path.join(os.path.dirname(server.data), "in")
    uids = ["1.2.840.113619.2.55.3.2831173124.78.1375418120.%d" % n
            for n in (812, 813, 814)]
    for uid in uids:
        sample.write(sample.image(
            study=uid[-3:], StudyInstanceUID=uid, patient="200631zw609",
            date="20190603", StudyDescription="THORAX"),
            os.path.join(folder, uid))
        server.verb("import", folder)
    shutil.rmtree(folder)
    return [(uid.encode(), server.verb("token", uid).strip().encode())
            for uid in uids]


def port(**settings):
    return Server(settings={"hl7.port": "auto", **{
        "hl7." + k: v for k, v in settings.items()}})


def t_port_as_the_manuals_show():
    with port() as server:
        studies = manual(server)
        uid, token_ = studies[1]
        equal(ask(server.hl7_port, b"\x10" + uid + b"\r"),
              b"\x10" + token_ + b"\r")
        want = b"\x10" + b"".join(
            u + b"\r20190603\rTHORAX\r" + t + b"\r"
            for u, t in studies) + b"\r"
        for query in (b"200631zw609", b"ID200631zw609"):
            equal(ask(server.hl7_port, b"\x10" + query + b"\r"), want)
        for query in (b"1.2.3", b"ID2", b"ID", b"", b"*", b"a\nb", b"\xff"):
            equal(ask(server.hl7_port, b"\x10" + query + b"\r"), b"\x10\r",
                  query)
    with port(token_answer="2023") as server:
        studies = manual(server)
        equal(ask(server.hl7_port, b"\x10ID200631zw609\r"),
              b"\x10" + b"".join(
                  u + b"\r" + t + b"\r" for u, t in studies) + b"\r")
        equal(ask(server.hl7_port, b"\x10" + studies[0][0] + b"\r"),
              b"\x10" + studies[0][1] + b"\r")


def t_port_pipelined_cut_and_mixed():
    with port() as server:
        studies = manual(server)
        queries = b"".join(b"\x10" + u + b"\r" for u, _ in studies) * 20
        want = b"".join(b"\x10" + t + b"\r" for _, t in studies) * 20
        equal(ask(server.hl7_port, queries), want)
        one, answer = queries[:55], want[:66]
        one = one[:one.index(b"\r") + 1]
        for at in range(1, len(one)):
            equal(ask(server.hl7_port, one[:at], one[at:]), answer, at)
        with Mllp(server.hl7_port) as c:
            for number in range(3):
                equal(code(c.ask(order(str(number)))), "AA")
                c.socket.sendall(one)
                got = b""
                while len(got) < 66:
                    got += c.socket.recv(66 - len(got))
                equal(got, answer)
        # Studies that come later are asked for on the same connection.
        with socket.create_connection(
                ("127.0.0.1", server.hl7_port), 120) as s:
            s.sendall(b"\x10" + STUDIES["a"].encode() + b"\r")
            equal(s.recv(100), b"\x10\r")
            fill(server)
            s.sendall(b"\x10" + STUDIES["a"].encode() + b"\r")
            got = s.recv(100)
            equal(got, b"\x10" + token(server, "a").encode() + b"\r")


def t_port_character_set():
    with port(charset="8859/1") as server:
        fill(server)
        answer = ask(server.hl7_port, b"\x10P1\r")
        assert b"THORAX\xc4  x\r" in answer, answer
        equal(answer.count(b"\r"), 4 * 4 + 1)


def t_port_answer_outlives_a_kill():
    with port() as server:
        fill(server)
        told = {}
        for name in "abcd":
            told[name] = ask(server.hl7_port, b"\x10"
                             + STUDIES[name].encode() + b"\r", until=66)
        server.kill()
        server.start()
        for name, answer in told.items():
            equal(answer, b"\x10" + token(server, name).encode() + b"\r")


def t_port_many_at_once():
    """One token a study, whoever asks first."""
    with port() as server:
        fill(server)
        answers = []

        def many():
            answers.append(ask(server.hl7_port, b"\x10P1\r" * 20))

        threads = [threading.Thread(target=many) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        equal(len(answers), 8)
        equal(len(set(answers)), 1)
        equal(len(re.findall(rb"\r([0-9A-Za-z]{64})\r", answers[0])), 80)


def t_port_says_nothing_elsewhere():
    """No token in the log, the activity or the journal."""
    with port() as server:
        studies = manual(server)
        ask(server.hl7_port, b"\x10200631zw609\r\x10" + studies[0][0] + b"\r")
        ask(server.hl7_port, b"\x10" + studies[0][1] + b"\r")
        server.wait_log("token query: 3 studies")
        told = server.verb("activity", "list", "--all").encode()
        told += server.verb("hl7", "journal", "list").encode()
        told += everything(server)
        for uid, token_ in studies:
            assert token_ not in told
        assert b"200631zw609" not in server.log().encode()


if __name__ == "__main__":
    sys.exit(main())
