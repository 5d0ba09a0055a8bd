"""C-STORE: what is acknowledged is there, bit for bit; what is refused says
why and leaves the association in step."""

import os
import sqlite3
import struct
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import dicom
from harness.runner import equal, main
from harness.server import Server

TSAN = True

SYNTAXES = [dicom.EXPLICIT_LITTLE, dicom.IMPLICIT_LITTLE, dicom.EXPLICIT_BIG]


def associate(server, contexts=None, **more):
    return dicom.Association(
        server.dicom_port,
        contexts or [(dicom.CT, [dicom.EXPLICIT_LITTLE]),
                     (dicom.VERIFICATION, [dicom.IMPLICIT_LITTLE])], **more)


def stored_files(server):
    found = {}
    for folder, _, names in os.walk(os.path.join(server.data, "objects")):
        for name in names:
            if name.endswith(".dcm"):
                with open(os.path.join(folder, name), "rb") as f:
                    found[os.path.join(folder, name)] = f.read()
    return found


def rows(server, sql):
    db = sqlite3.connect(os.path.join(server.data, "fileroom.db"), timeout=120)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def t_bit_for_bit_in_each_syntax():
    with Server() as server:
        sent = {}
        with associate(server, [(dicom.CT, [s]) for s in SYNTAXES]) as a:
            for i, syntax in enumerate(SYNTAXES):
                uid = "1.2.3.5.%d" % i
                sent[uid] = dicom.instance(uid, syntax=syntax)
                equal(a.store(dicom.CT, uid, sent[uid], syntax), 0, syntax)
        files = list(stored_files(server).values())
        equal(len(files), 3)
        for data in sent.values():
            equal(sum(f.endswith(data) for f in files), 1)


def t_deflated():
    with Server() as server:
        with associate(server, [(dicom.CT, [dicom.DEFLATED])]) as a:
            plain = dicom.instance("1.2.3.6", pixels=bytes(50000))
            squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
            data = squeeze.compress(plain) + squeeze.flush()
            data += b"\0" * (len(data) % 2)
            equal(a.store(dicom.CT, "1.2.3.6", data), 0)
        assert list(stored_files(server).values())[0].endswith(data)


def t_every_fragment_size():
    data = dicom.instance("1.2.3.7", pixels=os.urandom(1000))
    with Server() as server:
        for size in (1, 2, 3, 7, 100, 1023, 60000):
            with associate(server, fragment=size) as a:
                equal(a.store(dicom.CT, "1.2.3.7", data), 0, size)
        equal(len(stored_files(server)), 1)


def t_large_object():
    data = dicom.instance("1.2.3.8", pixels=os.urandom(1 << 20) * 24)
    with Server() as server:
        with associate(server) as a:
            equal(a.store(dicom.CT, "1.2.3.8", data), 0)
        assert list(stored_files(server).values())[0].endswith(data)


def t_checksums():
    """Of small and of big ones, as received and as found by a reindex."""
    data = [dicom.instance("1.2.3.9.%d" % i, pixels=os.urandom(n))
            for i, n in enumerate((1, 70000, 8 << 20))]
    with Server() as server:
        with associate(server) as a:
            for i, one in enumerate(data):
                equal(a.store(dicom.CT, "1.2.3.9.%d" % i, one), 0)
        want = sorted(zlib.crc32(one) for one in data)
        sql = "select crc32 from instance order by 1"
        equal([n for n, in rows(server, sql)], want)
        server.stop()
        server.verb("reindex")
        equal([n for n, in rows(server, sql)], want)


def t_again_the_same():
    with Server() as server:
        with associate(server) as a:
            for _ in range(3):
                equal(a.store(dicom.CT, "1.2.4",
                              dicom.instance("1.2.4")), 0)
        equal(len(stored_files(server)), 1)
        equal(len(rows(server, "select * from instance")), 1)


def t_again_but_different():
    first = dicom.instance("1.2.4", pixels=b"\1\1\1\1")
    other = dicom.instance("1.2.4", pixels=b"\2\2\2\2")
    for setting, status, kept in (("quarantine", 0, first),
                                  ("replace", 0, other),
                                  ("refuse", 0x0111, first)):
        with Server(settings={"store.duplicate": setting}) as server:
            with associate(server) as a:
                equal(a.store(dicom.CT, "1.2.4", first), 0)
                equal(a.store(dicom.CT, "1.2.4", other), status, setting)
                if status:
                    assert a.comment, "no comment"
                equal(a.echo(), 0)
            files = list(stored_files(server).values())
            equal(len(files), 1, setting)
            assert files[0].endswith(kept), setting


def t_corrected_and_sent_again():
    """All images of a study once more, under the right patient: nothing of
    the wrong one is left in the index."""
    query = [(0x00080052, "CS", "STUDY"), (0x00081030, "LO", ""),
             (0x00100010, "PN", ""), (0x00100020, "LO", ""),
             (0x0020000D, "UI", "1.2.3")]
    wrong = ("WRONG", "Doe^John", "Head")
    right = ("RIGHT", "Roe^Jane", "Chest")

    def send(a, i, patient, name, description):
        uid = "1.2.6.%d" % i
        equal(a.store(dicom.CT, uid, dicom.instance(
            uid, patient=patient, name=name,
            more=[(0x00081030, "LO", description)])), 0)

    def found(a):
        status, answers = a.find(dicom.FIND_STUDY, query)
        equal(status, 0)
        return [tuple(dicom.as_text(x[t]) for t in
                      (0x00100020, 0x00100010, 0x00081030)) for x in answers]

    with Server(settings={"store.duplicate": "replace"}) as server:
        with associate(server, [(dicom.CT, [dicom.EXPLICIT_LITTLE]),
                                (dicom.FIND_STUDY, [dicom.EXPLICIT_LITTLE])
                                ]) as a:
            for i in range(4):
                send(a, i, *wrong)
            for i in (2, 0, 3, 1):
                equal(found(a), [wrong])
                send(a, i, *right)
            equal(found(a), [right])
            equal(len(rows(server, "select * from patient")), 1)
        server.verb("check")


def t_malformed_is_refused_and_drained():
    good = dicom.instance("1.2.5")
    bad = {
        "cut": good[:-2],
        "cut header": good[:3],
        "empty": b"",
        "text": b"hello world, this is no data set at all ...",
        "length past the end": good[:-12] + dicom.header(
            0x7FE00010, "OW", 0xFFFFFFF0) + b"1234",
    }
    with Server() as server:
        with associate(server) as a:
            for what, data in bad.items():
                status = a.store(dicom.CT, "1.2.5", data)
                assert status in (0xC000, 0xA900), (what, hex(status))
                assert a.comment, "no comment for " + what
                equal(a.echo(), 0, what)
            equal(a.store(dicom.CT, "1.2.5", good), 0)
        equal(len(stored_files(server)), 1)
        equal(os.listdir(os.path.join(server.data, "objects", "tmp")), [])


def t_bad_in_the_midst_of_much():
    """The rest of a large data set is drained after its beginning failed."""
    data = b"\x08\0\x18\0UI\xff\xff" + os.urandom(5 << 20)
    with Server() as server:
        with associate(server) as a:
            assert a.store(dicom.CT, "1.2.6", data) in (0xC000, 0xA900)
            equal(a.store(dicom.CT, "1.2.6", dicom.instance("1.2.6")), 0)


def t_without_data_set():
    with Server() as server:
        with associate(server) as a:
            a.send_message(1, dicom.store_command(9, dicom.CT, "1.2.7", False))
            status, values, _ = a.response()
            equal(status, 0xC000)
            equal(struct.unpack("<H", values[0x0120])[0], 9)
            equal(a.echo(), 0)


def t_mismatches_are_told():
    with Server() as server:
        with associate(server) as a:
            equal(a.store(dicom.CT, "1.2.8.1",
                          dicom.instance("1.2.8.1", sop_class=dicom.MR)),
                  0xB007)
            equal(a.store(dicom.CT, "1.2.8.2", dicom.instance("1.2.8.3")),
                  0xB007)
            long_uid = "1." + "2" * 70
            status = a.store(dicom.CT, long_uid, dicom.instance(long_uid))
            equal(status, 0x0117)
        equal(sorted(u for (u,) in rows(
            server, "select SOPInstanceUID from instance")),
            ["1.2.8.1", "1.2.8.3"])


def t_no_room():
    with Server(settings={"store.reserve": str(1 << 50)}) as server:
        with associate(server) as a:
            equal(a.store(dicom.CT, "1.2.9", dicom.instance("1.2.9")), 0xA700)
            assert a.comment
            equal(a.echo(), 0)
        equal(stored_files(server), {})


def t_broken_off():
    """An association that breaks within an object leaves nothing behind."""
    data = dicom.instance("1.3.1", pixels=bytes(100000))
    with Server() as server:
        for how in ("abort", "close", "release"):
            a = associate(server)
            a.send(dicom.p_data(dicom.pdv(
                1, dicom.store_command(1, dicom.CT, "1.3.1"), True)),
                dicom.p_data(dicom.pdv(1, data[:50000], last=False)))
            if how == "abort":
                a.abort()
            elif how == "release":
                a.send(dicom.RELEASE_RQ)
                a.until_closed()
            a.close()
        server.stop()
        equal(stored_files(server), {})
        equal(os.listdir(os.path.join(server.data, "objects", "tmp")), [])


def t_many_at_once():
    import threading
    failed = []

    def send(k):
        try:
            with associate(server) as a:
                for i in range(25):
                    uid = "1.4.%d.%d" % (k, i)
                    equal(a.store(dicom.CT, uid, dicom.instance(
                        uid, study="1.4.%d" % (i % 3), series="1.5.%d" % k)),
                        0)
        except Exception as e:  # shown below, in the main thread
            failed.append(e)

    with Server() as server:
        threads = [threading.Thread(target=send, args=(k,)) for k in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        equal(failed, [])
        equal(rows(server, "select count(*) from instance"), [(200,)])
        server.stop()
        server.verb("check")


def t_activity_counts():
    with Server() as server:
        with associate(server, calling="COUNTED") as a:
            equal(a.echo(), 0)
            equal(a.store(dicom.CT, "1.6", dicom.instance("1.6")), 0)
            assert a.store(dicom.CT, "1.7", b"nothing") != 0
        server.wait_log("association of 'COUNTED'")
        line = [x for x in server.log().splitlines()
                if "association of 'COUNTED'" in x][0]
        assert "1 echoes, 2 stores (1 failed)" in line, line
        assert "1 instances in" in line, line


if __name__ == "__main__":
    sys.exit(main())
