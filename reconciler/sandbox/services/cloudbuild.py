"""Cloud Build: builds of a Dockerfile from an uploaded source, really made and pushed to the sandbox's registry."""

import base64
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.paging import listed
from reconciler.sandbox.seeding import account_exists
from reconciler.sandbox.services.cloudbuild_logs import BUILD, default_bucket
from reconciler.sandbox.services.cloudbuild_work import RUN, TYPE, image_of, register, resolve_source
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Method, Request, World

API: Final = "cloudbuild"
VERSIONS: Final = ("v1",)
WRITABLE: Final = (
    "artifacts", "images", "logsBucket", "options", "queueTtl", "serviceAccount", "source", "steps", "substitutions",
    "tags", "timeout",
)  # fmt: skip
_BUILDER: Final = re.compile(r"(gcr\.io/cloud-builders/docker|docker)(:[\w.-]+)?")
_FILTER: Final = re.compile(r'(status|id|tags)\s*=\s*"?([\w./:-]+)"?')


def methods(world: World) -> dict[str, Method]:
    """The emulated methods, of the old global paths and of the regional ones."""
    register(world)
    found: dict[str, Callable[[World, Request], Mapping[str, Any]]] = {
        "create": _create,
        "get": _find,
        "list": _list,
        "cancel": _cancel,
    }

    def bound(function: Callable[[World, Request], Mapping[str, Any]]) -> Method:
        return lambda request: function(world, request)

    places = ("projects.builds", "projects.locations.builds")
    return {f"{place}.{name}": bound(function) for place in places for name, function in found.items()}


def _region(request: Request) -> str:
    named = str(request.params.get("parent") or request.params.get("name") or "")
    parts = named.split("/")
    return parts[3] if len(parts) > 3 and parts[2] == "locations" else "global"


def _create(world: World, request: Request) -> Mapping[str, Any]:
    sent = {field: request.body[field] for field in WRITABLE if field in request.body}
    _check(world, request, sent)
    region, identity = _region(request), str(uuid.uuid4())
    project = world.projects.get(request.project)
    number = project.number if project else ""
    place = f"projects/{number}/locations/{region}/builds/{identity}"
    account = (
        sent.get("serviceAccount") or f"projects/{request.project}/serviceAccounts/{_default(world, request)}"
    )
    build: Body = {
        "timeout": "600s",
        "queueTtl": "3600s",
        **sent,
        **default_bucket(world, request.project, number, sent),
        "id": identity,
        "name": place,
        "projectId": request.project,
        "status": "QUEUED",
        "createTime": world.now(),
        "serviceAccount": account,
        "logUrl": f"https://console.cloud.google.com/cloud-build/builds;region={region}/{identity}?project={number}",
        "artifacts": {**sent.get("artifacts", {}), "images": sent.get("images", [])},
    }
    resolve_source(world, build)
    stored = f"projects/{request.project}/locations/{region}/builds/{identity}"
    # Builds of every region have operations of this one form, without a location, as Google's samples show them.
    name = f"operations/build/{request.project}/{base64.b64encode(identity.encode()).decode()}"
    metadata = {"@type": f"{TYPE}BuildOperationMetadata", "build": build}
    with world.store.transaction():
        world.store.create(BUILD, stored, build)
        return world.operations.start(RUN, name, {"name": stored}, wire={"metadata": metadata})


def _default(world: World, request: Request) -> str:
    project = world.projects.get(request.project)
    return project.compute_account if project else ""


def _check(world: World, request: Request, sent: Mapping[str, Any]) -> None:
    steps: Sequence[Mapping[str, Any]] = sent.get("steps", ())
    if not steps:
        raise ApiError(400, "invalid build: at least one build step is required")
    for step in steps:
        arguments: Sequence[str] = step.get("args", ())
        if not _BUILDER.fullmatch(str(step.get("name", ""))) or step.get("script") or step.get("entrypoint"):
            raise _not_emulated(f"the build step {step.get('name')}")
        if arguments[:1] != ["build"] and list(arguments[:2]) != ["buildx", "build"]:
            raise _not_emulated(f"docker {' '.join(arguments[:1])}")
    if set(sent.get("source", {})) != {"storageSource"}:
        raise _not_emulated("builds without a source in Cloud Storage")
    if sent.get("substitutions"):
        raise _not_emulated("substitutions")
    for image in sent.get("images", ()):
        if image_of(image) is None:
            raise ApiError(400, f'invalid build: invalid image name "{image}"')
    _check_account(world, request, sent)


def _check_account(world: World, request: Request, sent: Mapping[str, Any]) -> None:
    account = sent.get("serviceAccount")
    if not account:
        return
    options: Mapping[str, Any] = sent.get("options", {})
    elsewhere = options.get("logging") in ("CLOUD_LOGGING_ONLY", "NONE")
    own = options.get("defaultLogsBucketBehavior") == "REGIONAL_USER_OWNED_BUCKET"
    if not (elsewhere or own or sent.get("logsBucket")):
        raise ApiError(
            400,
            "invalid argument: if 'build.service_account' is specified, the build must either (a) specify "
            "'build.logs_bucket', (b) use the REGIONAL_USER_OWNED_BUCKET build.options.default_logs_bucket_behavior "
            "option, or (c) use either CLOUD_LOGGING_ONLY / NONE logging options",
        )
    email = str(account).rsplit("/", 1)[-1]
    places = [f"projects/{request.project}/serviceAccounts/{email}", f"projects/{request.project}"]
    allowed = world.policies.allowed(request.caller, "iam.serviceAccounts.actAs", places)
    if not account_exists(world.store, email) or not allowed:
        text = f"caller does not have permission to act as service account {account}"
        raise ApiError(403, text)


def _not_emulated(what: str) -> ApiError:
    return ApiError(400, f"The sandbox does not emulate {what}.", reason="sandboxNotEmulated")


def _find(world: World, request: Request) -> Body:
    """The build that is asked for; the old path finds builds of every region."""
    identity = str(request.params.get("id") or str(request.params.get("name", "")).rsplit("/", 1)[-1])
    prefix = f"projects/{request.project}/locations/"
    for name, build in world.store.list(BUILD, prefix):
        if build["id"] == identity and (
            "locations" not in request.method_id or name.split("/")[3] == _region(request)
        ):
            return build
    raise ApiError(404, "Requested entity was not found.")


def _list(world: World, request: Request) -> Mapping[str, Any]:
    region = _region(request)
    wanted = str(request.params.get("filter", ""))
    clauses = [_FILTER.fullmatch(clause.strip()) for clause in wanted.split(" AND ")] if wanted else []
    if None in clauses:
        raise ApiError(
            400, f"The sandbox does not understand the filter {wanted!r}.", reason="sandboxNotEmulated"
        )
    found = [
        build
        for _, build in world.store.list(BUILD, f"projects/{request.project}/locations/{region}/builds/")
        if all(_matches(build, clause[1], clause[2]) for clause in clauses if clause)
    ]
    found.sort(key=lambda build: build["createTime"], reverse=True)
    items = [(f"{place:06}", build) for place, build in enumerate(found)]
    return listed("builds", items, request.params, default=50, most=1000)


def _matches(build: Mapping[str, Any], field: str, value: str) -> bool:
    return value in build.get("tags", ()) if field == "tags" else build.get(field) == value


def _cancel(world: World, request: Request) -> Mapping[str, Any]:
    build = _find(world, request)
    if build["status"] not in ("QUEUED", "WORKING"):
        raise ApiError(400, "The build is already finished.", rpc_status="FAILED_PRECONDITION")
    parts = build["name"].split("/")
    stored = "/".join(["projects", request.project, *parts[2:]])
    now = world.now()
    return world.store.update(BUILD, stored, lambda body: {**body, "status": "CANCELLED", "finishTime": now})
