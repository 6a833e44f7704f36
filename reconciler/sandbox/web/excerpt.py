"""The part of a large discovery document that is served, read without holding the rest.

Compute Engine's document has 5 MB, of which a sandbox needs a tenth. Its members are parsed one at a time to find
where the next one begins, and what nobody asked for is dropped at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any, Final, cast

LARGE: Final = 1 << 20
"""Documents with more characters than this are read in excerpt."""
_BLANK: Final = re.compile(r"[\s,:]*")
_DECODER: Final = json.JSONDecoder()
_DEEP: Final = frozenset({"resources", "schemas"})
"""Top-level members whose own members are found one by one."""


def read(path: Path, resources: Set[str]) -> dict[str, Any]:
    """The document at *path*; of a large one only the top-level *resources*, and the schemas that they mention."""
    text = path.read_text(encoding="utf-8")
    if len(text) <= LARGE:
        return json.loads(text)
    places, inside = _outline(text)
    whole = {name: _value(text, start) for name, start in places.items()}
    found = inside["resources"]
    whole["resources"] = {name: _value(text, start) for name, start in found.items() if name in resources}
    whole["schemas"] = _mentioned(text, inside["schemas"], whole["resources"])
    return whole


def _outline(text: str) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Where each plain top-level value begins, and where each member of the deep ones does."""
    places: dict[str, int] = {}
    inside: dict[str, dict[str, int]] = {}
    at = _skip(text, 0) + 1
    while text[at := _skip(text, at)] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        if name in _DEEP:
            inside[name], at = _members(text, at)
        else:
            places[name] = at
            _, at = _DECODER.raw_decode(text, at)
    return places, inside


def _members(text: str, at: int) -> tuple[dict[str, int], int]:
    """Where each value of the object at *at* begins, and where the object ends."""
    places: dict[str, int] = {}
    at += 1
    while text[at := _skip(text, at)] != "}":
        name, at = _DECODER.raw_decode(text, at)
        places[name] = at = _skip(text, at)
        _, at = _DECODER.raw_decode(text, at)
    return places, at + 1


def _mentioned(text: str, places: Mapping[str, int], resources: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    wanted = list(_references(resources))
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = _value(text, places[name])
            wanted += _references(found[name])
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            if name == "$ref" and isinstance(inner, str):
                yield inner
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _references(inner)


def _value(text: str, at: int) -> Any:
    return _DECODER.raw_decode(text, at)[0]


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at
