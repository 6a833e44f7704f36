"""The regions of Cloud Run, as of 2026 ("Cloud Run locations"), and the list that gcloud shows of them."""

from collections.abc import Mapping
from typing import Any, Final

from reconciler.sandbox.paging import listed
from reconciler.sandbox.world import Method, Request, World

API: Final = "run"
VERSIONS: Final = ("v1",)
REGIONS: Final = (
    "africa-south1", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2", "asia-northeast3",
    "asia-south1", "asia-south2", "asia-southeast1", "asia-southeast2", "asia-southeast3", "australia-southeast1",
    "australia-southeast2", "europe-central2", "europe-north1", "europe-north2", "europe-southwest1", "europe-west1",
    "europe-west10", "europe-west12", "europe-west2", "europe-west3", "europe-west4", "europe-west6", "europe-west8",
    "europe-west9", "me-central1", "me-central2", "me-west1", "northamerica-northeast1", "northamerica-northeast2",
    "northamerica-south1", "southamerica-east1", "southamerica-west1", "us-central1", "us-east1", "us-east4",
    "us-east5", "us-south1", "us-west1", "us-west2", "us-west3", "us-west4",
)  # fmt: skip


def methods(world: World) -> dict[str, Method]:
    """The emulated methods."""
    del world
    return {"projects.locations.list": _list}


def _list(request: Request) -> Mapping[str, Any]:
    items = [(region, _location(request.project, region)) for region in REGIONS]
    return listed("locations", items, request.params, default=100, most=1000)


def _location(project: str, region: str) -> dict[str, Any]:
    return {
        "name": f"projects/{project}/locations/{region}",
        "locationId": region,
        "labels": {"cloud.googleapis.com/region": region},
    }
