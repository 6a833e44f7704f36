"""What an unquoted YAML value means, where YAML 1.1 and 1.2 agree; where they do not, it is refused.

PyYAML and many older tools read YAML 1.1, editors and newer tools 1.2. A spec that means one thing in the
reviewer's editor and another here is a trap, so both readings must be the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Plain = None | bool | int | float | str

INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+([eE][-+][0-9]+)?)")
BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
NULLS = frozenset({"", "~", "null", "Null", "NULL"})

LONGEST_NUMBER = 18
"""Digits. Longer numbers lose digits in other YAML and JSON readers; no key here needs one."""


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """A value that YAML readers disagree about: why, and how to write what is meant."""

    message: str
    way_out: str


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _yes_no(text: str) -> Ambiguous:
    meant = "true" if text.lower() in {"yes", "on"} else "false"
    message = f"{text} is a boolean to YAML 1.1 and a word to YAML 1.2"
    return Ambiguous(message, f"write {meant} for the boolean, {_quoted(text)} for the word")


def _octal(text: str) -> Ambiguous:
    digits = text.lstrip("+-").lstrip("0_").replace("_", "") or "0"
    message = f"{text} begins with a zero: base 8 to YAML 1.1, base 10 to YAML 1.2"
    return Ambiguous(message, f"write {digits} for the number, {_quoted(text)} for the text")


def _sexagesimal(text: str) -> Ambiguous:
    message = f"{text} may be read as a number in base 60 (YAML 1.1 turns 13:00 into 780)"
    return Ambiguous(message, f"quote it: {_quoted(text)}")


def _only_one(text: str) -> Ambiguous:
    message = f"{text} is a number to one version of YAML and a word to the other"
    return Ambiguous(message, f"write the number plainly, or {_quoted(text)} for the text")


def _date(text: str) -> Ambiguous:
    return Ambiguous(f"{text} is a date to YAML 1.1 and a word to YAML 1.2", f"quote it: {_quoted(text)}")


def _too_long(text: str) -> Ambiguous:
    return Ambiguous(
        f"is a number of {len(text)} digits, which other readers would round",
        "quote it if it is text, or check the number",
    )


# The patterns are PyYAML's and YAML 1.2's implicit types, minus what both read alike.
TRAPS = (
    (re.compile(r"(?i:yes|no|on|off)"), _yes_no),
    (re.compile(r"[-+]?0[0-9_]+"), _octal),
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"), _sexagesimal),
    (re.compile(r"[-+]?0(b[01_]+|x[0-9a-fA-F_]+|o[0-7]+)"), _only_one),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?"), _only_one),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), _only_one),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?"), _date),
)


def resolve(text: str) -> Plain | Ambiguous:
    """The value of an unquoted scalar, or why it has none."""
    if text in NULLS:
        return None
    if text in BOOLEANS:
        return BOOLEANS[text]
    if INTEGER.fullmatch(text):
        return int(text) if len(text) <= LONGEST_NUMBER else _too_long(text)
    if FLOAT.fullmatch(text):
        return float(text) if len(text) <= LONGEST_NUMBER else _too_long(text)
    for pattern, explain in TRAPS:
        if pattern.fullmatch(text):
            return explain(text)
    return text
