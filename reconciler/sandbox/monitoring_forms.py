"""What the resources of Cloud Monitoring share: names, records of change, masks, filters, and how they are shown.

Answers follow proto3: what is false, zero, empty or the first value of its enum is left out, but for what has presence
of its own (`enabled` and the counts of a trigger).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from reconciler.sandbox import labels
from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.iam.identities import ANONYMOUS
from reconciler.sandbox.paging import listed
from reconciler.sandbox.store import Body, inner
from reconciler.sandbox.world import Request, World

KEPT: Final = frozenset({"enabled", "count", "percent"})
"""Fields that are shown whatever they hold."""
ZEROS: Final = frozenset({"REDUCE_NONE", "ALIGN_NONE"})
_TERM: Final = re.compile(r"(?P<field>[a-z_]+(?:\.[\w-]+|\.\"[\w-]+\")?)\s*=\s*\"(?P<value>[^\"]*)\"")


def plain(value: Any) -> Any:
    """*value* without what proto3 leaves out."""
    if isinstance(value, list):
        return [plain(item) for item in cast("list[Any]", value)]
    if not isinstance(value, Mapping):
        return value
    shown = {key: plain(item) for key, item in cast("Mapping[str, Any]", value).items()}
    return {key: item for key, item in shown.items() if key in KEPT or not _is_default(item)}


def _is_default(value: Any) -> bool:
    if isinstance(value, str):
        return value in ("", "0") or value in ZEROS or value.endswith("_UNSPECIFIED")
    return value is None or value is False or value in (0, [], {})


def fresh_id() -> str:
    """A new resource's number, as Monitoring assigns them: 19 digits."""
    return str(10**18 + secrets.randbelow(9 * 10**18))


def record(world: World, request: Request) -> dict[str, str]:
    """When something was changed, and by whom."""
    who = request.caller if request.caller == ANONYMOUS else request.caller.partition(":")[2]
    return {"mutateTime": world.now(), "mutatedBy": who}


def collection(request: Request, word: str) -> str:
    """The place of a project's resources: "projects/p/alertPolicies/"."""
    return f"projects/{request.project}/{word}/"


def key(request: Request, word: str) -> str:
    """The name of the resource that a request is about, by project id."""
    return collection(request, word) + str(request.params["name"]).rpartition("/")[2]


def masked(old: Body, sent: Mapping[str, Any], mask: str) -> Body:
    """*old* with the fields of *mask* ("a,b.c") as *sent* has them: what it has not is cleared."""
    fresh = dict(old)
    for path in filter(None, mask.split(",")):
        fresh = _placed(fresh, sent, [labels.camel(part) for part in path.strip().split(".")])
    return fresh


def _placed(old: Mapping[str, Any], sent: Mapping[str, Any], path: Sequence[str]) -> Body:
    field, *below = path
    value = _placed(inner(old, field), inner(sent, field), below) if below else sent.get(field)
    kept = {name: known for name, known in old.items() if name != field}
    return kept if value in (None, {}) else {**kept, field: value}


def check_labels(root: str, sent: Mapping[str, Any]) -> None:
    """Raise ApiError 400 where a user label breaks the rules."""
    for name, value in inner(sent, "userLabels").items():
        if not labels.is_key(name) or not labels.is_value(value):
            raise invalid(
                f"{root}.user_labels", f"{name}:{value}", "Labels must be lowercase letters, digits, _ and -."
            )


def invalid(field: str, value: str, why: str) -> ApiError:
    """Monitoring's 400: which field, what it holds, and why that cannot be."""
    return ApiError(400, f'Field {field} had an invalid value of "{value}": {why}')


def page(request: Request, word: str, shown: Mapping[str, Body]) -> dict[str, Any]:
    """The answer of a list method: what of *shown* (by name) the filter lets through."""
    wanted = str(request.params.get("filter", ""))
    items = [(name, body) for name, body in shown.items() if _passes(body, wanted)]
    total = {"totalSize": len(items)} if items else {}
    return {**listed(word, items, request.params, default=1000, most=1000), **total}


def _passes(body: Body, wanted: str) -> bool:
    for term in filter(None, re.split(r"\s+(?:AND|and)\s+", wanted.strip())):
        found = _TERM.fullmatch(term)
        if found is None:
            text = f"The sandbox does not understand the filter {term!r}."
            raise ApiError(400, text, reason="sandboxNotEmulated")
        field, _, label = found["field"].partition(".")
        value: Any = body.get(labels.camel(field))
        if label and isinstance(value, Mapping):
            value = cast("Mapping[str, Any]", value).get(label.strip('"'))
        if value != found["value"]:
            return False
    return True
