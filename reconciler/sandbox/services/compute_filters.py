"""The `filter` of Compute Engine's lists: `name = x`, `labels.a:*`, `(a = b) OR (c eq "d.*")`.

Both kinds that Google documents: AIP-160 comparisons, and `eq`/`ne` with a regular expression that the whole value must
match. OR binds tighter than AND, and what stands side by side is joined by AND.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from reconciler.sandbox.errors import ApiError

Test = Callable[[Mapping[str, Any]], bool]
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<sign>[()])|(?P<operator>!=|<=|>=|[=<>:])|(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|"""
    r"""(?P<word>(?:[^\s()=<>:!"']|:(?=//))+))"""
)

_QUOTED: Final = re.compile(r"""\\(["'\\])""")


def parse(text: str) -> Test:
    """What *text* asks of a resource; everything passes an empty one. Raises ApiError 400 where it is malformed."""
    if not text.strip():
        return lambda _: True
    reader = _Reader(text)
    test = reader.every()
    if reader.tokens:
        raise _malformed(text)
    return test


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))

    def every(self) -> Test:
        """Terms that must all hold."""
        tests = [self.any()]
        while self.tokens and self.tokens[0] != ("sign", ")"):
            if self.tokens[0] == ("word", "AND"):
                self.tokens.pop(0)
            tests.append(self.any())
        return lambda body: all(test(body) for test in tests)

    def any(self) -> Test:
        """Terms of which one must hold."""
        tests = [self.term()]
        while self.tokens and self.tokens[0] == ("word", "OR"):
            self.tokens.pop(0)
            tests.append(self.term())
        return lambda body: any(test(body) for test in tests)

    def term(self) -> Test:
        kind, token = self.next()
        if (kind, token) == ("word", "NOT"):
            inner = self.term()
            return lambda body: not inner(body)
        if (kind, token) == ("sign", "("):
            inner = self.every()
            if self.next() != ("sign", ")"):
                raise _malformed(self.text)
            return inner
        if kind != "word":
            raise _malformed(self.text)
        return self.comparison(token)

    def comparison(self, field: str) -> Test:
        kind, operator = self.next()
        if kind != "operator" and operator not in ("eq", "ne"):
            raise _malformed(self.text)
        kind, literal = self.next()
        if kind not in ("word", "quoted"):
            raise _malformed(self.text)
        value = _QUOTED.sub(r"\1", literal[1:-1]) if kind == "quoted" else literal
        return lambda body: _holds(operator, _at(body, field), value)

    def next(self) -> tuple[str, str]:
        if not self.tokens:
            raise _malformed(self.text)
        return self.tokens.pop(0)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None or found.end() == at:
            raise _malformed(text)
        at = found.end()
        kind = str(found.lastgroup)
        yield kind, found[kind]


def _at(body: Mapping[str, Any], field: str) -> Any:
    value: Any = body
    for part in field.split("."):
        value = cast("Mapping[str, Any]", value).get(part) if isinstance(value, Mapping) else None
    return value


def _holds(operator: str, value: Any, literal: str) -> bool:
    text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
    if operator in ("eq", "ne"):
        return (re.fullmatch(literal, text) is not None) == (operator == "eq")
    if operator in ("=", "!="):
        return (text.lower() == literal.lower()) == (operator == "=")
    if operator == ":":
        return value is not None if literal == "*" else literal.lower() in text.lower()
    if value is None:
        return False
    order = _order(text, literal)
    return {"<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0}[operator]


def _order(left: str, right: str) -> int:
    if _number(left) and _number(right):
        return (float(left) > float(right)) - (float(left) < float(right))
    return (left > right) - (left < right)


def _number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None


def _malformed(text: str) -> ApiError:
    told = f"Invalid value for field 'filter': '{text}'. Invalid list filter expression."
    return ApiError(400, told, reason="invalid")
