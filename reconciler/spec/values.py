"""A YAML tree as plain values, with the place of every key, and the traps that only show there."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.spec.finding import Finding, Path, Place, dotted
from reconciler.spec.scalars import Ambiguous, resolve
from reconciler.spec.tree import Node

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]


@dataclass(slots=True)
class Reading:
    """What a spec says. *keys* and *values* map paths to their places; *bad* paths are reported already.

    *files* are the spec's own and those of its bases, in the order in which one extends the other.
    """

    file: str
    value: Value = None
    keys: dict[Path, Place] = field(default_factory=dict[Path, Place])
    values: dict[Path, Place] = field(default_factory=dict[Path, Place])
    findings: list[Finding] = field(default_factory=list[Finding])
    bad: set[Path] = field(default_factory=set[Path])
    files: tuple[str, ...] = ()

    def report(self, node: Node, path: Path, message: str, way_out: str) -> None:
        """Note what is wrong at *node*."""
        self.findings.append(Finding(self.file, node.line, node.column, dotted(path), message, way_out))


def read_values(root: Node, file: str) -> Reading:
    """The values below *root*; what is wrong is in the reading's findings."""
    reading = Reading(file, files=(file,))
    reading.value = _value(root, (), reading)
    return reading


def _value(node: Node, path: Path, reading: Reading) -> Value:
    reading.values[path] = Place(reading.file, node.line, node.column)
    if node.kind == "mapping":
        return _mapping(node, path, reading)
    if node.kind == "sequence":
        return [_value(item, (*path, position), reading) for position, item in enumerate(node.children)]
    if node.kind == "broken":
        reading.bad.add(path)
        return None
    if not node.plain:
        return node.text
    meaning = resolve(node.text)
    if isinstance(meaning, Ambiguous):
        if path[:2] == ("server", "env"):  # somebody may have put a secret there: its value is not repeated
            meaning = Ambiguous("is a value that YAML readers disagree about", "put it in quotes")
        reading.report(node, path, meaning.message, meaning.way_out)
        reading.bad.add(path)
        return node.text
    return meaning


def _mapping(node: Node, path: Path, reading: Reading) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, value in zip(node.children[::2], node.children[1::2], strict=True):
        if not _usable(key, path, reading):
            continue
        here = (*path, key.text)
        if key.text in found:
            first = reading.keys[here].line
            way = f"keep one of the two (the other is on line {first})"
            reading.report(key, here, "the same key twice; YAML readers silently take one of them", way)
            continue
        reading.keys[here] = Place(reading.file, key.line, key.column)
        found[key.text] = _value(value, here, reading)
    return found


def _usable(key: Node, path: Path, reading: Reading) -> bool:
    """Whether *key* can be a key of a spec; if not, that is reported."""
    if key.kind == "broken":
        return False
    if key.kind != "scalar":
        reading.report(key, path, "a list or mapping as a key", "write a plain word before the colon")
        return False
    if key.plain and key.text == "<<":
        message = "merge keys (<<) are YAML 1.1 only; editors with YAML 1.2 do not see what they bring in"
        reading.report(key, path, message, "write the keys out")
        return False
    if key.text == "":
        reading.report(key, path, "a colon without a key before it", "write the key, or remove the line")
        return False
    return True
