#!/usr/bin/python3
"""packaging/depends: a package for each library that the program needs, or
it would not start where it is installed."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from harness.runner import Skip, main  # noqa: E402
from harness.server import ROOT, binary  # noqa: E402


def output(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, encoding="utf-8",
                          check=True).stdout


def t_all_libraries_have_their_package():
    if not os.path.exists("/usr/bin/dpkg"):
        raise Skip("no dpkg here")
    named = output(os.path.join(ROOT, "packaging/depends"), binary()).strip()
    wanted = re.findall(r"NEEDED +lib([a-z0-9]+)", output(
        "objdump", "-p", binary()))
    assert "microhttpd" in wanted, wanted
    for name in wanted:
        package = {"z": "zlib", "c": "libc6", "m": "libc6"}.get(
            name, "lib" + name)
        assert package in named, (name, named)


if __name__ == "__main__":
    sys.exit(main())
