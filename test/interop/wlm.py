"""worklist-find against DCMTK's worklist server (wlmscpfs): entries in all
letters are shown and imported, a second time none is."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import exams, runner
from harness.runner import equal
from harness.server import Server, free_port, shared, wait_for

NAMES = [
    ("", "Doe^Jane"), ("ISO_IR 100", "Buc^Jérôme"),
    ("ISO_IR 101", "Wałęsa^Lech"), ("ISO_IR 144", "Люкceмбypг"),
    ("ISO_IR 126", "Διονυσιος"), ("ISO_IR 127", "قباني^لنزار"),
    ("ISO_IR 138", "שרון^דבורה"), ("ISO_IR 148", "Çavuşoğlu"),
    ("ISO_IR 192", "Wang^XiaoDong=王^小东"), ("GB18030", "王^小东"),
    ("ISO 2022 IR 6\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎"),
    ("ISO 2022 IR 6\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞"),
]


def write_entry(path, number, charset, name):
    import pydicom
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.sequence import Sequence
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.276.0.7230010.3.1.0.1"
    meta.MediaStorageSOPInstanceUID = "1.2.9.%d" % number
    ds = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    if charset:
        ds.SpecificCharacterSet = charset.split("\\")
    ds.PatientName, ds.PatientID = name, "P%d" % number
    ds.PatientBirthDate, ds.PatientSex = "19510224", "F"
    ds.AccessionNumber = "A%d" % number
    ds.StudyInstanceUID = "1.2.8.%d" % number
    ds.RequestedProcedureID = "R%d" % number
    ds.RequestedProcedureDescription = "Head"
    ds.RequestedProcedurePriority = "LOW"
    ds.PatientWeight = None
    step = Dataset()
    step.Modality = "CT" if number % 2 else "MR"
    step.ScheduledStationAETitle = "AE%d" % number
    step.ScheduledProcedureStepStartDate = "202601%02d" % (number + 1)
    step.ScheduledProcedureStepStartTime = "101112"
    step.ScheduledPerformingPhysicianName = "Smith^Ann"
    step.ScheduledProcedureStepDescription = "Head"
    step.ScheduledProcedureStepID = "S%d" % number
    step.ScheduledStationName = "Room 1"
    step.ScheduledProcedureStepLocation = "Cellar"
    ds.ScheduledProcedureStepSequence = Sequence([step])
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.save_as(path, write_like_original=False)


class Wlm:
    """wlmscpfs with a folder of entries for the AE title OFFIS."""

    def __init__(self):
        self.program = shutil.which("wlmscpfs")
        if self.program is None:
            raise runner.Skip("wlmscpfs is not installed")
        self.tmp = tempfile.mkdtemp()
        self.entries = os.path.join(self.tmp, "OFFIS")
        os.mkdir(self.entries)
        open(os.path.join(self.entries, "lockfile"), "w").close()
        self.port = free_port()
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(
            [self.program, "-csk", "-dfp", self.tmp, str(self.port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.listens, 60, "wlmscpfs")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.tmp)

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False

    def node(self):
        return "OFFIS@127.0.0.1:%d" % self.port


def names(server):
    return [name for (name,) in exams.rows(
        server, "select PatientName from item order by PatientID + 0, "
        "length(PatientID), PatientID")]


def t_import():
    wlm = Wlm()
    for number, (charset, name) in enumerate(NAMES):
        write_entry(os.path.join(wlm.entries, "%d.wl" % number), number,
                    charset, name)
    with wlm, Server() as server:
        shown = server.verb("worklist-find", wlm.node())
        for _, name in NAMES:
            assert name in shown, (name, shown)
        done = server.run("worklist-find", wlm.node(), "--import")
        equal(done.returncode, 0, done.stderr)
        assert "%d imported, 0 here already" % len(NAMES) in done.stderr
        equal(names(server), [name for _, name in NAMES])
        done = server.run("worklist-find", wlm.node(), "--import")
        assert "0 imported, %d here already" % len(NAMES) in done.stderr
        equal(len(names(server)), len(NAMES))


def t_keys():
    wlm = Wlm()
    for number, (charset, name) in enumerate(NAMES):
        write_entry(os.path.join(wlm.entries, "%d.wl" % number), number,
                    charset, name)
    with wlm, Server() as server:
        for args, want in (
                (["--modality", "MR"], 6), (["--patient", "P3"], 1),
                (["--station", "AE4"], 1), (["--accession", "A1"], 1),
                (["--name", "Doe*"], 1), (["--from", "2026-01-10"], 3),
                (["--from", "2026-01-02", "--to", "2026-01-04"], 3),
                (["--birth-date", "1951-02-24", "--max", "2"], 2),
                (["RequestedProcedureID=R5"], 1), (["--today"], 0)):
            done = server.run("worklist-find", wlm.node(), *args)
            equal(done.returncode, 0, done.stderr)
            said = "%d answer%s" % (want, "" if want == 1 else "s")
            assert done.stderr.startswith(said), (args, done.stderr)


def t_the_entries_of_dcmtk():
    folder = shared("data", "worklist", "DCMTK+dcmtk", "dcmwlm", "data",
                    "wlistdb", "OFFIS")
    if folder is None or not shutil.which("dump2dcm"):
        raise runner.Skip("its entries are not here")
    wlm = Wlm()
    for n in sorted(os.listdir(folder)):
        subprocess.run(["dump2dcm", "-q", os.path.join(folder, n),
                        os.path.join(wlm.entries, n[:-5] + ".wl")],
                       check=True)
    with wlm, Server() as server:
        done = server.run("worklist-find", wlm.node(), "--import")
        assert "10 imported, 0 here already" in done.stderr, done.stderr
        equal(exams.rows(
            server, "select ScheduledStationAETitle, Modality, PatientID,"
            " RequestedProcedureID from item where AccessionNumber = '00000'"),
            [("AA32\\AA33", "MR", "AV35674", "RP454G234")])


if __name__ == "__main__":
    sys.exit(runner.main())
