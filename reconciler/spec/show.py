"""A spec as it is meant: merged with its bases, variables filled in, each line with the file it comes from."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.spec.finding import Path
from reconciler.spec.template import written
from reconciler.spec.values import Reading, Value


def shown(reading: Reading) -> str:
    """The merged spec as YAML; without `extends`, so that it can stand for itself."""
    return (
        "\n".join(line for key, value in plain(reading).items() for line in _lines(reading, (key,), value))
        + "\n"
    )


def plain(reading: Reading) -> dict[str, Value]:
    """The same as values."""
    value = reading.value if isinstance(reading.value, dict) else {}
    return {key: value[key] for key in sorted(value, key=_order) if key != "extends"}


def _order(key: str) -> int:
    """Keys in the schema's order, as people know them."""
    from reconciler.spec.schema import load_schema

    known = list(load_schema()["properties"])
    return known.index(key) if key in known else len(known)


def _lines(reading: Reading, path: Path, value: Value) -> Iterator[str]:
    indent, key = "  " * (len(path) - 1), written(path[-1])
    place = reading.keys.get(path) or reading.values[path]
    if isinstance(value, dict) and value:
        yield f"{indent}{key}:"
        for name, inner in value.items():
            yield from _lines(reading, (*path, name), inner)
    else:
        yield f"{indent}{key}: {written(value)}  # {place.file}:{place.line}"
