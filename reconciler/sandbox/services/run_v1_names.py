"""What the methods of Cloud Run v1 share: regions in hosts, names looked up, labels selected, lists, dry runs."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.services import run_resources as common
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Method, Request, World

_HOST: Final = re.compile(r"([a-z]+-[a-z]+\d+)-run\.")
_SELECTOR: Final = re.compile(r"([\w./-]+)\s*={1,2}\s*([\w.-]*)")
Function = Callable[[World, Request], Mapping[str, Any]]
_WORDS: Final = {"run.execution": "EXECUTION", "run.job": "JOB", "run.revision": "REVISION", "run.service": "SERVICE",
                 "run.task": "TASK"}  # fmt: skip


def bound(world: World, found: Mapping[str, Function], *places: str) -> dict[str, Method]:
    """The methods below each of `places` ("namespaces"), as the framework calls them."""

    def method(function: Function) -> Method:
        return lambda request: function(world, request)

    return {f"{place}.{name}": method(function) for place in places for name, function in found.items()}


def region(request: Request) -> str:
    """The region asked for; "-" where all are."""
    named = str(request.params.get("name") or request.params.get("parent"))
    parts = named.split("/")
    if parts[0] == "projects":
        return parts[3]
    match = _HOST.match(request.host)
    return match.group(1) if match else "-"


def one_region(request: Request) -> str:
    """The region in which something is to be made. Raises ApiError 400 where none is named."""
    found = region(request)
    if found == "-":
        raise ApiError(400, "The region is missing: it is in the host's name, REGION-run.googleapis.com.")
    return found


def number(world: World, request: Request) -> str:
    """The project's number, which v1 calls the namespace."""
    project = world.projects.get(request.project)
    return project.number if project else request.project


def full(world: World, request: Request, kind: str) -> str:
    """The full v2 name of the resource that is asked for, looked for in every region where none is named."""
    short = str(request.params["name"]).rsplit("/", 1)[-1]
    where = region(request)
    for name, _ in world.store.list(kind, f"projects/{request.project}/locations/"):
        parts = name.split("/")
        if parts[-1] == short and where in ("-", parts[3]):
            return name
    raise common.missing(_WORDS[kind], f"projects/{request.project}/locations/{where}/x/{short}")


def stored(world: World, request: Request, kind: str) -> list[Body]:
    """What the store has of a kind in the region asked for."""
    where = region(request)
    found = world.store.list(kind, f"projects/{request.project}/locations/")
    return [body for name, body in found if where in ("-", name.split("/")[3])]


def dry(request: Request) -> dict[str, Any]:
    """The parameter of v2 that says what dryRun=all says."""
    return {"validateOnly": True} if request.params.get("dryRun") == "all" else {}


def listed(version: str, kind: str, items: Sequence[Body], request: Request) -> Body:
    """A list object of those that the labelSelector chooses, in pages of `limit` with `continue`."""
    chosen = [one for one in items if _selected(one, request)]
    begin, limit = int(request.params.get("continue") or 0), int(request.params.get("limit") or 0)
    end = begin + limit if limit else len(chosen)
    more = {"continue": str(end)} if end < len(chosen) else {}
    page = chosen[begin:end]
    return {"apiVersion": version, "kind": kind, "metadata": more, **({"items": page} if page else {})}


def deleted(name: str, group: str, plural: str) -> Body:
    """What v1 answers to a deletion."""
    details = {"name": name.rsplit("/", 1)[-1], "group": group, "kind": plural}
    return {"status": "Success", "details": details}


def _selected(resource: Mapping[str, Any], request: Request) -> bool:
    """Whether the labelSelector, equalities joined by commas, holds."""
    labels: Mapping[str, str] = resource["metadata"]["labels"]
    for clause in str(request.params.get("labelSelector", "")).split(","):
        match = _SELECTOR.fullmatch(clause.strip())
        if clause.strip() and match is None:
            raise ApiError(
                400, f"The sandbox does not understand the selector {clause!r}.", reason="sandboxNotEmulated"
            )
        if match is not None and labels.get(match.group(1)) != match.group(2):
            return False
    return True
