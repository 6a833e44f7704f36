"""A recorded answer against a real one: status, the set of fields, and their values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from tests.conformance import normal
from tests.conformance.cloud import Got
from tests.conformance.recordings import Row

ABSENT: Final = "absent"
"""How the side that lacks a field reads."""


@dataclass(frozen=True)
class Difference:
    """One field that is not what was recorded."""

    field: str
    """"" is the whole answer; indices as in `bindings[3].role`; "status" the HTTP status."""
    recorded: str
    sandbox: str

    def __str__(self) -> str:
        return f"{self.field or 'body'}: recorded {self.recorded}, sandbox {self.sandbox}"


def differences(
    row: Row, got: Got, fill: Callable[[str], str], pattern: Callable[[str], str]
) -> list[Difference]:
    """What is different; *fill* puts what is fixed in place of the placeholders of a recorded text.

    *pattern* is the regular expression of what may stand where a text was recorded.
    """
    found: list[Difference] = []
    if row.status != got.status:
        found.append(Difference("status", str(row.status), f"{got.status} {_brief(got.body)}"))
        return found
    _Walk(row.api, fill, pattern, found).value("", row.answer, got.body)
    return found


@dataclass(frozen=True)
class _Walk:
    api: str
    fill: Callable[[str], str]
    pattern: Callable[[str], str]
    found: list[Difference]

    def value(self, at: str, recorded: Any, actual: Any) -> None:
        if isinstance(recorded, dict) and isinstance(actual, dict):
            self.fields(at, cast("dict[str, Any]", recorded), cast("dict[str, Any]", actual))
        elif isinstance(recorded, list) and isinstance(actual, list):
            self.items(at, cast("list[Any]", recorded), cast("list[Any]", actual))
        elif not self.equal(at, recorded, actual):
            self.found.append(Difference(at, _brief(recorded), _brief(actual)))

    def fields(self, at: str, recorded: Mapping[str, Any], actual: Mapping[str, Any]) -> None:
        # A key may hold a placeholder (a label named after a project); such keys are filled as values are.
        expected = {self.fill(key): value for key, value in recorded.items()}
        for key in sorted({*expected, *actual}):
            where = f"{at}.{key}" if at else key
            if key not in actual:
                self.found.append(Difference(where, _brief(expected[key]), ABSENT))
            elif key not in expected:
                self.found.append(Difference(where, ABSENT, _brief(actual[key])))
            else:
                self.value(where, expected[key], actual[key])

    def items(self, at: str, recorded: Sequence[Any], actual: Sequence[Any]) -> None:
        if normal.unordered(self.place(at)):
            recorded, actual = self.unlike(at, recorded, actual)
        for number, (one, other) in enumerate(zip(recorded, actual, strict=False)):
            self.value(f"{at}[{number}]", one, other)
        for number in range(len(actual), len(recorded)):
            self.found.append(Difference(f"{at}[{number}]", _brief(recorded[number]), ABSENT))
        for number in range(len(recorded), len(actual)):
            self.found.append(Difference(f"{at}[{number}]", ABSENT, _brief(actual[number])))

    def unlike(self, at: str, recorded: Sequence[Any], actual: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """What is left of two lists without order when every item that both have is taken out."""
        rest, only = list(actual), list[Any]()
        for item in recorded:
            same = next((other for other in rest if self.like(at, item, other)), None)
            if same is None:
                only.append(item)
            else:
                rest.remove(same)
        return sorted(only, key=self.order), sorted(rest, key=self.order)

    def like(self, at: str, recorded: Any, actual: Any) -> bool:
        found: list[Difference] = []
        _Walk(self.api, self.fill, self.pattern, found).value(at, recorded, actual)
        return not found

    def order(self, item: Any) -> str:
        return self.fill(json.dumps(item, sort_keys=True))

    def equal(self, at: str, recorded: Any, actual: Any) -> bool:
        if normal.hidden(self.place(at), recorded, actual):
            return True
        if not isinstance(recorded, str):
            return type(recorded) is type(actual) and recorded == actual
        if not isinstance(actual, str):
            return False
        wanted = self.pattern(normal.same_text(recorded))
        return re.fullmatch(wanted, normal.same_text(actual)) is not None

    def place(self, at: str) -> str:
        return f"{self.api} {plain(at)}"


def plain(at: str) -> str:
    """A field's path without the indices: `bindings.members` of `bindings[3].members[0]`."""
    return re.sub(r"\[\d+\]", "", at)


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 400 else text[:397] + "…"
