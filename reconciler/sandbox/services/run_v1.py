"""Cloud Run v1: the Knative view of the same services, revisions and jobs, which gcloud uses.

The region is in the host's name (europe-west1-run.googleapis.com) or, on the newer paths, in the path.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.runtime.engine import REVISION, SERVICE
from reconciler.sandbox.services import knative, run_services
from reconciler.sandbox.services import run_resources as common
from reconciler.sandbox.services.run_jobs import JOB
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Method, Request, World

API: Final = "run"
VERSIONS: Final = ("v1",)
_HOST: Final = re.compile(r"([a-z]+-[a-z]+\d+)-run\.")
_SELECTOR: Final = re.compile(r"([\w./-]+)\s*={1,2}\s*([\w.-]*)")


def methods(world: World) -> dict[str, Method]:
    """The emulated methods: below namespaces/ and, for services and revisions, below projects/…/locations/…."""
    found: dict[str, Callable[[World, Request], Mapping[str, Any]]] = {
        "services.create": _create,
        "services.get": _get,
        "services.list": _list,
        "services.replaceService": _replace,
        "services.delete": _delete,
        "revisions.get": _get_revision,
        "revisions.list": _list_revisions,
    }
    policies: dict[str, Callable[[World, Request], Mapping[str, Any]]] = {
        "services.getIamPolicy": run_services.policy,
        "services.setIamPolicy": run_services.set_policy,
        "services.testIamPermissions": run_services.test_permissions,
    }
    jobs: dict[str, Callable[[World, Request], Mapping[str, Any]]] = {
        "jobs.get": _get_job,
        "jobs.list": _list_jobs,
    }

    def bound(function: Callable[[World, Request], Mapping[str, Any]]) -> Method:
        return lambda request: function(world, request)

    regional = {f"projects.locations.{name}": bound(one) for name, one in {**found, **policies}.items()}
    return {**{f"namespaces.{name}": bound(one) for name, one in {**found, **jobs}.items()}, **regional}


def _region(request: Request) -> str:
    """The region asked for; "-" where all are."""
    named = str(request.params.get("name") or request.params.get("parent"))
    parts = named.split("/")
    if parts[0] == "projects":
        return parts[3]
    match = _HOST.match(request.host)
    return match.group(1) if match else "-"


def _full(world: World, request: Request, kind: str) -> str:
    """The full v2 name of the resource that is asked for, looked for in every region where none is named."""
    short = str(request.params["name"]).rsplit("/", 1)[-1]
    region = _region(request)
    for name, _ in world.store.list(kind, f"projects/{request.project}/locations/"):
        parts = name.split("/")
        if parts[-1] == short and region in ("-", parts[3]):
            return name
    word = {SERVICE: "SERVICE", REVISION: "REVISION", JOB: "JOB"}[kind]
    raise common.missing(word, f"projects/{request.project}/locations/{region}/x/{short}")


def _number(world: World, request: Request) -> str:
    project = world.projects.get(request.project)
    return project.number if project else request.project


def _shown(world: World, request: Request, name: str) -> Body:
    return knative.service(run_services.find(world, name), _number(world, request))


def _get(world: World, request: Request) -> Body:
    return _shown(world, request, _full(world, request, SERVICE))


def _list(world: World, request: Request) -> Body:
    items = [
        knative.service(stored["resource"], _number(world, request))
        for stored in _stored(world, request, SERVICE)
    ]
    return _listed("serving.knative.dev/v1", "ServiceList", [one for one in items if _selected(one, request)])


def _create(world: World, request: Request) -> Body:
    region = _region(request)
    short = str(request.body.get("metadata", {}).get("name", ""))
    if region == "-":
        raise ApiError(400, "The region is missing: it is in the host's name, REGION-run.googleapis.com.")
    name = f"projects/{request.project}/locations/{region}/services/{short}"
    params = {"parent": f"projects/{request.project}/locations/{region}", "serviceId": short}
    translated = dataclasses.replace(
        request, body=knative.service_fields(request.body), params={**params, **_dry(request)}
    )
    operation = run_services.create(world, translated)
    return _after(world, request, name, operation)


def _replace(world: World, request: Request) -> Body:
    name = _full(world, request, SERVICE)
    current = run_services.find(world, name)
    metadata = request.body.get("metadata", {})
    common.check_etag(metadata.get("resourceVersion"), current, name)
    fields = knative.service_fields(request.body)
    translated = dataclasses.replace(request, body=fields, params={"name": name, **_dry(request)})
    operation = run_services.change(world, translated, current, fields)
    return _after(world, request, name, operation)


def _dry(request: Request) -> dict[str, Any]:
    return {"validateOnly": True} if request.params.get("dryRun") == "all" else {}


def _after(world: World, request: Request, name: str, operation: Mapping[str, Any]) -> Body:
    """v1 answers with the service itself, not with the operation that changes it."""
    if _dry(request):
        resource = {**operation["response"], "terminalCondition": common.condition(world, "Ready", "PENDING")}
        return knative.service(resource, _number(world, request))
    return _shown(world, request, name)


def _delete(world: World, request: Request) -> Body:
    name = _full(world, request, SERVICE)
    run_services.delete(world, dataclasses.replace(request, params={"name": name, **_dry(request)}))
    details = {"name": name.rsplit("/", 1)[-1], "group": "serving.knative.dev", "kind": "services"}
    return {"status": "Success", "details": details}


def _get_revision(world: World, request: Request) -> Body:
    stored = world.store.get(REVISION, _full(world, request, REVISION))
    if stored is None:
        raise ApiError(404, "The revision was deleted.")
    return knative.revision(stored["resource"], _number(world, request))


def _list_revisions(world: World, request: Request) -> Body:
    found = [
        knative.revision(stored["resource"], _number(world, request))
        for stored in _stored(world, request, REVISION)
    ]
    found.sort(key=lambda one: one["metadata"]["creationTimestamp"], reverse=True)
    return _listed(
        "serving.knative.dev/v1", "RevisionList", [one for one in found if _selected(one, request)]
    )


def _get_job(world: World, request: Request) -> Body:
    resource = world.store.get(JOB, _full(world, request, JOB))
    if resource is None:
        raise ApiError(404, "The job was deleted.")
    return knative.job(resource, _number(world, request))


def _list_jobs(world: World, request: Request) -> Body:
    items = [knative.job(resource, _number(world, request)) for resource in _stored(world, request, JOB)]
    return _listed(
        "run.googleapis.com/v1", "ListJobsResponse", [one for one in items if _selected(one, request)]
    )


def _stored(world: World, request: Request, kind: str) -> list[Body]:
    region = _region(request)
    found = world.store.list(kind, f"projects/{request.project}/locations/")
    return [body for name, body in found if region in ("-", name.split("/")[3])]


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


def _listed(version: str, kind: str, items: list[Body]) -> Body:
    return {"apiVersion": version, "kind": kind, "metadata": {}, **({"items": items} if items else {})}
