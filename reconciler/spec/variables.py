"""`${NAME}` in a spec: an environment variable, where the schema allows one, and never for a secret."""

from __future__ import annotations

import os
import re

from reconciler.server import reserved
from reconciler.spec import schema as contract
from reconciler.spec.finding import Finding, Path, dotted
from reconciler.spec.schema import Schema
from reconciler.spec.values import Reading, Value

ALLOWED = "x-environment"
"""The schema's own keyword: whether a value may come from the environment."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_FREE = (("server", "env"), ("database", "flags"))
"""Maps whose values are other people's text, in which ${…} may mean something to them."""


def substituted(schema: Schema, reading: Reading, findings: list[Finding]) -> Value:
    """The reading's value with every variable filled in; what cannot be is reported, and its path is bad."""
    return _filled(schema, reading, findings, reading.value, ())


def _filled(schema: Schema, reading: Reading, findings: list[Finding], value: Value, path: Path) -> Value:
    if isinstance(value, dict):
        return {k: _filled(schema, reading, findings, inner, (*path, k)) for k, inner in value.items()}
    if isinstance(value, list):
        return [_filled(schema, reading, findings, inner, (*path, n)) for n, inner in enumerate(value)]
    if not isinstance(value, str) or not _VARIABLE.search(value) or path[:2] in _FREE:
        return value
    allowed = bool(contract.at(schema, path).get(ALLOWED))
    wrong = [trouble for name in _VARIABLE.findall(value) if (trouble := _trouble(name, allowed=allowed))]
    if wrong:
        message, way_out = wrong[0]
        findings.append(Finding(*reading.values[path], dotted(path), message, way_out))
        reading.bad.add(path)
        return value
    return _VARIABLE.sub(lambda found: os.environ[found[1]], value)


def _trouble(name: str, *, allowed: bool) -> tuple[str, str] | None:
    """What is wrong with ${name} and the way out, or None."""
    if not allowed:
        return (
            f"${{{name}}} is not read here",
            f"write the value; variables may stand in {', '.join(_places())}",
        )
    if reserved.looks_secret(name):
        return f"${{{name}}} looks like a secret, and a spec holds none", "keep it in Secret Manager"
    if not os.environ.get(name):
        return f"the environment variable {name} is not set", f"set it: export {name}=…"
    if _VARIABLE.search(os.environ[name]):
        return f"the environment variable {name} names a variable itself", "set it to a plain value"
    return None


def _places() -> list[str]:
    schema = contract.load_schema()
    return [dotted(path) for path, inner in contract.sections(schema) if inner.get(ALLOWED)]
