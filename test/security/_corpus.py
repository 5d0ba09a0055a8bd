"""Texts made to hurt, and what a list must show for them: the portal's
criteria compared by the simplest means there are, against which the index and
its SQL are held."""

import random
import re
import unicodedata

from harness.worklist import letters

# Also as values of studies; at most 16 characters, no backslash (it divides
# values), nothing blank at an end.
STORED = (
    "'", "''", "' OR '1'='1", "\"", "--", "/*x*/", "%", "_", "%%", "a%b", "a_b",
    ";", "';drop table a", "[a-z]*", "(a+)+$", "{", "$1", "?1", ":a", "@a",
    "NULL", "null", "0x27", "<script>", "a*b?c", "*", "?", "Smith", "smith",
    "O'Neil-Smith^Jo", "^^^", "=", "a=b=c", "1", "0", "-1", "1e9", "MATCH",
    "\"a\" OR \"b\"", "a\"b", "NEAR(a b)", "a AND NOT b", "a b c", "a,b",
    "\u00e9t\u00e9", "\u4e2d\u6587", "\u202eabc", "\U0001f600", "{{7*7}}",
    "||'a'", "x' UNION", "0 OR 1", "a\tb", "~", "1~2~3", "#", "&", "+", "a+b",
)
NASTY = STORED + (
    "' or 1=1 --", "\" or 1=1 --", "'; drop table study; --", "') or ('1'='1",
    "' union select 1,2,3 --", "' and sleep(9) --", "1); --", "x'y\"z`w",
    "' || randomblob(1000000000) || '", "like '%", "%' escape '\\", "\\", "\\'",
    "\\\\", "a\\b", "glob '*'", "* *", "**", "*?*", "???", "*a*a*a*a*a*a*a*a*b",
    "'*'", "*'", "%_%", "[", "]", "[]", "[^a]", "a" * 64, "a" * 200, "a" * 256,
    "*" * 200, "?" * 200, "*a" * 100, "^", "=*", "*^*", "^=^", "\x01", "\x7f",
    "\x1b[2J", "a\r\nb", "\u0130", "\u1e9e", "\ufb01", "e\u0301", "\ufeff",
    "\ufffd", "\ufffe", "\u2028", "a\u200bb", "\uff07", "%27", "%00", "%%27",
    "&x=1", "?x", "..", "../..", "/", "//", "|", "`id`", "$(id)", "-", "--x",
    "true", "NaN", "Infinity", "9" * 40, "-9223372036854775808", "0.5",
    "1 1", "a OR b", "NOT a", "\"", "\"\"", "\"a", "a\"", "a*", "*a", "a* b*",
)
FIELDS = ("patient_name", "patient_id", "issuer", "accession", "institution",
          "referring", "description")
PARTS = "^= -,'("


def rare(rng):
    """A text that nobody thought of."""
    pieces = ("'", "\"", "%", "_", "*", "?", "\\", ";", "--", " or ", " and ",
              "^", "=", " ", "a", "A", "smith", "1", "(", ")", "[", "]", "/*",
              "*/", "||", "\u00e9", "\u4e2d", "union select ", "\x02", "~")
    return "".join(rng.choice(pieces) for _ in range(rng.randrange(1, 9)))


def many(count, seed=11):
    rng = random.Random(seed)
    return tuple(rare(rng) for _ in range(count))


MARKS = ((0x300, 0x36f), (0x483, 0x487), (0x591, 0x5bd), (0x64b, 0x65f),
         (0x1ab0, 0x1aff), (0x1dc0, 0x1dff), (0x20d0, 0x20ff),
         (0xfe20, 0xfe2f))


def fold(text):
    """Without case, marks, and spaces that are more than one."""
    text = unicodedata.normalize("NFKD", unicodedata.normalize(
        "NFKD", text).casefold())
    text = "".join(c for c in text if not any(
        a <= ord(c) <= b for a, b in MARKS))
    text = text.translate(letters())
    return re.sub("[\t-\r \x85\xa0\u2000-\u200a\u2028\u2029]+", " ",
                  text).strip(" ")


def wild(pattern, value):
    pattern = re.sub(r"\*+", "*", pattern)
    return re.fullmatch("".join(
        ".*" if c == "*" else "." if c == "?" else re.escape(c)
        for c in pattern), value, re.S) is not None


def has_wild(text):
    return "*" in text or "?" in text


def fits(field, typed, value):
    """Does a study with this value stand in the list? None: that is for other
    tests to say (patterns of names: PS3.4 C.2.2.2.4, test/unit/match.c)."""
    typed = typed.strip(" \t\r\n\x0b\x0c")
    if typed in ("", "*"):
        return True
    if field in ("patient_name", "referring"):
        if has_wild(typed):
            return None
        # What divides names is no part of their words.
        typed = re.sub("[,^=()]", " ", fold(typed)).strip(" ")
        return not typed or name_fits(typed, value)
    if not has_wild(typed):
        typed = typed + "*" if field in ("patient_id", "issuer") \
            else f"*{typed}*"
    return wild(fold(typed), fold(value))


def name_fits(typed, value):
    """Each word begins some part of the name."""
    value = fold(value)
    return all(any(
        value.startswith(word, i) and (i == 0 or value[i - 1] in PARTS)
        for i in range(len(value))) for word in fold(typed).split(" ") if word)
