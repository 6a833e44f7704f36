"""What is wrong with a spec: where, which key, what and why, and the cheapest ways out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell the writer of a spec.

    *line* and *column* count from 1; both are 0 where the file as a whole is meant. *key* is dotted
    (`database.tier`), "" for the file. Only errors fail; a warning is said and passed over.
    """

    file: str
    line: int
    column: int
    key: str
    message: str
    way_out: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        file = _legible(self.file)
        place = f"{file}:{self.line}:{self.column}" if self.line else file
        word = "" if self.severity == "error" else "warning: "
        key = f"{_legible(self.key)}: " if self.key else ""
        way = f"\n    way out: {_legible(self.way_out)}" if self.way_out else ""
        return f"{place}: {word}{key}{_legible(self.message)}{way}"


LONGEST = 2000
"""Characters of a sentence; longer ones quote what nobody reads."""


def _legible(text: str) -> str:
    """*text* at a length to be read, with nothing in it that a terminal would obey."""
    short = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return short if short.isprintable() else json.dumps(short)[1:-1]


@dataclass(frozen=True, slots=True)
class Problem:
    """What a rule found, before it is known where that stands.

    *keys* are the dotted keys that it comes from; the first is the one to point at. A problem is dropped when
    one of them is wrong by itself, so that one mistake is told once.
    """

    keys: tuple[str, ...]
    message: str
    ways_out: tuple[str, ...] = ()
    severity: Severity = "error"


class Place(NamedTuple):
    """Where something stands: *line* and *column* of *file* count from 1."""

    file: str
    line: int
    column: int


class UnreadableError(Exception):
    """The file cannot be read as YAML at all; *findings* say why. Never leaves this package."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__(*findings)
        self.findings = findings


Path = tuple[str | int, ...]


def dotted(path: Path) -> str:
    """A path of keys and list positions as one word: `auth.invokers.0`."""
    return ".".join(str(part) for part in path)


def parents(key: str) -> Iterator[str]:
    """*key* itself, then every section around it, innermost first, without the file's top level."""
    while key:
        yield key
        key = key.rpartition(".")[0]
