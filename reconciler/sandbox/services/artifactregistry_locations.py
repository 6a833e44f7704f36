"""Where Artifact Registry keeps repositories: the regions, and the multi-regions asia, europe and us."""

from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import listed
from reconciler.sandbox.services.run_regions import REGIONS
from reconciler.sandbox.world import Method, Request, World

API: Final = "artifactregistry"
VERSIONS: Final = ("v1", "v1beta2")
LOCATIONS: Final = (*REGIONS, "asia", "europe", "us")


def methods(world: World) -> dict[str, Method]:
    """The emulated methods; gcloud asks for the list in v1beta2."""
    del world
    return {"projects.locations.get": _get, "projects.locations.list": _list}


def _get(request: Request) -> Mapping[str, Any]:
    location = str(request.params["name"]).rsplit("/", 1)[-1]
    if location not in LOCATIONS:
        raise ApiError(404, "Requested entity was not found.")
    return _location(request.project, location)


def _list(request: Request) -> Mapping[str, Any]:
    items = [(location, _location(request.project, location)) for location in sorted(LOCATIONS)]
    return listed("locations", items, request.params, default=100, most=1000)


def _location(project: str, location: str) -> dict[str, Any]:
    return {"name": f"projects/{project}/locations/{location}", "locationId": location}
