"""One spec, several environments: a spec with the bases that it extends, read as one.

Sections are merged key by key; lists and plain values replace; `null` takes what a base says out again, so that the
schema's default holds. Every value remembers the file and line that it comes from.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path as FilePath

from reconciler.spec.finding import Finding, Path, UnreadableError, dotted
from reconciler.spec.source import read_text
from reconciler.spec.tree import parse
from reconciler.spec.values import Reading, Value, read_values

KEY: Path = ("extends",)
DEEPEST = 8
"""Bases of bases. Nobody finds his way through more."""


def read_whole(file: str) -> Reading:
    """The spec *file* merged over its bases, findings included. Raises UnreadableError."""
    return _read(file, ())


def _read(file: str, above: tuple[str, ...]) -> Reading:
    text, findings = read_text(FilePath(file), file)
    root, more = parse(text, file)
    reading = read_values(root, file)
    reading.findings = [*findings, *_with_keys(more, reading), *reading.findings]
    base = reading.value.get("extends") if isinstance(reading.value, dict) else None
    if isinstance(base, str) and base and base.isprintable() and KEY not in reading.bad:
        _extend(reading, base, above)
    return reading


def _with_keys(findings: list[Finding], reading: Reading) -> list[Finding]:
    """Findings of the parser, which knows lines, with the key that stands there."""
    keys = {(place.line, place.column): dotted(path) for path, place in reading.values.items()}
    return [
        Finding(
            f.file, f.line, f.column, keys.get((f.line, f.column), f.key), f.message, f.way_out, f.severity
        )
        for f in findings
    ]


def _extend(reading: Reading, written: str, above: tuple[str, ...]) -> None:
    """Put the base *written* below *reading*; what is wrong with it is a finding, in the base's file or at the key."""
    file = os.path.normpath(os.path.join(os.path.dirname(reading.file), written))  # noqa: PTH118, PTH120 -- as written
    chain = (*above, os.path.realpath(reading.file))
    if os.path.realpath(file) in chain:
        _complain(reading, f"{written} extends this file itself", "break the circle")
        return
    if len(chain) > DEEPEST:
        _complain(reading, f"is the base of more than {DEEPEST} bases", "merge some of them")
        return
    try:
        base = _read(file, chain)
    except UnreadableError as unreadable:
        first = unreadable.findings[0]
        if first.line:
            reading.findings += unreadable.findings
            reading.bad.add(KEY)
        else:
            way = f"the path counts from the folder of {reading.file}"
            _complain(reading, f"{written} {first.message}", way)
        return
    if not isinstance(base.value, dict):
        _complain(reading, f"{written} is not a mapping of keys to values", "name a spec")
        return
    _merge(reading, base)


def _complain(reading: Reading, message: str, way_out: str) -> None:
    place = reading.values[KEY]
    reading.findings.append(Finding(place.file, place.line, place.column, dotted(KEY), message, way_out))
    reading.bad.add(KEY)


def _merge(reading: Reading, base: Reading) -> None:
    """Let *reading* say what *base* says wherever it is silent."""
    reading.files = (*reading.files, *base.files)
    reading.findings += base.findings
    kept: set[Path] = set()
    reading.value = _merged(reading.value, base.value, (), _Merge(reading, base, kept))
    for path in kept:
        reading.values.setdefault(path, base.values[path])
        if path in base.keys:
            reading.keys.setdefault(path, base.keys[path])
    reading.bad |= {path for path in base.bad if path in kept or path[:-1] in kept}


@dataclass(frozen=True, slots=True)
class _Merge:
    """What is merged: *reading* over *base*; the paths of what comes from the base are put into *kept*."""

    reading: Reading
    base: Reading
    kept: set[Path]


def _merged(over: Value, under: Value, path: Path, merge: _Merge) -> Value:
    """What *over* and *under*, which both stand at *path*, come to."""
    if not (isinstance(over, dict) and isinstance(under, dict)) or path in merge.reading.bad:
        return over
    found: dict[str, Value] = {}
    for name, value in over.items():
        here = (*path, name)
        if name not in under:
            found[name] = value
        elif value is None:
            merge.reading.keys.pop(here, None)
            merge.reading.values.pop(here, None)
        else:
            found[name] = _merged(value, under[name], here, merge)
    for name, value in under.items():
        if name in over:
            continue
        found[name] = value
        here = (*path, name)
        merge.kept.update(inner for inner in merge.base.values if inner[: len(here)] == here)
    return found
