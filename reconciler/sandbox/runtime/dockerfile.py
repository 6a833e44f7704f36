"""Reads a Dockerfile into instructions, and a shell line into commands. Pure: nothing is run here."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_FLAG = re.compile(r"--([a-z-]+)(?:=(\S+))?\s+")
_VARIABLE = re.compile(r"\\\$|\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")
_OPERATORS = frozenset({"&&", ";"})


class DockerfileError(Exception):
    """The Dockerfile cannot be understood; the text says where and why."""


@dataclass(frozen=True)
class Instruction:
    """One instruction: its first line's number, its keyword in capitals, `--flag=value` pairs, the rest."""

    line: int
    keyword: str
    flags: tuple[tuple[str, str], ...]
    text: str

    def flag(self, name: str) -> str:
        """The value of a flag, or ""."""
        return next((value for key, value in self.flags if key == name), "")

    def array(self) -> list[str] | None:
        """The words of the exec form `["a", "b"]`; None where the instruction is in shell form."""
        if not self.text.startswith("["):
            return None
        try:
            value: object = json.loads(self.text)
        except ValueError:
            return None
        return [str(word) for word in value] if isinstance(value, list) else None  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType] -- JSON is untyped


def parse(text: str) -> list[Instruction]:
    """The instructions in order. Raises DockerfileError."""
    found: list[Instruction] = []
    for number, line in _logical_lines(text):
        keyword, _, rest = line.partition(" ")
        if not keyword.isalpha():
            raise DockerfileError(f"line {number}: {keyword!r} is not an instruction")
        rest = rest.strip()
        flags: list[tuple[str, str]] = []
        while match := _FLAG.match(rest):
            flags.append((match.group(1), match.group(2) or ""))
            rest = rest[match.end() :]
        if "<<" in rest and keyword.upper() in ("RUN", "COPY", "ADD"):
            raise DockerfileError(f"line {number}: a here-document in {keyword.upper()} is not understood")
        found.append(Instruction(number, keyword.upper(), tuple(flags), rest))
    if not found:
        raise DockerfileError("the Dockerfile is empty")
    return found


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    parts: list[str] = []
    first = 0
    for number, raw in enumerate(text.splitlines(), 1):
        stripped = raw.strip()
        if not stripped or stripped.startswith("#"):
            continue
        first = first if parts else number
        if stripped.endswith("\\"):
            parts.append(stripped[:-1].strip())
            continue
        parts.append(stripped)
        yield first, re.sub(r"^(\S+)\s+", r"\1 ", " ".join(part for part in parts if part))
        parts = []
    if parts:
        raise DockerfileError(f"line {first}: the file ends in the middle of an instruction")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace $NAME, ${NAME}, ${NAME:-default} and ${NAME:+alternative}, as Docker does."""

    def value(match: re.Match[str]) -> str:
        if match.group(0) == r"\$":
            return "$"
        known = variables.get(match.group(1) or match.group(2), "")
        if match.group(3) == "-":
            return known or match.group(4)
        if match.group(3) == "+":
            return match.group(4) if known else ""
        return known

    return _VARIABLE.sub(value, text)


def pairs(text: str) -> dict[str, str]:
    """The `KEY=value KEY2="other value"` pairs of ENV, LABEL and ARG; `ENV KEY value` as well."""
    words = shlex.split(text)
    if words and "=" not in words[0]:
        return {words[0]: " ".join(words[1:])}
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise DockerfileError(f"{word!r} is not KEY=value")
        found[key] = value
    return found


def commands(line: str) -> list[list[str]]:
    """The commands of a shell line joined by `&&` or `;`. DockerfileError for other shell syntax."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[str]] = [[]]
    for word in lexer:
        if word in _OPERATORS:
            found.append([])
        elif set(word) <= set("();<>|&"):
            raise DockerfileError(f"the shell's {word!r} is not understood")
        elif "`" in word or "$(" in word:
            raise DockerfileError(f"a command substitution is not understood: {word!r}")
        else:
            found[-1].append(word)
    return [command for command in found if command]
