"""Worklist items put straight into the archive, many at once, whatever their
values; and the values of a query's answers."""

import functools
import os
import re
import sqlite3
import time
import unicodedata

from harness import dicom
from harness.server import ROOT

STATUS = {"SCHEDULED": 1, "ARRIVED": 2, "STARTED": 3, "COMPLETED": 4,
          "DISCONTINUED": 5, "CANCELED": 6, "HELD": 7}
STEP = 0x00400100


def fields():
    """The names of all fields of an item, in their order."""
    with open(os.path.join(ROOT, "src/hl7/fields.def"),
              encoding="utf-8") as f:
        return re.findall(r'^FIELD\((\w+),\s*"', f.read(), re.M)


@functools.cache
def letters():
    """Letters that Unicode does not take apart."""
    with open(os.path.join(ROOT, "src/base/letters.def"),
              encoding="utf-8") as f:
        return {int(c, 16): text for c, text in
                re.findall(r'^LETTER\((0x\w+), "(.*)"\)', f.read(), re.M)}


def name_key(name):
    """As src/dicom/value.c makes it, for the names of tests."""
    folded = unicodedata.normalize("NFKD", name).casefold()
    folded = folded.translate(letters())
    folded = "".join(c for c in folded
                     if unicodedata.category(c) != "Mn" or ord(c) > 0x3000)
    groups = [g.rstrip("^ ") for g in folded.split("=")]
    return "=".join(groups).rstrip("=")


def put(server, items):
    """items: dictionaries by field, 'status' among them."""
    names = fields()
    now = int(time.time() * 1000)
    rows = []
    for item in items:
        rows.append([STATUS[item.get("status", "SCHEDULED")],
                     name_key(item.get("PatientName", "")), "", "", now, now,
                     *(item.get(n, "") for n in names)])
    db = sqlite3.connect(os.path.join(server.data, "fileroom.db"), timeout=120)
    with db:
        db.executemany(
            "INSERT INTO item (status, name_key, application, facility,"
            " created, changed, %s) VALUES (%s)" % (
                ", ".join(names), ", ".join("?" * (len(names) + 6))), rows)
    db.close()


def clear(server):
    db = sqlite3.connect(os.path.join(server.data, "fileroom.db"), timeout=120)
    with db:
        db.execute("DELETE FROM item")
    db.close()


def sequence(tag, items, syntax=dicom.EXPLICIT_LITTLE):
    """A sequence element: items as lists of (tag, vr, value)."""
    body = b"".join(
        dicom.header(0xFFFEE000, "", len(one), dicom.IMPLICIT_LITTLE) + one
        for one in (dicom.dataset(i, syntax) for i in items))
    return (tag, "SQ", body)


def items_of(value):
    """The items of a sequence's value, as bytes."""
    out, at = [], 0
    while at < len(value):
        length = int.from_bytes(value[at + 4:at + 8], "little")
        out.append(value[at + 8:at + 8 + length])
        at += 8 + length
    return out
