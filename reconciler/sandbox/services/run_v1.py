"""Cloud Run v1: the Knative view of the same services and revisions, which gcloud uses.

The region is in the host's name (europe-west1-run.googleapis.com) or, on the newer paths, in the path.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.runtime.engine import REVISION, SERVICE
from reconciler.sandbox.services import knative, run_revisions, run_services
from reconciler.sandbox.services import run_resources as common
from reconciler.sandbox.services import run_v1_names as names
from reconciler.sandbox.services.knative import SERVING
from reconciler.sandbox.services.run_v1_names import Function
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Method, Request, World

API: Final = "run"
VERSIONS: Final = ("v1",)


def methods(world: World) -> dict[str, Method]:
    """The emulated methods: below namespaces/ and below projects/…/locations/…."""
    found: dict[str, Function] = {
        "services.create": _create,
        "services.get": _get,
        "services.list": _list,
        "services.replaceService": _replace,
        "services.delete": _delete,
        "revisions.get": _get_revision,
        "revisions.list": _list_revisions,
        "revisions.delete": _delete_revision,
    }
    policies: dict[str, Function] = {
        "services.getIamPolicy": run_services.policy,
        "services.setIamPolicy": run_services.set_policy,
        "services.testIamPermissions": run_services.test_permissions,
    }
    everywhere = names.bound(world, found, "namespaces", "projects.locations")
    return {**everywhere, **names.bound(world, policies, "projects.locations")}


def _shown(world: World, request: Request, name: str) -> Body:
    return knative.service(run_services.find(world, name), names.number(world, request))


def _get(world: World, request: Request) -> Body:
    return _shown(world, request, names.full(world, request, SERVICE))


def _list(world: World, request: Request) -> Body:
    number = names.number(world, request)
    items = [knative.service(one["resource"], number) for one in names.stored(world, request, SERVICE)]
    return names.listed(f"{SERVING}/v1", "ServiceList", items, request)


def _create(world: World, request: Request) -> Body:
    place = f"projects/{request.project}/locations/{names.one_region(request)}"
    short = str(request.body.get("metadata", {}).get("name", ""))
    translated = dataclasses.replace(
        request,
        body=knative.service_fields(request.body, place),
        params={"parent": place, "serviceId": short, **names.dry(request)},
    )
    operation = run_services.create(world, translated)
    return _after(world, request, f"{place}/services/{short}", operation)


def _replace(world: World, request: Request) -> Body:
    name = names.full(world, request, SERVICE)
    current = run_services.find(world, name)
    metadata = request.body.get("metadata", {})
    common.check_etag(metadata.get("resourceVersion"), current, name)
    fields = knative.service_fields(request.body, name.partition("/services/")[0])
    translated = dataclasses.replace(request, body=fields, params={"name": name, **names.dry(request)})
    operation = run_services.change(world, translated, current, fields)
    return _after(world, request, name, operation)


def _after(world: World, request: Request, name: str, operation: Mapping[str, Any]) -> Body:
    """v1 answers with the service itself, not with the operation that changes it."""
    if names.dry(request):
        resource = {"terminalCondition": common.waiting(), **operation["response"]}
        return knative.service(resource, names.number(world, request))
    return _shown(world, request, name)


def _delete(world: World, request: Request) -> Body:
    name = names.full(world, request, SERVICE)
    run_services.delete(world, dataclasses.replace(request, params={"name": name, **names.dry(request)}))
    return names.deleted(name, SERVING, "services")


def _revision(world: World, request: Request, stored: Mapping[str, Any]) -> Body:
    number = names.number(world, request)
    return knative.revision(stored["resource"], number, str(stored.get("serviceGeneration", "1")))


def _get_revision(world: World, request: Request) -> Body:
    name = names.full(world, request, REVISION)
    stored = world.store.get(REVISION, name)
    if stored is None:
        raise common.missing("REVISION", name)
    return _revision(world, request, stored)


def _list_revisions(world: World, request: Request) -> Body:
    items = [_revision(world, request, one) for one in names.stored(world, request, REVISION)]
    items.sort(key=lambda one: one["metadata"]["creationTimestamp"], reverse=True)
    return names.listed(f"{SERVING}/v1", "RevisionList", items, request)


def _delete_revision(world: World, request: Request) -> Body:
    name = names.full(world, request, REVISION)
    run_revisions.delete(world, dataclasses.replace(request, params={"name": name, **names.dry(request)}))
    return names.deleted(name, SERVING, "revisions")
