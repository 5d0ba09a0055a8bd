"""Import: files, folders, zips and media into the archive, what is refused, and
what is hostile."""

import os
import shutil
import signal
import subprocess
import sys
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness import sample  # noqa: E402
from harness.cli import (Folder, counts, digests, digests_raw,  # noqa: E402
                         objects)
from harness.client import started  # noqa: E402
from harness.runner import Skip, equal, main  # noqa: E402
from harness.server import Server, wait_for  # noqa: E402

# The import works with several threads.
TSAN = True


def t_import_a_tree():
    with Folder() as f:
        paths = sample.study(f("in", "deep", "er"), count=3, series=2)
        with open(f("in", "notes.txt"), "w", encoding="ascii") as text:
            text.write("not an image\n" * 50)
        open(f("in", "empty.dcm"), "wb").close()
        os.symlink("..", f("in", "deep", "loop"))
        os.symlink(paths[0], f("in", "link.dcm"))
        os.mkfifo(f("in", "pipe"))
        done = f.run("import", f("in"))
        equal(done.returncode, 0, done.stderr)
        got = counts(done.stdout)
        equal(got["stored"] + got["already there"], 7)
        equal(got["stored"], 6)
        equal(got["not DICOM, skipped"], 2)
        equal(got["links to folders, not followed"], 1)
        equal(got["refused"], 0)
        equal(digests(objects(f.data)), digests(paths))
        again = counts(f.verb("import", f("in"), f("in")))
        equal((again["stored"], again["already there"]), (0, 14))
        equal(len(objects(f.data)), 6)


def t_import_single_files():
    with Folder() as f:
        good = sample.write(sample.image(), f("a.dcm"))
        with open(f("b.dcm"), "wb") as bad:
            bad.write(b"this is not DICOM at all, whatever its name says")
        with open(good, "rb") as whole, open(f("c.dcm"), "wb") as cut:
            cut.write(whole.read()[:-100])
        done = f.run("import", good, f("b.dcm"), f("c.dcm"), f("absent.dcm"))
        equal(done.returncode, 1)
        equal(counts(done.stdout)["stored"], 1)
        equal(counts(done.stdout)["refused"], 3)
        for name in ("b.dcm", "c.dcm", "absent.dcm"):
            assert any(line.startswith("refused: ") and name in line
                       for line in done.stderr.splitlines()), done.stderr
        equal(digests(objects(f.data)), digests([good]))
        # What looks like elements and is none.
        subprocess.run(["tar", "cf", f("d.tar"), "-C", f.path, "a.dcm"],
                       check=True)
        assert "not a DICOM file" in f.run("import", f("d.tar")).stderr
        # In a folder what is not DICOM is skipped; what is torn is not.
        os.mkdir(f("in"))
        shutil.copy(f("b.dcm"), f("in"))
        equal(counts(f.verb("import", f("in")))["not DICOM, skipped"], 1)
        shutil.copy(f("c.dcm"), f("in"))
        equal(counts(f.verb("import", f("in"), expect=1))["refused"], 1)


def t_import_every_syntax():
    with Folder() as f:
        paths = [
            sample.write(sample.image(study=i), f("in", f"{i}.dcm"), s)
            for i, s in enumerate((sample.EXPLICIT_LITTLE,
                                   sample.IMPLICIT_LITTLE,
                                   sample.EXPLICIT_BIG, sample.DEFLATED))]
        equal(counts(f.verb("import", f("in")))["stored"], 4)
        equal(digests_raw(objects(f.data)), digests_raw(paths))


def t_import_duplicates_by_setting():
    for policy, line in (
            ("quarantine", "differ from what is there, and were kept aside"),
            ("replace", "differ from what was there, and replaced it"),
            ("refuse", None)):
        with Folder() as f:
            one = sample.write(sample.image(), f("one.dcm"))
            two = sample.write(sample.image(PatientComments="other"),
                               f("two.dcm"))
            f.verb("settings", "set", "store.duplicate", policy)
            f.verb("import", one)
            done = f.run("import", two)
            got = counts(done.stdout)
            equal(done.returncode, 1 if line is None else 0)
            equal(got["refused" if line is None else line], 1)
            equal(got["stored"], 0)
            kept = two if policy == "replace" else one
            equal(digests(objects(f.data)), digests([kept]), policy)


def t_import_respects_the_reserve():
    with Folder() as f:
        path = sample.write(sample.image(), f("a.dcm"))
        f.verb("settings", "set", "store.reserve", "1024 TiB")
        done = f.run("import", path)
        equal(done.returncode, 1)
        equal(counts(done.stdout)["stored"], 0)
        equal(objects(f.data), [])


def t_import_a_zip():
    with Folder() as f:
        paths = sample.study(f("in"), count=4)
        inner, absolute = f("inner.zip"), f("absolute", "olute.dcm")
        with zipfile.ZipFile(inner, "w") as z:
            z.write(paths[3], "x.dcm")
        with zipfile.ZipFile(f("a.zip"), "w", zipfile.ZIP_DEFLATED) as z:
            z.write(paths[0], "../../../escape.dcm")
            # write() would take the slash off.
            with open(paths[1], "rb") as whole:
                z.writestr(zipfile.ZipInfo(absolute), whole.read())
            z.write(paths[2], "plain.dcm", zipfile.ZIP_STORED)
            z.writestr("readme.txt", "hello")
            z.writestr("folder/", "")
            z.write(inner, "nested.zip")
        done = f.run("import", f("a.zip"))
        equal(done.returncode, 1)
        got = counts(done.stdout)
        equal(got["stored"], 3)
        equal(got["not DICOM, skipped"], 1)
        equal(got["refused"], 1)
        assert "nested.zip: it is a zip within a zip" in done.stderr
        equal(digests(objects(f.data)), digests(paths[:3]))
        assert not os.path.exists(f("escape.dcm"))
        assert not os.path.exists(absolute)
        # A zip that lies in a folder is read, too.
        os.mkdir(f("folder"))
        shutil.move(inner, f("folder", "inner.bin"))
        equal(counts(f.verb("import", f("folder")))["stored"], 1)


def t_import_a_zip_without_dicom():
    with Folder() as f:
        os.mkdir(f("in"))
        for name in ("text.zip", "in/text.zip"):
            with zipfile.ZipFile(f(name), "w") as z:
                z.writestr("a.txt", "hello")
        with zipfile.ZipFile(f("empty.zip"), "w"):
            pass
        for name in ("text.zip", "empty.zip"):
            done = f.run("import", f(name))
            equal(done.returncode, 1)
            assert "no DICOM file in it" in done.stderr, done.stderr
        # In a folder it is nothing special: documents may be zips.
        f.verb("import", f("in"))


def t_import_damaged_zips():
    with Folder() as f:
        paths = sample.study(f("in"), count=3)
        with zipfile.ZipFile(f("a.zip"), "w", zipfile.ZIP_STORED) as z:
            for p in paths:
                z.write(p, os.path.basename(p))
        with open(f("a.zip"), "rb") as whole:
            data = bytearray(whole.read())
        # One bit within the second file: its checksum tells.
        with zipfile.ZipFile(f("a.zip")) as z:
            at = z.infolist()[1].header_offset + 3000
        data[at] ^= 1
        with open(f("b.zip"), "wb") as damaged:
            damaged.write(data)
        done = f.run("import", f("b.zip"))
        equal(done.returncode, 1)
        equal(counts(done.stdout)["stored"], 2, done.stderr)
        equal(counts(done.stdout)["refused"], 1)
        assert "i0002.dcm" in done.stderr, done.stderr
        # Cut anywhere: ends, and stores only what is whole.
        for cut in (10, 100, len(data) // 2, len(data) - 10):
            with open(f("c.zip"), "wb") as short:
                short.write(data[:cut])
            f.data = f(f"data{cut}")
            f.run("import", f("c.zip"))
            whole = set(digests_raw(paths))
            assert set(digests_raw(objects(f.data))) <= whole


def t_import_encrypted_zip():
    with Folder() as f:
        path = sample.write(sample.image(), f("a.dcm"))
        with zipfile.ZipFile(f("a.zip"), "w") as z:
            z.write(path, "a.dcm")
        with open(f("a.zip"), "rb") as whole:
            data = bytearray(whole.read())
        # Bit 0 of the general purpose flags, in both headers.
        data[6] |= 1
        data[data.rindex(b"PK\1\2") + 8] |= 1
        with open(f("e.zip"), "wb") as locked:
            locked.write(data)
        done = f.run("import", f("e.zip"))
        equal(done.returncode, 1)
        assert "encrypted" in done.stderr, done.stderr
        equal(counts(done.stdout)["stored"], 0)


def t_import_zip_bomb():
    with Folder() as f:
        ds = sample.image(rows=8)
        head = sample.write(ds, f("a.dcm"))
        with open(head, "rb") as whole:
            start = whole.read()[:-4]
        with zipfile.ZipFile(f("a.zip"), "w", zipfile.ZIP_DEFLATED) as z:
            with z.open("bomb.dcm", "w") as out:
                out.write(start)
                for _ in range(100):
                    out.write(bytes(1 << 20))
        done = f.run("import", f("a.zip"))
        equal(done.returncode, 1)
        equal(counts(done.stdout)["stored"], 0)
        # Either cap may speak first: the object's or the zip's.
        assert "refused: " in done.stderr
        equal(objects(f.data), [])


def dicomdir(folder):
    if not shutil.which("dcmmkdir"):
        raise Skip("no dcmmkdir (DCMTK)")
    done = subprocess.run(["dcmmkdir", "-Pgp", "+r", "+id", folder, "+D",
                           os.path.join(folder, "DICOMDIR")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    if done.returncode != 0:
        raise Skip("dcmmkdir: " + done.stdout.decode(errors="replace"))


def medium(f, count=3):
    paths = [sample.write(sample.image(number=n, StudyID="1"),
                          f("disc", "IMAGES", f"IM{n}"))
             for n in range(1, count + 1)]
    dicomdir(f("disc"))
    return paths


def t_import_dicomdir():
    with Folder() as f:
        paths = medium(f)
        # Beside the medium's files, and not named by it.
        sample.write(sample.image(study="stray"), f("disc", "STRAY"))
        got = counts(f.verb("import", f("disc", "DICOMDIR")))
        equal(got["stored"], 3)
        equal(digests(objects(f.data)), digests(paths))
        got = counts(f.verb("import", f("disc")))
        equal((got["stored"], got["already there"]), (1, 3))
        equal(got["DICOMDIR, not stored"], 1)


def t_import_dicomdir_in_lower_case():
    with Folder() as f:
        paths = medium(f)
        before = digests(paths)
        for p in paths:
            os.rename(p, os.path.join(os.path.dirname(p),
                                      os.path.basename(p).lower()))
        os.rename(f("disc", "IMAGES"), f("disc", "images"))
        f.verb("import", f("disc", "DICOMDIR"))
        equal(digests(objects(f.data)), before)


def t_import_dicomdir_with_missing_and_hostile_names():
    with Folder() as f:
        paths = medium(f)
        os.unlink(paths[1])
        secret = sample.write(sample.image(study="secret"), f("OUT"))
        assert os.path.exists(secret)
        for args in ([f("disc", "DICOMDIR")], [f("disc")]):
            done = f.run("import", *args)
            equal(done.returncode, 1)
            equal(counts(done.stdout)["refused"], 1)
            assert "IM2: is named by the DICOMDIR and not there" \
                in done.stderr, done.stderr
        with open(f("disc", "DICOMDIR"), "rb") as whole:
            data = whole.read()
        # The same length: "IMAGES\IM1" becomes "..\OUT    ".
        assert data.count(rb"IMAGES\IM1") == 1
        with open(f("disc", "DICOMDIR"), "wb") as out:
            out.write(data.replace(rb"IMAGES\IM1", b"..\\OUT    "))
        f.data = f("fresh")
        done = f.run("import", f("disc", "DICOMDIR"))
        equal(done.returncode, 1)
        assert "is no file name of a medium" in done.stderr, done.stderr
        equal(digests(objects(f.data)), digests([paths[2]]))


def t_import_leaves_out_the_archive_itself():
    with Folder() as f:
        sample.study(f("tree", "in"), count=2)
        f.data = f("tree", "data")
        f.verb("import", f("tree", "in"))
        got = counts(f.verb("import", f("tree")))
        equal((got["stored"], got["already there"]), (0, 2))


def t_import_hostile_file_names():
    with Folder() as f:
        path = sample.write(sample.image(), f("in", "a.dcm"))
        with open(path, "rb") as whole:
            torn = whole.read()[:-50]
        with open(f("in", "x\033[2J\nrefused: y.dcm"), "wb") as out:
            out.write(torn)
        done = f.run("import", f("in"))
        equal(done.returncode, 1)
        assert "\033" not in done.stderr
        equal(len([x for x in done.stderr.splitlines()
                   if x.startswith("refused: ")]), 1)


def t_import_beside_a_server():
    with Server() as server:
        paths = sample.study(os.path.join(server._folder, "in"), count=5,
                             series=3)
        got = counts(server.verb("import", os.path.dirname(
            os.path.dirname(paths[0]))))
        equal(got["stored"], 15)
        equal(digests(objects(server.data)), digests(paths))
        server.verb("check")


def t_import_stops_and_resumes():
    with Folder() as f:
        paths = sample.study(f("in"), count=60, series=2)
        with started("import", f("in"), "--data", f.data) as child:
            wait_for(lambda: len(objects(f.data)) >= 2, 60, "first objects")
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=120)
        # It may have been faster than the signal.
        assert child.returncode in (0, 1), err
        if child.returncode == 1:
            assert "run it again" in err, err
        stored = counts(out)["stored"]
        equal(len(objects(f.data)), stored)
        got = counts(f.verb("import", f("in")))
        equal(got["already there"], stored)
        equal(got["stored"], 120 - stored)
        equal(digests(objects(f.data)), digests(paths))
        f.verb("check")


if __name__ == "__main__":
    sys.exit(main())
