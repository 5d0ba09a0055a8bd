"""A load of stores for the crash tests: threads that send objects until the
server dies, and a ledger of what was acknowledged."""

import hashlib
import os
import random
import threading

from harness import dicom


def make(seed, number):
    """An object of a size between a few hundred bytes and 200 KB; the same
    numbers give the same bytes."""
    rng = random.Random("%s/%s" % (seed, number))
    study = "2.25.%d" % (1000 + number % 7)
    series = "%s.%d" % (study, number % 3)
    uid = "2.25.%d" % rng.getrandbits(100)
    size = rng.choice([10, 2000, 2000, 20000, 200000])
    data = dicom.instance(uid, study=study, series=series,
                          patient="CRASH%d" % (number % 4),
                          pixels=rng.randbytes(size))
    return uid, data


class Load:
    """Threads that store objects number, number + 1, …; acknowledged() are
    those whose success was read."""

    def __init__(self, port, seed, threads=4, first=0, count=None):
        self.port, self.seed = port, seed
        self.lock = threading.Lock()
        self.taken = threading.Event()  # one was acknowledged, or all ended
        self.running = threads
        self.next, self.end = first, None if count is None else first + count
        self.acknowledged = {}
        self.sent = {}
        self.unexpected = []
        self.threads = [threading.Thread(target=self.run)
                        for _ in range(threads)]
        for t in self.threads:
            t.start()

    def take(self):
        with self.lock:
            if self.end is not None and self.next >= self.end:
                return None
            self.next += 1
            return self.next - 1

    def run(self):
        try:
            with dicom.Association(
                    self.port, [(dicom.CT, [dicom.EXPLICIT_LITTLE])]) as a:
                while True:
                    number = self.take()
                    if number is None:
                        return
                    uid, data = make(self.seed, number)
                    digest = hashlib.sha256(data).hexdigest()
                    with self.lock:
                        self.sent[uid] = digest
                    status = a.store(dicom.CT, uid, data)
                    if status != 0:
                        with self.lock:
                            self.unexpected.append((uid, status, a.comment))
                        return
                    with self.lock:
                        self.acknowledged[uid] = digest
                    self.taken.set()
                    # What was acknowledged is sent again now and then: the
                    # answer for it must be as durable.
                    if number % 11 == 0:
                        a.store(dicom.CT, uid, data)
        except (OSError, dicom.Closed, dicom.Aborted):
            pass  # the server was killed: what this test is about
        finally:
            with self.lock:
                self.running -= 1
                if self.running == 0:
                    self.taken.set()

    def join(self):
        for t in self.threads:
            t.join()


def manifest(path, sent):
    with open(path, "w") as f:
        for uid, digest in sent.items():
            f.write("%s %s\n" % (uid, digest))


def fetch_all(port, uids, chunk=200):
    """{uid: sha256} of what C-GET gives for these UIDs."""
    out = {}
    uids = sorted(uids)
    for at in range(0, len(uids), chunk):
        part = uids[at:at + chunk]
        with dicom.Association(
                port, [(dicom.GET_STUDY, [dicom.EXPLICIT_LITTLE]),
                       (dicom.CT, [dicom.EXPLICIT_LITTLE])],
                user=dicom.user_information(
                    more=dicom.role(dicom.CT, False, True))) as a:
            status, _, got = a.get(dicom.GET_STUDY, [
                (0x00080052, "CS", "IMAGE"),
                (0x00080018, "UI", "\\".join(part))])
            assert status in (0, 0xB000), hex(status)
            for uid, _, data in got:
                out[uid] = hashlib.sha256(data).hexdigest()
    return out


def temporary_files(data):
    """Names left in the folder for files being received."""
    folder = os.path.join(data, "objects", "tmp")
    return os.listdir(folder) if os.path.isdir(folder) else []
