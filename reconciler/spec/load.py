"""From a YAML file to a deployment, or to everything that is wrong with it.

Imports nothing but the standard library, PyYAML and jsonschema, so that checking a spec is quick.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, cast, get_args, get_origin, get_type_hints

from reconciler.errors import SpecInvalid
from reconciler.model import Origin
from reconciler.spec import schema as contract
from reconciler.spec.deployment import Deployment
from reconciler.spec.extend import read_whole
from reconciler.spec.finding import Finding, Path, Problem, UnreadableError, dotted, parents
from reconciler.spec.rules import problems
from reconciler.spec.values import Reading
from reconciler.spec.variables import substituted


def load(path: str | os.PathLike[str]) -> Deployment:
    """The deployment that the spec at *path* describes. Raises SpecInvalid with every finding."""
    deployment, findings = read(path)
    if deployment is None:
        raise invalid(findings)
    return deployment


def check(path: str | os.PathLike[str]) -> list[Finding]:
    """Everything there is to say about the spec at *path*, in the file's order; warnings too."""
    return read(path)[1]


def invalid(findings: Iterable[Finding]) -> SpecInvalid:
    """The error for *findings*, of which at least one is an error; warnings are left out."""
    errors = [str(finding) for finding in findings if finding.severity == "error"]
    count = f"{len(errors)} thing{'s are' if len(errors) > 1 else ' is'} wrong with the spec"
    return SpecInvalid("\n".join([f"{count}:", *errors]))


def read(path: str | os.PathLike[str]) -> tuple[Deployment | None, list[Finding]]:
    """The deployment, None if the spec has errors, and all findings in the file's order.

    Whatever the file holds, this does not raise.
    """
    seen = look(path)
    return seen.deployment, seen.findings


@dataclass(frozen=True, slots=True)
class Seen:
    """What a spec came to: the *deployment*, None if it has errors; every finding; what its files say together."""

    deployment: Deployment | None
    findings: list[Finding]
    reading: Reading | None


def files_of(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The spec's own file and those of its bases. Raises SpecInvalid where one cannot be read."""
    try:
        return read_whole(os.fspath(path)).files
    except UnreadableError as unreadable:
        raise invalid(unreadable.findings) from unreadable


def look(path: str | os.PathLike[str]) -> Seen:
    """Everything about the spec at *path*. Whatever the file holds, this does not raise."""
    try:
        reading = read_whole(os.fspath(path))
    except UnreadableError as unreadable:
        return Seen(None, _first(list(unreadable.findings)), None)
    findings = list(reading.findings)
    deployment = _judge(reading, findings)
    order = {file: number for number, file in enumerate(reading.files)}
    findings.sort(key=lambda finding: (order.get(finding.file, len(order)), finding.line, finding.column))
    if any(finding.severity == "error" for finding in findings):
        deployment = None
    return Seen(deployment, _first(findings), reading)


def _judge(reading: Reading, findings: list[Finding]) -> Deployment | None:
    """Hold *reading* against schema and rules, adding to *findings*; None where it is no spec at all."""
    rules = contract.load_schema()
    if not isinstance(reading.value, dict):
        if () not in reading.bad:
            message = "is not a mapping of keys to values"
            findings.append(Finding(*reading.values[()], "", message, "begin with version: 1 and name: …"))
        return None
    reading.value = substituted(rules, reading, findings)
    value = contract.canonical(rules, reading.value)
    faults = contract.faults(rules, value, reading.bad)
    findings += [_located(fault, reading) for fault in faults]
    bad = reading.bad | {fault.path for fault in faults} | {fault.meant for fault in faults if fault.meant}
    deployment = build(contract.fill(rules, value, bad), reading)
    wrong = {dotted(path) for path in bad}
    for problem in problems(deployment):
        if not any(_touches(key, wrong) for key in problem.keys):
            findings.append(_placed(problem, reading))
    return deployment


def _touches(key: str, wrong: set[str]) -> bool:
    """Whether *key*, something around it or something inside it is already reported."""
    return any(part in wrong for part in parents(key)) or any(bad.startswith(f"{key}.") for bad in wrong)


def _located(fault: contract.Fault, reading: Reading) -> Finding:
    """*fault* with its line: of the key or of the value, or of the section where a key is missing."""
    places = reading.keys if fault.at_key else reading.values
    path: Path = fault.path
    while path not in places and path:
        path = path[:-1]
        places = reading.values
    return Finding(*places[path], dotted(fault.path), fault.message, fault.way_out)


def _placed(problem: Problem, reading: Reading) -> Finding:
    """*problem* with its line: of the first of its keys in the file, else of what is around that."""
    places = {dotted(path): place for path, place in reading.values.items()}
    given = [key for key in problem.keys if key in places]
    around = next((part for part in parents(problem.keys[0]) if part in places), "")
    place = places[given[0] if given else around]
    ways = ", or ".join(problem.ways_out)
    return Finding(*place, problem.keys[0], problem.message, ways, problem.severity)


def _first(findings: list[Finding]) -> list[Finding]:
    """As many findings as anybody reads, and how many more there are."""
    most = contract.MOST_FAULTS
    if len(findings) <= most:
        return findings
    last = findings[most]
    errors = any(finding.severity == "error" for finding in findings[most:])
    message = f"{len(findings) - most} more findings follow"
    rest = Finding(last.file, last.line, last.column, "", message, "", "error" if errors else "warning")
    return [*findings[:most], rest]


def build(filled: Any, reading: Reading) -> Deployment:
    """The frozen deployment of *filled*, which satisfies the schema with every default in place."""
    values = cast(dict[str, Any], filled)
    origins = {
        dotted(path): Origin(place.file, (reading.keys.get(path) or place).line, dotted(path))
        for path, place in reading.values.items()
        if path
    }
    return cast(Deployment, _made(Deployment, {**values, "file": reading.file, "origins": origins}))


def _made(shape: Any, value: Any) -> Any:
    """*value* as what *shape* says: dataclasses of mappings, tuples of lists, all the way down."""
    if is_dataclass(shape):
        hints = get_type_hints(cast(type, shape))
        return cast(Any, shape)(
            **{part.name: _made(hints[part.name], value[part.name]) for part in fields(shape)}
        )
    if get_origin(shape) is tuple:
        return tuple(_made(get_args(shape)[0], inner) for inner in value)
    return dict(cast(dict[str, Any], value)) if isinstance(value, dict) else value
