"""The spec that `init` writes: every key with its description and default, taken from the schema."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, cast

from reconciler.spec.scalars import resolve
from reconciler.spec.schema import Schema, load_schema

WIDTH = 97
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
"""What means itself in YAML, whatever stands around it."""

HEADER = """\
An MLflow tracking server on Google Cloud.
Lines with a space after the # explain. Lines without one are keys at their defaults: to set one,
remove its # and that of the section around it.
"""


def starter(name: str, project: str, region: str, *, schema: str = "") -> str:
    """A commented spec for a server *name* in *project* and *region*, valid as it is where those are.

    *schema* is the path or URL of the schema for editors, as seen from the file; "" leaves that line out.
    """
    given = {"version": 1, "name": name, "project": project, "region": region}
    contract = load_schema()
    lines = [f"# yaml-language-server: $schema={schema}"] if schema else []
    lines += [f"# {line}" for line in HEADER.splitlines()]
    for key, inner in cast(Mapping[str, Schema], contract["properties"]).items():
        lines.append("")
        lines += _explained(inner, 0)
        if key in given:
            lines.append(f"{key}: {written(given[key])}")
        else:
            lines += [f"#{line}" for line in _defaulted(key, inner, 0)]
    return "\n".join(lines) + "\n"


def _explained(inner: Schema, depth: int) -> Iterator[str]:
    """Title and description, as a comment."""
    text = f"{inner['title']}. {inner['description']}"
    indent = "  " * depth
    for line in textwrap.wrap(text, WIDTH - len(indent), break_long_words=False, break_on_hyphens=False):
        yield f"{indent}# {line}"


def _defaulted(key: str, inner: Schema, depth: int) -> Iterator[str]:
    """*key* at its default, with every key below it."""
    indent = "  " * depth
    if "properties" not in inner:
        yield f"{indent}{key}: {written(inner['default'])}"
        return
    yield f"{indent}{key}:"
    for name, below in cast(Mapping[str, Schema], inner["properties"]).items():
        yield from _explained(below, depth + 1)
        yield from _defaulted(name, below, depth + 1)


def written(value: Any) -> str:
    """*value* in YAML: plain words plain, everything else as JSON, which YAML reads."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and resolve(value) == value:
        return value
    return "".join(map(_shown, json.dumps(value, ensure_ascii=False)))


def _shown(letter: str) -> str:
    """*letter* itself where everybody sees it, else as YAML writes it."""
    code = ord(letter)
    return letter if letter.isprintable() else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
