"""test/run itself: what it says of programs that fail, hang or end without a
word, and that nothing of them stays."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness.runner import equal, main
from harness.server import ROOT

# Leaves a file and a child that waits for ever.
LITTER = """
import os, subprocess, sys, tempfile
tempfile.mkdtemp()
subprocess.Popen(["sleep", "1000"], stdout=subprocess.DEVNULL,
                 stderr=subprocess.DEVNULL)
print("FAILED t_a\\nok t_b\\nFAILED t_c", flush=True)
"""


def load():
    loader = importlib.machinery.SourceFileLoader(
        "run", os.path.join(ROOT, "test/run"))
    sys.dont_write_bytecode = True
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("run", loader))
    loader.exec_module(module)
    return module


# Fails in the first try: in the second, --only says which.
CROWDED = """
import sys
if "--only" in sys.argv:
    print("1 passed, 0 failed")
    sys.exit(0 if sys.argv[-1] == "t_b" else 1)
print("ok t_a\\nFAILED t_b\\n1 passed, 1 failed")
sys.exit(1)
"""


def outcome(*programs, seconds=60, memory=False, suite="suite"):
    """(status, lines, folders that are left) of Python programs, by text."""
    module = load()
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        run = module.Run([], 2)
        try:
            run.add(suite, [
                module.Job(f"p{i}", [sys.executable, "-c", text], {}, seconds,
                           memory=memory)
                for i, text in enumerate(programs)])
            run.wait()
            run.try_again()
            status = run.end()
        finally:
            run.close()
    return status, out.getvalue().splitlines(), [
        f for f in (run.folders.disk, run.folders.memory)
        if os.path.exists(f)]


def t_all_well():
    for memory in (False, True):
        status, lines, left = outcome(
            "import os\nassert os.listdir(os.environ['TMPDIR']) == []\n"
            "print('2 passed, 0 failed')", "print('3 passed, 0 failed, 1 skipped')",
            memory=memory)
        equal((status, lines[-1], left), (0, "5 passed, 0 failed, 1 skipped", []))
        assert not any(x.startswith("failed:") for x in lines), lines


def t_failures_stand_at_the_end():
    status, lines, left = outcome(
        LITTER + "print('1 passed, 2 failed')\nsys.exit(1)",
        "print('1 passed, 0 failed')\nimport sys; sys.exit(3)",
        "print('words')", "print('4 passed, 0 failed')")
    equal((status, left), (1, []))
    equal(lines[-4:], [
        "failed: suite/p0 t_a t_c",
        "failed: suite/p1 p1: exit status 3",
        "failed: suite/p2 p2: no count in the last line",
        "6 passed, 4 failed"])


def t_what_hangs_is_ended():
    # It must have come to its words before it is ended, however slow it is.
    for seconds in (3, 30, 300):
        status, lines, left = outcome(
            LITTER + "import time; time.sleep(1000)", seconds=seconds)
        equal((status, left), (1, []))
        assert any(f"none after {seconds} s" in x for x in lines), lines
        if "FAILED t_c" in lines:
            break
    equal(lines[-2:], ["failed: suite/p0 t_a t_c", "0 passed, 1 failed"])


def t_what_is_left_behind_holds_nothing_up():
    status, lines, left = outcome(
        "import subprocess\nsubprocess.Popen(['sleep', '1000'])\n"
        "print('1 passed, 0 failed')", seconds=900)
    equal((status, lines[-1], left), (0, "1 passed, 0 failed", []))


def t_second_try():
    status, lines, left = outcome(CROWDED, suite="proto")
    equal((status, left), (0, []))
    equal(lines[-2:], ["unsteady: proto/p0 t_b", "2 passed, 0 failed"])


def t_no_second_try():
    """For what crashed, for what must hold at once, and for many."""
    for suite, *programs in (
            ("crash", CROWDED),
            ("proto", CROWDED.replace("ok t_a", "AddressSanitizer")),
            ("proto", CROWDED, CROWDED, CROWDED, CROWDED)):
        n = len(programs)
        status, lines, _ = outcome(*programs, suite=suite)
        equal((status, lines[-1]), (1, f"{n} passed, {n} failed"))
        assert not any(x.startswith("unsteady") for x in lines), lines


def t_second_failure():
    status, lines, _ = outcome(
        CROWDED.replace('== "t_b"', '== "t_c"'), suite="proto")
    equal((status, lines[-2:]), (
        1, ["failed: proto/p0 t_b", "1 passed, 1 failed"]))


if __name__ == "__main__":
    sys.exit(main())
