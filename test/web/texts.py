"""The catalogues of texts: each language has every text of the pages, with the
same values to be filled in, and there is no text that no page uses."""

import glob
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from harness.runner import equal, main
from harness.server import ROOT

WEB = os.path.join(ROOT, "src/web")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def catalogue(path):
    """{key: what stands behind it, without comments}"""
    text = re.sub(r"^\t*//.*\n", "", read(path), flags=re.M)
    body = text[re.search(r"^export const .*\{$", text, re.M).end():]
    body = body[:body.index("\n}")]
    found = re.findall(r"^\t(\w+):(.*?)(?=^\t\w+:|\Z)", body, re.M | re.S)
    assert len(found) == len({key for key, _ in found}), path
    return dict(found)


def catalogues():
    found = {os.path.basename(p)[:-3]: catalogue(p)
             for p in glob.glob(os.path.join(WEB, "ui/text/*.ts"))}
    assert {"en", "de", "el"} <= set(found), found.keys()
    assert len(found["en"]) > 200, len(found["en"])
    return found


def t_same_keys_and_values():
    found = catalogues()
    for language, texts in found.items():
        equal(set(texts), set(found["en"]), language)
        for key, text in texts.items():
            values = set(re.findall(r"\{(\w+)\}", text))
            wanted = set(re.findall(r"\{(\w+)\}", found["en"][key]))
            equal(values, wanted, f"{language} {key}")
            assert re.search(r"'[^']", text), (language, key)
            if "other:" in text:
                assert "one:" in text, (language, key)


def t_all_are_used():
    pages = "".join(
        read(p) for p in glob.glob(os.path.join(WEB, "**"), recursive=True)
        if p.endswith((".ts", ".tsx", ".html", ".c"))
        and "/text/" not in p and "node_modules" not in p)
    begins = set(re.findall(r"`(\w+_)\$\{", pages))
    for key in catalogues()["en"]:
        assert re.search(rf"['\"]{key}\\?['\"]", pages) or any(
            key.startswith(b) for b in begins), f"no page says {key}"


def t_languages_are_not_mixed():
    """What is the same as in English is a name, or was forgotten."""
    found = catalogues()
    same = {"product", "number", "link", "zip", "full_name",
            "role_admin", "person", "protocol_dicom", "protocol_hl7",
            "protocol_web", "browser", "details"}
    for language in ("de", "el"):
        for key, text in found[language].items():
            text = re.sub(r"\s", "", text)
            if text == re.sub(r"\s", "", found["en"][key]):
                assert key in same, (language, key, text)
    for key, text in found["el"].items():
        left = re.sub(r"\{\w+\}|\b(one|other|Fileroom|DICOM|HL7|PDF|QR|API|IP|"
                      r"UID|UTC|AE|[Zz]ip|Ctrl|C|CT|MR|Authorization|Bearer|Email|"
                      r"token)\b", "", text)
        assert not re.search(r"[A-Za-z]", left), (key, left)


if __name__ == "__main__":
    sys.exit(main())
