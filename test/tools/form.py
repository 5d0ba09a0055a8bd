#!/usr/bin/python3
"""tools/layers and tools/lint: every rule has a tree that breaks it, and a
tree that breaks none is silent."""

import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from harness.runner import equal, main  # noqa: E402
from harness.server import ROOT  # noqa: E402

TABLE = """
```
not: the table, a picture
```

```
base:
dicom:   base                  hl7:     base
app:     everything
```
"""
GOOD = {
    "ARCHITECTURE.md": TABLE,
    "src/base/a.h": "/* A. */\n",
    "src/base/a.c": '/* A. */\n#include "base/a.h"\n\n#include <stdio.h>\n',
    "src/dicom/b.c": '#include "base/a.h"\n',
    "src/app/main.c": '#include "base/a.h"\n#include "dicom/c.h"\n',
    "src/dicom/c.h": '#include "base/a.h"\n',
    "src/hl7/d.c":
        'const char *url = "http://x"; /* see http://y */\n'
        "void f(void);\n\nvoid\nf(void)\n{\n" + "\t;\n" * 57 + "}\n"
        "void\ng(void)\n{\n\tprintf(\"%d\", 1);\n"
        "\tprepare(\"SELECT a FROM b WHERE c = ?\");\n}\n",
}


def findings(tool, **changes):
    """What the tool says of the good tree with these files changed."""
    root = tempfile.mkdtemp(prefix="fileroom-tools-")
    try:
        files = dict(GOOD)
        files.update({k.replace("__", "/").replace("_dot_", "."): v
                      for k, v in changes.items()})
        for path, text in files.items():
            path = os.path.join(root, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        style = os.path.join(root, ".clang-format")
        with open(style, "w", encoding="utf-8") as f:
            f.write("DisableFormat: true\nSortIncludes: Never\n"
                    if tool == "lint" else "")
        done = subprocess.run(
            [os.path.join(ROOT, "tools", tool), root],
            stdout=subprocess.PIPE, encoding="utf-8", check=False)
        equal(done.returncode, 1 if done.stdout else 0, "exit status")
        return done.stdout.splitlines()
    finally:
        shutil.rmtree(root)


def t_good_tree_is_silent():
    equal(findings("layers"), [])
    equal(findings("lint"), [])


def t_layers():
    equal(findings("layers", src__base__a_dot_h='#include "dicom/c.h"\n'),
          ["src/base/a.h:1: base must not include dicom"])
    equal(findings("layers", src__hl7__d_dot_c='\n# include "dicom/c.h"\n'),
          ["src/hl7/d.c:2: hl7 must not include dicom"])
    equal(findings("layers", src__new__x_dot_c=""),
          ["src/new:1: ARCHITECTURE.md names no such layer"])


def t_full_paths():
    equal(findings("layers", src__dicom__b_dot_c='#include "c.h"\n'),
          ['src/dicom/b.c:1: "c.h" is not the full path of a file in src'])


def t_own_header_first():
    equal(findings("layers", src__base__a_dot_c="#include <stdio.h>\n"
                   '#include "base/a.h"\n'),
          ['src/base/a.c:1: "base/a.h" must be included first'])


def t_sizes():
    equal(findings("layers", src__hl7__d_dot_c="\n" * 1001),
          ["src/hl7/d.c:1001: 1001 lines, more than 1000"])
    equal(findings("layers", src__hl7__d_dot_c="\n" * 1000), [])
    many = {f"src__hl7__x{i}_dot_c": "" for i in range(20)}
    equal(findings("layers", **many),
          ["src/hl7:1: 21 .c files, more than 20"])


def t_no_table():
    equal(findings("layers", ARCHITECTURE_dot_md="nothing"),
          ["ARCHITECTURE.md:1: no layer table found"])


def t_comments_and_words():
    equal(findings("lint", src__hl7__d_dot_c='int a; // no\n'),
          ["src/hl7/d.c:1: a // comment"])
    equal(findings("lint", test__x_dot_c="\n/* TO" "DO: later */\n"),
          ["test/x.c:2: the word TO" "DO"])


def t_long_function():
    body = "void\nf(void)\n{\n" + "\t;\n" * 58 + "}\n"
    equal(findings("lint", src__hl7__d_dot_c=body),
          ["src/hl7/d.c:2: f() has 61 lines, more than 60"])


def t_built_sql():
    text = ('\nbuf_printf(&b, "SELECT a "\n\t"FROM t WHERE x = (%s)",\n'
            '\tf(1));\n')
    equal(findings("lint", src__hl7__d_dot_c=text),
          ["src/hl7/d.c:2: SQL built by a printf-like call"])
    text = 'snprintf(p, n, "delete from t where a = \'%s\'", x);\n'
    equal(findings("lint", src__hl7__d_dot_c=text),
          ["src/hl7/d.c:1: SQL built by a printf-like call"])


def t_format():
    root = tempfile.mkdtemp(prefix="fileroom-tools-")
    try:
        os.makedirs(os.path.join(root, "src/base"))
        shutil.copy(os.path.join(ROOT, ".clang-format"), root)
        with open(os.path.join(root, "src/base/a.c"), "w",
                  encoding="utf-8") as f:
            f.write("int a;\nint  b;\n")
        done = subprocess.run(
            [os.path.join(ROOT, "tools/lint"), root],
            stdout=subprocess.PIPE, encoding="utf-8", check=False)
        equal(done.stdout, "src/base/a.c:2: clang-format would change this\n")
        equal(done.returncode, 1, "exit status")
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    sys.exit(main())
