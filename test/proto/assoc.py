"""Associations: what is accepted, what is refused and how, what is said to
those who break the rules, and what is recorded."""

import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.runner import equal, main, raises
from harness.server import Server, wait_for

TSAN = True

ECHO = [(dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE])]
PRIVATE = "1.2.840.113619.4.26"
GE_BIG = "1.2.840.113619.5.2"
NEGOTIATED = [
    (dicom.VERIFICATION, [dicom.EXPLICIT_BIG], 0, dicom.EXPLICIT_BIG),
    (dicom.CT, [dicom.IMPLICIT_LITTLE, dicom.EXPLICIT_LITTLE], 0,
     dicom.EXPLICIT_LITTLE),
    (dicom.CT, [dicom.JPEG_BASELINE, dicom.EXPLICIT_LITTLE], 0,
     dicom.JPEG_BASELINE),
    (dicom.CT, ["1.2.3.4", dicom.RLE], 0, dicom.RLE),
    (dicom.CT, [GE_BIG], 0, GE_BIG),
    (dicom.CT, ["1.2.3.4"], 4, None),
    (PRIVATE, [dicom.IMPLICIT_LITTLE], 0, dicom.IMPLICIT_LITTLE),
    (dicom.FIND_PATIENT, [dicom.DEFLATED], 0, dicom.DEFLATED),
    (dicom.FIND_STUDY, [dicom.J2K_LOSSLESS], 4, None),
    (dicom.GET_PATIENT, [dicom.IMPLICIT_LITTLE], 0, dicom.IMPLICIT_LITTLE),
    ("1.2.840.10008.1.3.10", [dicom.IMPLICIT_LITTLE], 3, None),
    ("1.2.840.10008.1.20.1.99", [dicom.IMPLICIT_LITTLE], 3, None),
    ("not a uid", [dicom.IMPLICIT_LITTLE], 3, None),
]


def t_contexts():
    with Server() as server:
        with dicom.Association(
                server.dicom_port, [(a, s) for a, s, _, _ in NEGOTIATED]) as a:
            for i, (abstract, _, result, syntax) in enumerate(NEGOTIATED):
                got = a.accepted["contexts"][2 * i + 1]
                equal(got[0], result, "result for " + abstract)
                if syntax:
                    equal(got[1], syntax, "syntax for " + abstract)


def t_called_titles():
    with Server() as server:
        for called in ("FILEROOM", "FILEROOM_E", "FILEROOM_P", "FILEROOM_TE",
                       "FILEROOM_TP", "  FILEROOM"):
            with dicom.Association(server.dicom_port, ECHO, called=called) as a:
                equal(a.echo(), 0)
        for called in ("FILEROOM_X", "fileroom", "", "FILEROO"):
            e = raises(dicom.Rejected, dicom.Association, server.dicom_port,
                       ECHO, called=called)
            equal((e.result, e.source, e.reason), (1, 1, 7), called)
        server.wait_log("called AE title 'fileroom'")
    with Server(settings={"dicom.check_called_ae": "false"}) as server:
        with dicom.Association(server.dicom_port, ECHO, called="ANY") as a:
            equal(a.echo(), 0)


def t_own_title():
    with Server(settings={"dicom.ae_title": "ARCHIVE1"}) as server:
        with dicom.Association(server.dicom_port, ECHO,
                               called="ARCHIVE1_E") as a:
            equal(a.echo(), 0)
        raises(dicom.Rejected, dicom.Association, server.dicom_port, ECHO)


def t_loopback_needs_no_title():
    with Server() as server:
        with dicom.Association(server.dicom_port, ECHO, calling="") as a:
            equal(a.echo(), 0)


def t_wrong_application_context():
    with Server() as server:
        e = raises(dicom.Rejected, dicom.Association, server.dicom_port, ECHO,
                   application="1.2.3")
        equal((e.source, e.reason), (1, 2))
        e = raises(dicom.Rejected, dicom.Association, server.dicom_port, ECHO,
                   version=2)
        equal((e.source, e.reason), (2, 2))


def t_window_roles_and_extended():
    more = (dicom.window(0, 0) + dicom.role(dicom.CT, False, True)
            + dicom.role(dicom.FIND_STUDY, True, True)
            + dicom.extended(dicom.FIND_STUDY, b"\1\1\1")
            + dicom.extended(dicom.CT, b"\2\0\3\0\1\0"))
    with Server() as server:
        with dicom.Association(
                server.dicom_port,
                [(dicom.CT, [dicom.EXPLICIT_LITTLE]),
                 (dicom.FIND_STUDY, [dicom.EXPLICIT_LITTLE])],
                user=dicom.user_information(more=more)) as a:
            items = a.accepted["items"]
            equal(struct.unpack(">HH", items[0x53][0]), (16, 1), "window")
            roles = {x[2:-2].decode(): tuple(x[-2:]) for x in items[0x54]}
            equal(roles, {dicom.CT: (0, 1), dicom.FIND_STUDY: (1, 0)})
            answers = {}
            for x in items[0x56]:
                n = struct.unpack(">H", x[:2])[0]
                answers[x[2:2 + n].decode()] = x[2 + n:]
            equal(answers, {dicom.FIND_STUDY: b"\1\1\1",
                            dicom.CT: b"\2\0\0\0\0\0"})


def t_user_identity():
    """PS3.7 D.3.3.7: a positive response is for who is certain."""
    def ask(server, kind, name, secret=b"", answer=True):
        with dicom.Association(
                server.dicom_port, ECHO, user=dicom.user_information(
                    more=dicom.identity(kind, name, secret, answer))) as a:
            equal(a.echo(), 0)
            return a.accepted["items"].get(0x59)

    right = b"eva", b"correct horse"
    with Server() as server:
        # Without users there is no identification: accepted, unanswered.
        equal(ask(server, 2, *right), None)
        equal(ask(server, 1, b"eva"), None)
        for name, role in (("root", "admin"), ("eva", "user")):
            server.verb("user", "add", name, "--role", role,
                        "--password-stdin", stdin="correct horse\n")
        for _ in range(2):
            equal(ask(server, 2, *right), [b"\0\0"])
        equal(ask(server, 2, *right, answer=False), None)
        # What cannot be proven is not answered.
        equal(ask(server, 1, b"eva"), None)
        for kind in (3, 4, 5, 77):
            equal(ask(server, kind, b"ticket"), None)
        for name, secret in ((b"eva", b"wrong horse"), (b"eva", b""),
                             (b"nobody", b"correct horse"),
                             (b"\xff" * 600, b"x" * 60000)):
            e = raises(dicom.Rejected, ask, server, 2, name, secret, False)
            equal((e.result, e.source, e.reason), (1, 2, 1), name)
        server.wait_log("user 'eva': the name or the password is wrong")
        # A change ends what was right before.
        server.verb("user", "edit", "eva", "--active", "no")
        raises(dicom.Rejected, ask, server, 2, *right)
        for _ in range(6):
            raises(dicom.Rejected, ask, server, 2, b"eva", b"guess")
        server.verb("user", "edit", "eva", "--active", "yes")
        raises(dicom.Rejected, ask, server, 2, *right)
        # Who is refused is told first, then written down.
        wait_for(lambda: "too many wrong passwords" in server.verb(
            "node", "refused"))


def t_several_requests_at_once():
    with Server() as server:
        with dicom.Association(
                server.dicom_port, ECHO, user=dicom.user_information(
                    more=dicom.window(16, 1))) as a:
            requests = [dicom.p_data(dicom.pdv(1, dicom.command(
                [(0x0002, dicom.VERIFICATION), (0x0100, dicom.C_ECHO),
                 (0x0110, 1000 + i), (0x0800, dicom.NO_DATA)]), True))
                for i in range(16)]
            a.send(*requests)
            for i in range(16):
                status, values, _ = a.response()
                equal(status, 0)
                equal(struct.unpack("<H", values[0x0120])[0], 1000 + i)


def t_idle_then_again():
    with Server() as server:
        with dicom.Association(server.dicom_port, ECHO) as a:
            for pause in (0, 0.002, 0.05, 0.2):
                time.sleep(pause)
                equal(a.echo(), 0)


def request(a, context, field, message=77, data=None, sop_class=None):
    a.send_message(context, dicom.command(
        [(0x0002, sop_class or a.contexts[context][0]), (0x0100, field),
         (0x0110, message),
         (0x0800, dicom.NO_DATA if data is None else 0)]), data)
    status, values, _ = a.response()
    equal(struct.unpack("<H", values[0x0120])[0], message, "message id")
    equal(struct.unpack("<H", values[0x0100])[0], field | dicom.RSP)
    return status


def t_wrong_operations():
    with Server() as server:
        with dicom.Association(
                server.dicom_port,
                ECHO + [(dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
            data = dicom.instance("1.2.3.9")
            equal(request(a, 1, 0x0042), 0x0211)
            equal(request(a, 1, 0x0042, data=data), 0x0211)
            equal(request(a, 1, dicom.C_STORE, data=data), 0x0122)
            equal(request(a, 3, dicom.C_FIND, data=data), 0x0122)
            equal(request(a, 3, 0x0130, data=data), 0x0118)
            equal(request(a, 3, dicom.C_STORE, data=data, sop_class=dicom.MR),
                  0x0122)
            equal(a.echo(), 0)
            # What was to be cancelled is long over: no answer is due.
            a.cancel(5, dicom.VERIFICATION)
            equal(a.echo(), 0)


def t_answer_to_nothing():
    with Server() as server:
        with dicom.Association(server.dicom_port, ECHO) as a:
            a.send_message(1, dicom.command(
                [(0x0100, dicom.C_ECHO | dicom.RSP), (0x0120, 1),
                 (0x0800, dicom.NO_DATA), (0x0900, 0)]))
            raises(dicom.Aborted, a.response)


def t_unaccepted_context():
    with Server() as server:
        with dicom.Association(server.dicom_port, ECHO) as a:
            a.contexts[5] = (dicom.VERIFICATION, "")
            del a.contexts[1]
            raises(dicom.Aborted, a.echo)


def t_strangers_at_the_port():
    with Server(settings={"dicom.debug": "true"}) as server:
        with dicom.Wire(server.dicom_port):
            pass
        server.wait_log("no association from 127.0.0.1")
        for words, said in ((b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP"),
                            (b"\x16\x03\x01\x02\x00\x01\x00\x01", "TLS"),
                            (dicom.p_data(dicom.pdv(1, b"")), "PDU of type 4"),
                            ):
            with dicom.Wire(server.dicom_port) as w:
                w.send(words)
                w.until_closed()
            wait_for(lambda s=said: any(
                s in line and " warning " in line
                for line in server.log().splitlines()), what=said)
        refused = [x for x in server.log().splitlines()
                   if " warning " in x and "127.0.0.1" in x]
        equal(len(refused), 3, "warnings")


def t_every_end_is_logged():
    with Server() as server:
        with dicom.Association(server.dicom_port, ECHO, calling="RELEASER"):
            pass
        a = dicom.Association(server.dicom_port, ECHO, calling="ABORTER")
        a.abort()
        a = dicom.Association(server.dicom_port, ECHO, calling="BREAKER")
        a.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
        a.close()
        for who, how in (("RELEASER", "released"), ("ABORTER", "aborted by"),
                         ("BREAKER", "connection lost")):
            wait_for(lambda w=who, h=how: any(
                "'%s'" % w in x and h in x
                for x in server.log().splitlines()), what=who)
        wait_for(lambda: all(who in server.verb("activity", "list") for who in (
            "RELEASER", "ABORTER", "BREAKER")), what="all in the activity")


def t_stop_aborts_what_is_idle():
    with Server() as server:
        a = dicom.Association(server.dicom_port, ECHO)
        b = dicom.Association(server.dicom_port, ECHO)
        equal(a.echo(), 0)
        time.sleep(0.05)
        server.stop()
        for x in (a, b):
            raises(dicom.Aborted, x.expect, 4)
            x.close()


def t_settings_while_running():
    with Server(settings={"dicom.ae_title": None}) as server:
        old = dicom.Association(server.dicom_port, ECHO)
        server.verb("settings", "set", "dicom.ae_title", "OTHER")

        def renamed():
            try:
                with dicom.Association(server.dicom_port, ECHO,
                                       called="OTHER") as a:
                    return a.echo() == 0
            except dicom.Rejected:
                return False

        wait_for(renamed, what="the new title")
        equal(old.echo(), 0)
        old.release()
        old.close()


if __name__ == "__main__":
    sys.exit(main())
