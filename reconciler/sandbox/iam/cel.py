"""The part of Google's CEL that conditions and attribute mappings use: an evaluator over named values.

Comparisons (`== != < <= > >=`), `&& || !`, `+ -`, brackets, `true`, `false`, strings, integers, `in [..]`,
`startsWith`, `endsWith`, `contains`, `matches`, `extract`, `timestamp`, `duration`, and `getHours`, `getDayOfWeek` …
of times; lists and their `hasOnly`; fields by `a.b` and `a["b"]`, and `api.getAttribute`.
Source: the CEL specification, and the functions that Google's pages on IAM Conditions and on workload identity
federation name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

MOST_CHARACTERS: Final = 12_800
"""Google's limit on the length of an expression."""
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>\d+)|(?P<word>[A-Za-z_]\w*)"""
    r"""|(?P<sign>&&|\|\||==|!=|<=|>=|[-+<>!.,()\[\]]))"""
)
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([hms])")


class Attributes(dict[str, Any]):
    """What `getAttribute(name, default)` reads."""


class Unreadable(ValueError):
    """An expression is not CEL, or uses what is not emulated."""


def evaluate(expression: str, names: Mapping[str, Any]) -> Any:
    """The value of *expression*, in which *names* are known. Raises Unreadable for what cannot be evaluated."""
    try:
        return _Reader(_tokens(expression), names).whole()
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise Unreadable(str(error)) from error


def check(expression: str) -> None:
    """Raise Unreadable where *expression* is not well-formed; what is not emulated passes."""
    if not expression.strip() or len(expression) > MOST_CHARACTERS:
        raise Unreadable("an expression has 1 to 12,800 characters")
    depth = 0
    for kind, sign in _tokens(expression):
        depth += (kind == "sign") * ((sign in "([") - (sign in ")]"))
        if depth < 0:
            break
    if depth:
        raise Unreadable("brackets do not match")


def _tokens(expression: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at, text = 0, expression.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unreadable(f"unexpected {text[at : at + 10]!r}")
        found.append((str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
    return found


def _seconds(text: str) -> timedelta:
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    parts = _DURATION.findall(text)
    if not parts:
        raise Unreadable(text)
    return timedelta(seconds=sum(float(number) * units[unit] for number, unit in parts))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _extract(text: str, template: str) -> str:
    """`extract("/projects/{id}/")`: what stands between the template's two ends."""
    before, _, rest = template.partition("{")
    after = rest.partition("}")[2]
    start = text.find(before)
    if start < 0:
        return ""
    start += len(before)
    end = text.find(after, start) if after else len(text)
    return text[start:end] if end >= 0 else ""


_ON_TEXT: Final[Mapping[str, Callable[[str, str], Any]]] = {
    "startsWith": lambda text, other: text.startswith(other),
    "endsWith": lambda text, other: text.endswith(other),
    "contains": lambda text, other: other in text,
    "matches": lambda text, other: re.search(other, text) is not None,
    "extract": _extract,
}
_ON_TIME: Final[Mapping[str, Callable[[datetime], int]]] = {
    # CEL counts months and days of months from 0, and weeks from Sunday.
    "getFullYear": lambda time: time.year,
    "getMonth": lambda time: time.month - 1,
    "getDate": lambda time: time.day,
    "getDayOfMonth": lambda time: time.day - 1,
    "getDayOfWeek": lambda time: (time.weekday() + 1) % 7,
    "getDayOfYear": lambda time: time.timetuple().tm_yday - 1,
    "getHours": lambda time: time.hour,
    "getMinutes": lambda time: time.minute,
    "getSeconds": lambda time: time.second,
}
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@dataclass
class _Reader:
    """Evaluates while it reads: expressions are short, and are asked about one request at a time."""

    tokens: list[tuple[str, str]]
    names: Mapping[str, Any]
    at: int = field(default=0)

    def whole(self) -> Any:
        value = self.either()
        if self.at != len(self.tokens):
            raise Unreadable(self.tokens[self.at][1])
        return value

    def either(self) -> Any:
        value = self.both()
        while self.takes("||"):
            other = self.both()
            value = _truth(value) or _truth(other)
        return value

    def both(self) -> Any:
        value = self.compared()
        while self.takes("&&"):
            other = self.compared()
            value = _truth(value) and _truth(other)
        return value

    def compared(self) -> Any:
        value = self.sum()
        for sign, compare in _COMPARE.items():
            if self.takes(sign):
                return compare(value, self.sum())
        if self.peek() == ("word", "in"):
            self.at += 1
            return value in self.listed()
        return value

    def sum(self) -> Any:
        value = self.unary()
        while (sign := self.peek()[1]) in ("+", "-") and self.peek()[0] == "sign":
            self.at += 1
            other = self.unary()
            value = value + other if sign == "+" else value - other
        return value

    def unary(self) -> Any:
        if self.takes("!"):
            return not _truth(self.unary())
        return self.member(self.primary())

    def primary(self) -> Any:
        kind, word = self.next()
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", word[1:-1])
        if kind == "number":
            return int(word)
        if word == "(":
            value = self.either()
            self.expect(")")
            return value
        if kind == "word":
            return self.named(word)
        if word == "[":
            self.at -= 1
            return self.listed()
        raise Unreadable(word)

    def named(self, word: str) -> Any:
        if word in ("true", "false"):
            return word == "true"
        if word == "timestamp":
            return _moment(self.argument())
        if word == "duration":
            return _seconds(self.argument())
        if word not in self.names:
            raise Unreadable(word)
        return self.names[word]

    def member(self, value: Any) -> Any:
        while True:
            if self.takes("["):
                value = _field(value, self.either())
                self.expect("]")
            elif self.takes("."):
                value = self.called(value, self.next()[1])
            else:
                return value

    def called(self, value: Any, name: str) -> Any:
        if isinstance(value, datetime) and name in _ON_TIME:
            self.expect("(")
            zone = "UTC" if self.peek()[1] == ")" else str(self.primary())
            self.expect(")")
            return _ON_TIME[name](value.astimezone(UTC if zone == "UTC" else ZoneInfo(zone)))
        if isinstance(value, str) and name in _ON_TEXT:
            return _ON_TEXT[name](value, self.argument())
        if isinstance(value, list) and name == "hasOnly":
            return self.only(cast("list[Any]", value))
        if isinstance(value, Attributes) and name == "getAttribute":
            return self.attribute(value)
        return _field(value, name)

    def only(self, items: list[Any]) -> bool:
        self.expect("(")
        allowed = self.listed()
        self.expect(")")
        return all(item in allowed for item in items)

    def attribute(self, known: Attributes) -> Any:
        self.expect("(")
        name = self.either()
        self.expect(",")
        default = self.either()
        self.expect(")")
        return known.get(name, default)

    def argument(self) -> str:
        self.expect("(")
        value = self.either()
        self.expect(")")
        if not isinstance(value, str):
            raise Unreadable("a text is wanted")
        return value

    def listed(self) -> list[Any]:
        self.expect("[")
        items: list[Any] = []
        while not self.takes("]"):
            items.append(self.either())
            self.takes(",")
        return items

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def next(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def takes(self, sign: str) -> bool:
        found = self.peek() == ("sign", sign)
        self.at += found
        return found

    def expect(self, sign: str) -> None:
        if not self.takes(sign):
            raise Unreadable(f"{sign!r} is missing")


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unreadable("a condition is wanted")
    return value


def _field(value: Any, name: Any) -> Any:
    if not isinstance(value, Mapping) or name not in value:
        raise Unreadable(f"{name} is not known")
    return cast("Mapping[Any, Any]", value)[name]
