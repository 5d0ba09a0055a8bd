"""DCMTK's command-line clients against the server: what they store comes back
bit for bit, what they ask is answered."""

import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import runner, sample
from harness.server import Server

PEER = ["-aec", "FILEROOM", "127.0.0.1"]


def client(server, name, *options, after=(), ok=True):
    command = [name, *options, *PEER, str(server.dicom_port), *after]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120,
                          errors="replace")
    text = done.stdout + done.stderr
    if ok:
        assert done.returncode == 0, "%s: %s" % (" ".join(command), text)
    return text


def find(server, *keys, model="-S"):
    """Answers of findscu, each a dictionary of keyword-less tags to text."""
    options = ["-v", model]
    for key in keys:
        options += ["-k", key]
    answers, now = [], None
    for line in client(server, "findscu", *options).splitlines():
        if "Find Response" in line and "Pending" in line:
            now = {}
            answers.append(now)
        hit = re.match(r"I: *\(([0-9a-f]{4},[0-9a-f]{4})\) \w\w (\[(.*)\]|=\w+|\(no value)", line)
        if hit and now is not None:
            now[hit.group(1)] = (hit.group(3) or "").strip(" \0")
    return answers


def dcmqrti(port, *commands):
    """What DCMTK's interactive client prints."""
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as config:
        config.write(
            "NetworkTCPPort = 1\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
            "HostTable BEGIN\nfileroom = (FILEROOM, 127.0.0.1, %d)\n"
            "HostTable END\nVendorTable BEGIN\nVendorTable END\n"
            "AETable BEGIN\nAETable END\n" % port)
        config.flush()
        done = subprocess.run(
            ["dcmqrti", "-c", config.name, "-rmt", "FILEROOM", "fileroom"],
            input="\n".join([*commands, "quit", ""]), capture_output=True,
            text=True, timeout=120, errors="replace", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def get(server, folder, *keys, options=()):
    os.makedirs(folder, exist_ok=True)
    more = []
    for key in keys:
        more += ["-k", key]
    client(server, "getscu", "-S", "-od", folder, *options, *more)
    return [os.path.join(folder, n) for n in sorted(os.listdir(folder))]


def by_instance(paths):
    import pydicom
    return {str(pydicom.dcmread(p, stop_before_pixels=True).SOPInstanceUID):
            sample.digest(p) for p in paths}


def t_echo():
    with Server() as server:
        client(server, "echoscu")


def t_echo_refused_called_ae():
    with Server() as server:
        done = subprocess.run(
            ["echoscu", "-aec", "SOMEONE", "127.0.0.1",
             str(server.dicom_port)], capture_output=True, text=True)
        assert done.returncode != 0
        assert "Called AE Title Not Recognized" in done.stdout + done.stderr


def t_store_and_get_bit_for_bit():
    # getscu proposes explicit VR even when it is told to take implicit only
    options = {sample.EXPLICIT_LITTLE: "-xe", sample.EXPLICIT_BIG: "-xb"}
    receive = {sample.EXPLICIT_LITTLE: "+xe", sample.EXPLICIT_BIG: "+xb"}
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        for syntax, option in options.items():
            paths = [sample.write(
                sample.image(study=syntax, number=n),
                os.path.join(tmp, syntax, "%d.dcm" % n), syntax)
                for n in range(1, 4)]
            client(server, "storescu", option, after=paths)
            back = get(server, os.path.join(tmp, "back" + syntax),
                       "QueryRetrieveLevel=STUDY",
                       "StudyInstanceUID=" + sample.uid("study", syntax),
                       options=["+B", receive[syntax]])
            assert by_instance(back) == by_instance(paths), syntax


def t_get_converts_among_uncompressed():
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        path = sample.write(sample.image(), os.path.join(tmp, "a", "a.dcm"),
                            sample.IMPLICIT_LITTLE)
        client(server, "storescu", "-xi", after=[path])
        back = get(server, os.path.join(tmp, "back"),
                   "QueryRetrieveLevel=STUDY",
                   "StudyInstanceUID=" + sample.uid("study", "a"),
                   options=["+xe"])
        assert len(back) == 1
        import pydicom
        ours, theirs = pydicom.dcmread(back[0]), pydicom.dcmread(path)
        assert ours.PixelData == theirs.PixelData
        assert ours.PatientName == theirs.PatientName


def t_store_recursive_folder():
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        sample.study(tmp, count=6, series=3, study="deep")
        client(server, "storescu", "+sd", "+r", after=[tmp])
        answers = find(server, "QueryRetrieveLevel=SERIES",
                       "StudyInstanceUID=" + sample.uid("study", "deep"),
                       "SeriesInstanceUID", "SeriesNumber",
                       "NumberOfSeriesRelatedInstances")
        assert sorted(a["0020,0011"] for a in answers) == ["1", "2", "3"]
        assert {a["0020,1209"] for a in answers} == {"6"}


def t_store_with_few_and_with_combined_contexts():
    """-R proposes only what the files need, +C all syntaxes of a class in one
    context."""
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        for n, option in enumerate(("-R", "+C")):
            name = "ctx%d" % n
            paths = [sample.write(sample.image(
                study=name, series=i + 1, sop_class=c, modality=m),
                os.path.join(tmp, name, "%d.dcm" % i))
                for i, (c, m) in enumerate(
                    ((sample.CT, "CT"), (sample.MR, "MR"),
                     (sample.SC, "OT")))]
            client(server, "storescu", option, after=paths)
            answers = find(server, "QueryRetrieveLevel=STUDY",
                           "StudyInstanceUID=" + sample.uid("study", name),
                           "ModalitiesInStudy",
                           "NumberOfStudyRelatedInstances")
            assert [a["0020,1208"] for a in answers] == ["3"], answers
            assert set(answers[0]["0008,0061"].split("\\")) == {
                "CT", "MR", "OT"}, answers


COMPRESSED = {
    "dcmcjpeg": (["+e1"], "-xs", "+xs"),
    "dcmcjpeg +eb": (["+eb"], "-xy", "+xy"),
    "dcmcjpls": (["+el"], "-xt", "+xt"),
    "dcmcrle": ([], "-xr", "+xr"),
}


def t_store_compressed_bit_for_bit():
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        for tool, (more, propose, accept) in COMPRESSED.items():
            name = re.sub(r"\W", "", tool)
            ds = sample.image(study=name)
            if "+eb" in tool:
                ds.BitsAllocated = ds.BitsStored = 8
                ds.HighBit = 7
                ds.PixelData = ds.PixelData[:64 * 64]
            plain = sample.write(ds, os.path.join(tmp, name, "plain.dcm"))
            packed = os.path.join(tmp, name, "packed.dcm")
            same = ["+un"] if "cj" in tool else []
            subprocess.run([tool.split()[0], *more, *same, plain, packed],
                           check=True, capture_output=True)
            client(server, "storescu", propose, after=[packed])
            back = get(server, os.path.join(tmp, name, "back"),
                       "QueryRetrieveLevel=STUDY",
                       "StudyInstanceUID=" + sample.uid("study", name),
                       options=["+B", accept])
            assert by_instance(back) == by_instance([packed]), tool


def t_store_deflated():
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        path = sample.write(sample.image(study="z"),
                            os.path.join(tmp, "z", "z.dcm"), sample.DEFLATED)
        client(server, "storescu", "-xd", after=[path])
        answers = find(server, "QueryRetrieveLevel=STUDY", "PatientName",
                       "StudyInstanceUID=" + sample.uid("study", "z"))
        assert [a["0010,0010"] for a in answers] == ["Sample^One"]


def t_dcmsend():
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        sample.study(tmp, count=8, study="sent")
        client(server, "dcmsend", "+sd", "+r", after=[tmp])
        answers = find(server, "QueryRetrieveLevel=IMAGE", "SOPInstanceUID",
                       "StudyInstanceUID=" + sample.uid("study", "sent"),
                       "SeriesInstanceUID=" + sample.uid("series", "sent", 1),
                       "InstanceNumber")
        assert sorted(int(a["0020,0013"]) for a in answers) == list(range(1, 9))


def t_find_keys():
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        people = [("P1", "M\u00fcller^J\u00fcrgen", "20250101"),
                  ("P2", "Muller^Anna", "20250201"),
                  ("P3", "Smith^John", "20250301")]
        paths = [sample.write(
            sample.image(patient=p, name=n, study=p, date=d,
                         charset="ISO_IR 100"),
            os.path.join(tmp, p, "x.dcm")) for p, n, d in people]
        client(server, "storescu", after=paths)

        def ids(*keys, level="STUDY", model="-S"):
            return sorted(a["0010,0020"] for a in find(
                server, "QueryRetrieveLevel=" + level, "PatientID", *keys,
                model=model))

        assert ids() == ["P1", "P2", "P3"]
        assert ids("PatientName=muller*") == ["P1", "P2"]
        assert ids("PatientName=SMITH^JOHN") == ["P3"]
        assert ids("PatientName=*^J*") == ["P1", "P3"]
        assert ids("StudyDate=20250115-20250215") == ["P2"]
        assert ids("StudyDate=-20250201") == ["P1", "P2"]
        assert ids("StudyDate=20250201-") == ["P2", "P3"]
        assert ids("AccessionNumber=ACCP3") == ["P3"]
        assert ids("AccessionNumber=ACCP?") == ["P1", "P2", "P3"]
        assert ids("PatientID=P9") == []
        assert ids("StudyInstanceUID=%s\\%s" % (
            sample.uid("study", "P1"), sample.uid("study", "P3"))) == [
                "P1", "P3"]
        assert ids("PatientBirthDate=19700131", level="PATIENT",
                   model="-P") == ["P1", "P2", "P3"]
        assert ids("ModalitiesInStudy=CT") == ["P1", "P2", "P3"]
        assert ids("ModalitiesInStudy=MR") == []


def t_find_by_every_model():
    """The walk of an interactive client (dcmqrti): from patients down to
    images, each level with the unique keys above; all three models."""
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        paths = [sample.write(
            sample.image(patient="W%d" % p, name="Walk^%d" % p, study="w%d" % p,
                         series=s, number=n),
            os.path.join(tmp, "%d%d%d.dcm" % (p, s, n)))
            for p in (1, 2) for s in (1, 2) for n in (1, 2, 3)]
        client(server, "storescu", after=paths)

        def walk(model, level, *keys):
            return find(server, "QueryRetrieveLevel=" + level, *keys,
                        model=model)

        for model in ("-P", "-O"):
            got = walk(model, "PATIENT", "PatientName=*", "PatientID",
                       "PatientBirthDate", "PatientSex",
                       "NumberOfPatientRelatedStudies",
                       "NumberOfPatientRelatedSeries",
                       "NumberOfPatientRelatedInstances")
            assert sorted(a["0010,0020"] for a in got) == ["W1", "W2"], got
            assert [a["0020,1200"] + a["0020,1202"] + a["0020,1204"]
                    for a in got] == ["126", "126"], got
        for model in ("-P", "-S", "-O"):
            got = walk(model, "STUDY", "PatientID=W2", "StudyDate",
                       "StudyTime", "StudyID", "AccessionNumber",
                       "StudyDescription", "StudyInstanceUID",
                       "NumberOfStudyRelatedSeries",
                       "NumberOfStudyRelatedInstances")
            assert [a["0020,000d"] for a in got] == [
                sample.uid("study", "w2")], got
            assert got[0]["0020,1206"] + got[0]["0020,1208"] == "26", got
        study = "StudyInstanceUID=" + sample.uid("study", "w2")
        for model in ("-P", "-S"):
            got = walk(model, "SERIES", "PatientID=W2", study, "Modality",
                       "SeriesNumber", "SeriesInstanceUID",
                       "NumberOfSeriesRelatedInstances", "ProtocolName")
            assert sorted(a["0020,0011"] for a in got) == ["1", "2"], got
            got = walk(model, "IMAGE", "PatientID=W2", study,
                       "SeriesInstanceUID=" + sample.uid("series", "w2", 2),
                       "InstanceNumber", "SOPInstanceUID", "Rows",
                       "PhotometricInterpretation", "ImageType")
            assert sorted(a["0020,0013"] for a in got) == ["1", "2", "3"], got
            assert {a["0028,0004"] for a in got} == {"MONOCHROME2"}, got
            assert {a["0008,0008"] for a in got} == {
                "ORIGINAL\\PRIMARY\\AXIAL"}, got


def t_find_in_sequences_and_files():
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        from pydicom.dataset import Dataset
        paths = []
        for n in (1, 2):
            item = Dataset()
            item.ScheduledProcedureStepID = "SPS%d" % n
            item.RequestedProcedureID = "RP"
            paths.append(sample.write(sample.image(
                study="q%d" % n, RequestAttributesSequence=[item],
                OperatorsName="Weiß^Änne", charset="ISO_IR 100",
                PatientAge="04%dY" % n), os.path.join(tmp, "%d.dcm" % n)))
        client(server, "storescu", after=paths)
        step = "RequestAttributesSequence[0].ScheduledProcedureStepID"
        got = find(server, "QueryRetrieveLevel=SERIES", "StudyInstanceUID",
                   step + "=*2")
        assert [a["0020,000d"] for a in got] == [sample.uid("study", "q2")]
        assert got[0]["0040,0009"] == "SPS2", got
        assert "0040,1001" not in got[0], got
        got = find(server, "QueryRetrieveLevel=STUDY", "StudyInstanceUID",
                   "PatientAge=041Y")
        assert [a["0020,000d"] for a in got] == [sample.uid("study", "q1")]
        got = find(server, "QueryRetrieveLevel=SERIES", "OperatorsName=weiss*",
                   "SpecificCharacterSet=ISO_IR 192")
        assert len(got) == 2, got
        assert {a["0008,0005"] for a in got} == {"ISO_IR 192"}, got


def t_dcmqrti():
    """Its echo, and its queries at study, series and image level."""
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        client(server, "storescu", after=sample.study(
            tmp, count=3, series=2, study="q1", patient="QRTI"))
        text = dcmqrti(server.dicom_port, "echo", "study", "study 0",
                       "series", "series 0", "image")
        assert "Complete [Status: Success]" in text, text
        assert "QRTI" in text and "1 Studies in Database" in text, text
        assert "2 Series in Study" in text, text
        assert "3 Images in CT Series" in text, text


def t_find_cancel():
    with Server() as server, tempfile.TemporaryDirectory() as tmp:
        for n in range(30):
            sample.write(sample.image(study="c%d" % n),
                         os.path.join(tmp, "c%d.dcm" % n))
        client(server, "storescu", "+sd", after=[tmp])
        text = client(server, "findscu", "-v", "-S", "--cancel", "1", "-k",
                      "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID",
                      ok=False)
        assert "Cancel" in text, text
        client(server, "echoscu")


if __name__ == "__main__":
    sys.exit(runner.main())
