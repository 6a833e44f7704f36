"""A spec in the making: keys with their values, and why a value is, or is not, what was found."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from reconciler.gcp import fields as flat
from reconciler.spec.schema import at, load_schema
from reconciler.spec.template import WIDTH, written


@dataclass(slots=True)
class Said:
    """Dotted keys in the order in which they were said; a *note* stands on a line of its own above its section."""

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    remarks: dict[str, str] = field(default_factory=dict[str, str])
    notes: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def say(self, key: str, value: Any, remark: str = "") -> None:
        """Let the spec say *value*; a default of the schema needs no saying, unless there is a *remark* about it."""
        if value == at(load_schema(), tuple(key.split("."))).get("default") and not remark:
            return
        self.values[key] = value
        if remark:
            self.remarks[key] = remark

    def note(self, section: str, sentence: str) -> None:
        """A comment above *section*: what the spec does not say, and why."""
        self.notes.setdefault(section, []).append(sentence)

    def text(self) -> str:
        """The YAML, sections in the schema's order."""
        nested = flat.nested(self.values)
        lines: list[str] = []
        for section in load_schema()["properties"]:
            for sentence in self.notes.get(section, ()):
                lines += textwrap.wrap(sentence, WIDTH, initial_indent="# ", subsequent_indent="# ")
            if section in nested:
                lines += self._lines(section, nested[section], "")
        return "\n".join(lines) + "\n"

    def _lines(self, key: str, value: Any, indent: str) -> list[str]:
        name = key.rpartition(".")[2]
        remark = f" # {self.remarks[key]}" if key in self.remarks else ""
        if isinstance(value, dict) and value and key not in self.values:
            inner = cast("Mapping[str, Any]", value)
            below = [
                line
                for name, one in inner.items()
                for line in self._lines(f"{key}.{name}", one, f"{indent}  ")
            ]
            return [f"{indent}{name}:{remark}", *below]
        return [f"{indent}{name}: {written(value)}{remark}"]
