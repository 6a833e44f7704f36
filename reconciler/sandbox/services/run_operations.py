"""Operations of Cloud Run, listed; they are read and waited for like those of every other API."""

from typing import Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import listed
from reconciler.sandbox.services import run_resources as common
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Request, World

FILTERS: Final = {"": (False, True), "done:true": (True,), "done:false": (False,)}
"""The filters that the API's document names, and which operations they leave."""


def listing(world: World, request: Request) -> Body:
    """operations.list of one region."""
    wanted = str(request.params.get("filter", "")).replace(" ", "")
    if wanted not in FILTERS:
        raise ApiError(400, f"Invalid filter: {wanted}. It must be empty, done:true or done:false.")
    found = [
        (wire["name"], wire)
        for wire in world.operations.list(f"{common.parent_of(request)}/operations/")
        if str(wire.get("metadata", {}).get("@type", "")).startswith(common.TYPE)
        and bool(wire.get("done")) in FILTERS[wanted]
    ]
    return listed("operations", found, request.params, default=100, most=1000)
