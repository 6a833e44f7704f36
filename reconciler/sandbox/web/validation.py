"""Bodies and parameters against Google's schemas, with the wording of Google's JSON front end.

What the documents do not say (what is required, what cannot be changed) is in the field table, fields.py.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from reconciler.sandbox.errors import ApiError, bad_request
from reconciler.sandbox.web.discovery import GLOBAL_EXTRA, UNDESCRIBED, Described, Document, Schemas

Violation = tuple[str, str]
Schema = Mapping[str, Any]
_DURATION: Final = re.compile(r"-?\d{1,12}(\.\d{1,9})?s")
_DATETIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_INTEGER: Final = re.compile(r"-?\d{1,20}")
_RANGES: Final = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
KEEPS_NULL: Final = frozenset({"storage"})
"""APIs where null in a PATCH deletes; elsewhere null means that the field was not sent."""
CLEARS_BY_NULL: Final = frozenset({("sqladmin", "instances.patch")})
"""Methods of the others where it deletes as well: gcloud's --maintenance-window-any sends nothing else."""
_NUMBERS: Final[dict[str, dict[int, str]]] = {
    # google.api.LaunchStage is declared in another order than it is numbered.
    "LAUNCH_STAGE_UNSPECIFIED": {
        6: "UNIMPLEMENTED",
        7: "PRELAUNCH",
        1: "EARLY_ACCESS",
        2: "ALPHA",
        3: "BETA",
        4: "GA",
        5: "DEPRECATED",
    },
    "SECRET_TYPE_UNSPECIFIED": {50: "OTHER"},
}
_ROOTS: Final = {"sqladmin": "body", "compute": "resource"}


class _Walk:
    """One pass over one body; collects what is wrong with it."""

    def __init__(self, schemas: Schemas, *, keep_null: bool, answer: bool) -> None:
        self.schemas = schemas
        self.keep_null = keep_null
        self.answer = answer
        self.violations: list[Violation] = []

    def value(self, schema: Schema, value: Any, at: str) -> Any:
        if "$ref" in schema:
            return self.object(self.schemas[schema["$ref"]], value, at)
        kind = schema.get("type", "any")
        if kind == "object":
            return self.object(schema, value, at)
        if kind == "array":
            return self.array(schema, value, at)
        return self.scalar(schema, kind, value, at)

    def object(self, schema: Schema, value: Any, at: str) -> Any:
        if schema.get("type") == "any":
            return value
        if not isinstance(value, dict):
            return self.wrong(at, "message", value)
        if self.answer and "@type" in value:
            return self.packed(cast("dict[str, Any]", value), at)
        properties = cast("Mapping[str, Schema]", schema.get("properties", {}))
        rest = cast("Schema | None", schema.get("additionalProperties"))
        kept: dict[str, Any] = {}
        for sent, inner in cast("dict[str, Any]", value).items():
            name = sent if sent in properties else _camel(sent)
            if name in properties:
                self._property(kept, properties[name], name, inner, at)
            elif rest is not None and inner is None:
                # A map's entry set to null is removed by a PATCH of Cloud Storage; elsewhere it was not sent.
                kept.update({sent: None} if self.keep_null else {})
            elif rest is not None:
                kept[sent] = self.value(rest, inner, f'{at}["{sent}"]' if at else sent)
            else:
                self.unknown(sent, at)
        return kept

    def packed(self, value: dict[str, Any], at: str) -> Any:
        """A google.protobuf.Any: the message that it names, where the document describes that."""
        name = str(value["@type"]).rpartition("/")[2].split(".")
        if name[:2] == ["google", "protobuf"]:
            return value  # a well-known type stands under `value`, in a form of its own
        names = ("".join(part[:1].upper() + part[1:] for part in name), name[-1])
        schema = next((self.schemas[one] for one in names if one in self.schemas), None)
        inner = {key: one for key, one in value.items() if key != "@type"}
        return value if schema is None else self.object(schema, inner, at)

    def _property(self, kept: dict[str, Any], schema: Schema, name: str, value: Any, at: str) -> None:
        if not self.answer and output_only(schema):
            return
        if value is None:
            if self.keep_null:
                kept[name] = None
            return
        kept[name] = self.value(schema, value, f"{at}.{_snake(name)}" if at else _snake(name))

    def array(self, schema: Schema, value: Any, at: str) -> Any:
        if not isinstance(value, list):
            return self.wrong(at, "list", value)
        items = cast("list[Any]", value)
        return [self.value(schema["items"], item, f"{at}[{number}]") for number, item in enumerate(items)]

    def scalar(self, schema: Schema, kind: str, value: Any, at: str) -> Any:
        if kind == "any":
            return value
        if kind == "boolean":
            return value if isinstance(value, bool) else self.wrong(at, "TYPE_BOOL", value)
        if kind == "number":
            plain = isinstance(value, int | float) and not isinstance(value, bool)
            return value if plain else self.wrong(at, "TYPE_DOUBLE", value)
        if kind == "integer" or schema.get("format") in ("int64", "uint64"):
            return self.integer(schema, kind, value, at)
        if "enum" in schema:
            return self.enum(schema, value, at)
        if not isinstance(value, str):
            return self.wrong(at, "TYPE_STRING", value)
        if self.answer and re.fullmatch(schema.get("pattern", "(?s).*"), value) is None:
            return self.wrong(at, schema["pattern"], value)
        return self.text(schema.get("format", ""), value, at)

    def integer(self, schema: Schema, kind: str, value: Any, at: str) -> Any:
        form = schema.get("format", "int32")
        whole = isinstance(value, int) and not isinstance(value, bool)
        text = isinstance(value, str) and _INTEGER.fullmatch(value) is not None
        if self.answer:
            # What is read back is spelled in one way: int64 as strings, the rest as numbers.
            whole, text = whole and kind == "integer", text and kind != "integer"
        low, high = _RANGES.get(form, _RANGES["int64"])
        if not (whole or text) or not low <= int(value) <= high:
            return self.wrong(at, f"TYPE_{form.upper()}", value)
        return int(value) if kind == "integer" else str(int(value))

    def enum(self, schema: Schema, value: Any, at: str) -> Any:
        names = cast("Sequence[str]", schema["enum"])
        if isinstance(value, int) and not isinstance(value, bool) and not self.answer:
            name = enum_name(names, value)
            return self.wrong(at, "TYPE_ENUM", value) if name is None else name
        if isinstance(value, str):
            # Google's transcoder takes "Keep" and "all-traffic" for KEEP and ALL_TRAFFIC; gcloud relies on it.
            for spelling in (value,) if self.answer else (value, value.upper().replace("-", "_")):
                if spelling in names:
                    return spelling
        return self.wrong(at, "TYPE_ENUM", value)

    def text(self, form: str, value: str, at: str) -> Any:
        checks: Mapping[str, Callable[[str], bool]] = {
            "google-duration": lambda text: _DURATION.fullmatch(text) is not None,
            "google-datetime": lambda text: _DATETIME.fullmatch(text) is not None,
            "date-time": lambda text: _DATETIME.fullmatch(text) is not None,
            "date": lambda text: _DATE.fullmatch(text) is not None,
            "byte": _is_base64,
        }
        if form in checks and not checks[form](value):
            names = {"byte": "TYPE_BYTES", "google-duration": "type.googleapis.com/google.protobuf.Duration"}
            return self.wrong(at, names.get(form, "type.googleapis.com/google.protobuf.Timestamp"), value)
        return value

    def wrong(self, at: str, expected: str, value: Any) -> None:
        shown = f'"{value}"' if isinstance(value, str) else _literal(value)
        self.violations.append((at, f"Invalid value at '{at}' ({expected}), {shown}"))

    def unknown(self, name: str, at: str) -> None:
        where = f" at '{at}'" if at else ""
        text = f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'
        self.violations.append((at, text))


def enum_name(names: Sequence[str], number: int) -> str | None:
    """The name of an enum's number. Documents list names in the order of their numbers; _NUMBERS has the exceptions."""
    if number in _NUMBERS.get(names[0], {}):
        return _NUMBERS[names[0]][number]
    return names[number] if 0 <= number < len(names) else None


def output_only(schema: Schema) -> bool:
    """Whether a property is the server's to say; clients send such fields back, and Google ignores them."""
    if schema.get("readOnly"):
        return True
    text = str(schema.get("description", "")).lower()
    return text.startswith(("output only", "[output only]", "[output-only]", "[outputonly]"))


def check_body(method: Described, body: Any) -> dict[str, Any]:
    """The body without what is output-only, enums as names, int64 as strings. Raises ApiError 400."""
    if not method.request:
        if body:
            first = next(iter(cast("dict[str, Any]", body))) if isinstance(body, dict) else ""
            text = f'Invalid JSON payload received. Unknown name "{first}": Cannot find field.'
            raise bad_request([("", text)])
        return {}
    schema = method.schemas[method.request]
    keep_null = method.api in KEEPS_NULL or (method.api, method.method_id) in CLEARS_BY_NULL
    walk = _Walk(method.schemas, keep_null=keep_null, answer=False)
    if isinstance(body, dict) and not _root(method):
        # What the path binds is a field of the request message too; some clients send it twice.
        known = schema.get("properties", {})
        items = cast("dict[str, Any]", body).items()
        body = {name: value for name, value in items if name in known or name not in method.parameters}
    checked = walk.object(schema, body, _root(method))
    if walk.violations:
        raise bad_request(walk.violations)
    return checked


def check_answer(method: Described, answer: Mapping[str, Any]) -> list[str]:
    """What an answer of ours says that Google's document does not know."""
    if not method.response:
        return [f"{method.method_id} answers nothing, not {sorted(answer)}"] if answer else []
    walk = _Walk(method.schemas, keep_null=False, answer=True)
    walk.object(method.schemas[method.response], answer, "")
    return [text for _, text in walk.violations]


def check_parameters(
    document: Document, method: Described, path: Mapping[str, str], query: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Path and query parameters by name, typed. Raises ApiError 400 on unknown, malformed or missing ones."""
    walk = _Walk(method.schemas, keep_null=False, answer=False)
    params: dict[str, Any] = dict(path)
    for name, text in path.items():
        pattern = str(method.parameters.get(name, {}).get("pattern", "^"))
        if not pattern.startswith("^") and re.fullmatch(pattern, text) is None:
            told = f"Invalid value for field '{name}': '{text}'. Must be a match of regex '{pattern}'"
            raise ApiError(400, told, reason="invalid")
    for sent, given in query:
        undescribed = UNDESCRIBED.get(method.api, frozenset())
        if sent in document.global_parameters or sent in GLOBAL_EXTRA or sent in undescribed:
            params.setdefault(sent, given)
            continue
        name = sent if sent in method.parameters else _camel(sent)
        schema = method.parameters.get(name)
        if schema is None or schema.get("location") != "query":
            text = f'Invalid JSON payload received. Unknown name "{sent}": Cannot bind query parameter. '
            walk.violations.append((sent, text + f"Field '{sent}' could not be found in request message."))
            continue
        value = _parameter(walk, schema, name, given)
        params[name] = [*params.get(name, ()), value] if schema.get("repeated") else value
    if walk.violations:
        raise bad_request(walk.violations)
    missing = [n for n, s in method.parameters.items() if s.get("required") and n not in params]
    if missing:
        raise ApiError(400, f"Required parameter: {missing[0]}", reason="required")
    return params


def _parameter(walk: _Walk, schema: Schema, name: str, text: str) -> Any:
    kind = schema.get("type", "string")
    if kind == "boolean":
        # gcloud writes Python's True and False into its queries.
        lowered = text.lower()
        return lowered == "true" if lowered in ("true", "false") else walk.wrong(name, "TYPE_BOOL", text)
    if "enum" in schema and text.isdigit():
        return walk.enum(schema, int(text), name)
    return walk.scalar(schema, kind, text, name)


def _root(method: Described) -> str:
    if method.api in _ROOTS:
        return _ROOTS[method.api]
    if method.request.endswith("Request") or method.request == "Empty":
        return ""
    # The request message names its body after the resource: Secret -> secret, GoogleCloudRunV2Service -> service.
    return _snake(re.sub(r"^GoogleCloudRunV\d|^GoogleIamV\d|^GoogleDevtools\w+V\d", "", method.request))


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "_" + found[1].lower(), name[:1].lower() + name[1:])


def _literal(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _is_base64(text: str) -> bool:
    plain = text.replace("-", "+").replace("_", "/")
    try:
        base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
