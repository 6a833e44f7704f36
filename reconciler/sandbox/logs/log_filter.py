"""Cloud Logging's query language: a filter's text becomes a question to ask of each entry.

Understood are comparisons, AND, OR, NOT and -, parentheses, restrictions on any field, `log_id(…)` and comments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.logs import log_values

Entry = Mapping[str, Any]
Question = Callable[[Entry], bool]
_TOKEN: Final = re.compile(
    r"""\s+|--[^\n]*
    |(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    |(?P<operator><=|>=|!=|=~|!~|=|<|>|:)
    |(?P<mark>[()])
    |(?P<word>(?:[^\s()"'=<>!:]|"(?:\\.|[^"\\])*"(?=[.\s=<>!:]))+)
    |(?P<other>.)""",
    re.VERBOSE,
)
_JOINS: Final = ("AND", "OR")


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str) -> Question:
    """The question that a filter asks; an empty one is always answered yes. Raises ApiError 400."""
    parser = _Parser(text)
    if parser.ended():
        return _always
    question = parser.conjunction()
    if not parser.ended():
        raise parser.wrong()
    return question


def _always(entry: Entry) -> bool:
    del entry
    return True


class _Parser:
    """One pass over a filter. NOT binds closest, then OR, then AND, which may be left out."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._place = 0

    def ended(self) -> bool:
        return self._next() is None

    def _next(self) -> _Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def wrong(self) -> ApiError:
        found = self._next()
        where = f"at {found.at}: unexpected {found.text!r}" if found else "at its end: something is missing"
        return ApiError(400, f"Unparseable filter: syntax error {where} in {self._text!r}")

    def conjunction(self) -> Question:
        parts = [self._disjunction()]
        while not self.ended() and not self._is(")"):
            if self._is("AND"):
                self._place += 1
            parts.append(self._disjunction())
        return lambda entry: all(part(entry) for part in parts)

    def _disjunction(self) -> Question:
        parts = [self._negation()]
        while self._is("OR"):
            self._place += 1
            parts.append(self._negation())
        return lambda entry: any(part(entry) for part in parts)

    def _negation(self) -> Question:
        if self._is("NOT"):
            self._place += 1
            inner = self._negation()
            return lambda entry: not inner(entry)
        token = self._next()
        if token is not None and token.kind == "word" and token.text.startswith("-") and len(token.text) > 1:
            self._tokens[self._place] = _Token("word", token.text[1:], token.at)
            inner = self._term()
            return lambda entry: not inner(entry)
        return self._term()

    def _term(self) -> Question:
        token = self._take()
        if token.text == "(" and token.kind == "mark":
            inner = self.conjunction()
            self._close()
            return inner
        if token.kind not in ("word", "text") or token.text in _JOINS:
            self._place -= 1
            raise self.wrong()
        if token.text == "log_id" and self._is("("):
            return self._log_id()
        after = self._next()
        if after is not None and after.kind == "operator":
            return self._comparison(token)
        if self._is("("):
            raise ApiError(400, f"The sandbox does not emulate the function {token.text} in filters.")
        return lambda entry: log_values.anywhere(entry, _plain(token))

    def _log_id(self) -> Question:
        self._place += 1
        wanted = _plain(self._take())
        self._close()
        return lambda entry: log_values.log_id(entry) == wanted

    def _comparison(self, field: _Token) -> Question:
        operator = self._take().text
        path = log_values.path_of(field.text)
        if self._is("("):
            self._place += 1
            inner = self._values(path, operator)
            self._close()
            return inner
        return self._compared(path, operator, self._value())

    def _values(self, path: Sequence[str], operator: str) -> Question:
        """`field = (a OR b)`: the values in the parentheses are joined, not whole terms."""
        parts, join = [self._one_value(path, operator)], all
        while not self.ended() and not self._is(")"):
            if self._is("OR"):
                join = any
            if self._is("OR") or self._is("AND"):
                self._place += 1
            parts.append(self._one_value(path, operator))
        return lambda entry: join(part(entry) for part in parts)

    def _one_value(self, path: Sequence[str], operator: str) -> Question:
        if self._is("NOT"):
            self._place += 1
            inner = self._compared(path, operator, self._value())
            return lambda entry: not inner(entry)
        return self._compared(path, operator, self._value())

    def _compared(self, path: Sequence[str], operator: str, value: str) -> Question:
        if operator in ("=~", "!~"):
            try:
                re.compile(value)
            except re.error as error:
                raise ApiError(
                    400, f"Unparseable filter: invalid regular expression {value!r}: {error}"
                ) from error
        return lambda entry: log_values.holds(entry, path, operator, value)

    def _value(self) -> str:
        token = self._take()
        if token.kind not in ("word", "text"):
            self._place -= 1
            raise self.wrong()
        text = _plain(token)
        # A time or an address without quotes comes apart at its colons.
        while (after := self._next()) and after.text == ":" and after.at == token.at + len(text):
            self._place += 1
            text += ":" + self._take().text
        return text

    def _close(self) -> None:
        if not self._is(")"):
            raise self.wrong()
        self._place += 1

    def _take(self) -> _Token:
        token = self._next()
        if token is None:
            raise self.wrong()
        self._place += 1
        return token

    def _is(self, text: str) -> bool:
        token = self._next()
        return token is not None and token.text == text and token.kind != "text"


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    for match in _TOKEN.finditer(text):
        if match.lastgroup:
            found.append(_Token(match.lastgroup, match.group(), match.start()))
    return found


def _plain(token: _Token) -> str:
    """The text that a token stands for, without its quotes."""
    return log_values.unquoted(token.text) if token.kind == "text" else token.text
