"""The spec's contract: the JSON Schema, its defaults, and its complaints in plain words.

The schema is the only home of defaults. Every complaint is told once per key, with the nearest valid key or
value.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from reconciler.spec.files import schema_path
from reconciler.spec.finding import Path
from reconciler.spec.values import Value

Schema = Mapping[str, Any]

MOST_FAULTS = 100
"""More than anybody reads at once; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One complaint of the schema.

    *at_key*: the key itself is wrong, not its value. *meant*: the key that was probably meant, which is then
    not complained about as well.
    """

    path: Path
    message: str
    way_out: str
    at_key: bool = False
    meant: Path = ()


@cache
def load_schema() -> Schema:
    """The schema; read once per process and never changed."""
    return cast(Schema, json.loads(schema_path().read_text(encoding="utf-8")))


def sections(schema: Schema, path: Path = ()) -> Iterator[tuple[Path, Schema]]:
    """Every key the schema names, with its own schema, outermost first, in the schema's order."""
    for name, inner in cast(Mapping[str, Schema], schema.get("properties", {})).items():
        yield (*path, name), inner
        yield from sections(inner, (*path, name))


def at(schema: Schema, path: Path) -> Schema:
    """The schema of the value at *path*; empty where the schema does not know the path."""
    for part in path:
        if isinstance(part, int):
            schema = schema.get("items", {})
        elif part in schema.get("properties", {}):
            schema = schema["properties"][part]
        else:
            extra = schema.get("additionalProperties", False)
            schema = cast(Schema, extra) if isinstance(extra, dict) else {}
    return schema


def canonical(schema: Schema, value: Value) -> Value:
    """*value* with numbers in the one form that the schema means: 1.0 as 1, and `cpu: 0.5` as "0.5"."""
    if isinstance(value, dict):
        return {key: canonical(at(schema, (key,)), inner) for key, inner in value.items()}
    kinds = schema.get("type", "")
    if isinstance(value, float) and value.is_integer() and ("integer" in kinds or "number" in kinds):
        value = int(value)
    if (
        "string" in kinds
        and "number" in kinds
        and isinstance(value, int | float)
        and not isinstance(value, bool)
    ):
        return str(value)
    return value


def fill(schema: Schema, value: Value, bad: Iterable[Path], path: Path = ()) -> Value:
    """*value* with the schema's defaults where it is silent or *bad*.

    What is required and missing gets the schema's example: such a spec is refused anyway, and the rules can
    still look at the rest of it.
    """
    if isinstance(value, dict) and "properties" not in schema:
        return {key: inner for key, inner in value.items() if (*path, key) not in bad}
    if "properties" not in schema:
        return value
    given = value if isinstance(value, dict) else {}
    filled: dict[str, Value] = {}
    for name, inner in cast(Mapping[str, Schema], schema["properties"]).items():
        here = (*path, name)
        usable = name in given and not _spoiled(here, bad, whole="items" in inner)
        start = given[name] if usable else inner.get("default", inner["examples"][0])
        filled[name] = fill(inner, start, bad, here)
    return filled


def _spoiled(path: Path, bad: Iterable[Path], *, whole: bool) -> bool:
    """Whether *path* is bad, or with *whole* anything below it: half a list is not the list."""
    return any(wrong == path or (whole and wrong[: len(path)] == path) for wrong in bad)


def faults(schema: Schema, value: Value, bad: Iterable[Path]) -> list[Fault]:
    """What *value* breaks, one fault per key, none at or below a *bad* path."""
    known = set(bad)
    found: dict[Path, tuple[int, Fault]] = {}
    unknown = [fault for fault in _unknown_keys(schema, schema, value, ()) if not _below(fault.path, known)]
    meant = {fault.meant for fault in unknown}
    for error in _validator(schema).iter_errors(cast(Any, value)):
        for rank, fault in _told(schema, error):
            if _below(fault.path, known) or fault.path in meant:
                continue
            if fault.path not in found or rank < found[fault.path][0]:
                found[fault.path] = (rank, fault)
    return unknown + [fault for _, fault in found.values()]


def _below(path: Path, roots: set[Path]) -> bool:
    return any(path[:length] in roots for length in range(len(path) + 1))


@cache
def _validators() -> Any:
    """jsonschema's validator with two changes.

    `$` is the end of the text and not the line break before it; uniqueness costs time in proportion to the
    list.
    """
    from jsonschema import Draft202012Validator, ValidationError, validators

    def pattern(_: Any, wanted: str, instance: Any, __: Any) -> Iterator[ValidationError]:
        if isinstance(instance, str) and (instance.endswith("\n") or not re.search(wanted, instance)):
            yield ValidationError(f"{instance!r} does not match {wanted!r}")

    def unique(_: Any, wanted: bool, instance: Any, __: Any) -> Iterator[ValidationError]:
        if wanted and isinstance(instance, list):
            texts = [json.dumps(item, sort_keys=True) for item in cast(list[Any], instance)]
            if len(set(texts)) < len(texts):
                yield ValidationError("has non-unique elements")

    return cast(Any, validators).extend(Draft202012Validator, {"pattern": pattern, "uniqueItems": unique})


def _validator(schema: Schema) -> Any:
    return _validators()(schema)


def _unknown_keys(top: Schema, schema: Schema, value: Value, path: Path) -> Iterator[Fault]:
    """Keys that the schema does not know, with the nearest that it does, here or elsewhere."""
    if not isinstance(value, dict) or "properties" not in schema:
        return
    known = cast(Mapping[str, Schema], schema["properties"])
    for number, (key, inner) in enumerate(value.items()):
        if key in known:
            yield from _unknown_keys(top, known[key], inner, (*path, key))
        else:
            meant = _meant(top, known, key, path) if number < MOST_FAULTS else ()
            if meant[:-1] == path and meant:
                way = f"did you mean {meant[-1]}?"
            elif meant:
                way = f"did you mean {'.'.join(str(part) for part in meant)}?"
            else:
                way = f"remove it; known here: {', '.join(known)}"
            yield Fault((*path, key), "is not a key of the spec", way, at_key=True, meant=meant)


def _meant(top: Schema, known: Iterable[str], key: str, path: Path) -> Path:
    """The path of the key that *key* was probably meant to be; () if nothing is near."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key[:100]).replace("-", "_").lower()
    if near := difflib.get_close_matches(snake, list(known), n=1, cutoff=0.6):
        return (*path, near[0])
    elsewhere = {str(place[-1]): place for place, _ in reversed(list(sections(top)))}
    near = difflib.get_close_matches(snake, list(elsewhere), n=1, cutoff=0.8)
    return elsewhere[near[0]] if near else ()


def _told(schema: Schema, error: Any) -> Iterator[tuple[int, Fault]]:
    """A jsonschema error as faults, each with a rank: of two at one key the lower rank is told."""
    from reconciler.spec.complaints import RANKS, complain

    path = cast(Path, tuple(error.absolute_path))
    keyword = str(error.validator)
    if keyword == "additionalProperties":
        return
    if keyword == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        for name in missing:
            inner = at(schema, (*path, name))
            way = f"add {name}: {inner['examples'][0]}"
            yield 0, Fault((*path, name), f"is missing: {inner['title']}", way)
        return
    if "propertyNames" in error.absolute_schema_path:
        wrong = str(error.instance)
        said = str(at(schema, path)["propertyNames"]["patternErrorMessage"])
        yield 0, Fault((*path, wrong), f"is not a valid name here: {said}", "rename it", at_key=True)
        return
    message, way_out = complain(keyword, at(schema, path), error.instance, path)
    yield RANKS.get(keyword, 99), Fault(path, message, way_out)
