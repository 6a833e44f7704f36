"""The Cloud Run service: MLflow behind nginx, reachable under a URL that is known before it exists."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from reconciler import errors
from reconciler.gcp import containers, operations, run_deletion, vpc_access
from reconciler.gcp import fields as flat
from reconciler.gcp.cloud import Cloud
from reconciler.gcp.proto import as_json, from_json
from reconciler.kind import refuse_foreign
from reconciler.model import Body, Desired, Json, Observed, Ref
from reconciler.resources import (
    artifactregistry_image,
    run_migration,
    secretmanager_secret_iam,
    secretmanager_version,
    storage_bucket_iam,
    vpcaccess_connector,
)
from reconciler.server import logins, secrets, settings
from reconciler.server.naming import Names, label_origins, labels_of, mark_of
from reconciler.spec.deployment import Deployment

TIMEOUT = 60
TEMPLATE = "template."
OPEN = "invokerIamDisabled"  # lets everybody in, past all of IAM
NEW_REVISION = "a new revision starts; requests move to it when it is ready"
WIDER = "changes who can reach the server"
START_SECONDS = 240
"""What Cloud Run allows a start-up probe to take at most; ours looks once a second."""


class Service:
    """`run.service`; its field `ready` is false while the newest revision does not serve."""

    name: str = "run.service"
    api: str = "run.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """The service with its one container; the whole environment is ours."""
        template = _template(deployment, names)
        told = {**settings.EFFECTS, **logins.effects(deployment.auth.mode)}
        body: Body = {
            "ingress": f"INGRESS_TRAFFIC_{_INGRESS[deployment.networking.ingress]}",
            "iapEnabled": deployment.auth.mode == "iap",
            OPEN: False,
            "traffic": ["latest 100%"],
            "ready": True,
            **{f"{TEMPLATE}{key}": value for key, value in template.items()},
            **flat.prefixed("labels", labels_of(deployment)),
        }
        yield Desired(
            ref(names),
            body,
            needs=_needs(deployment, names),
            complete=(f"{TEMPLATE}{containers.ENV}", f"{TEMPLATE}{containers.FILES}"),
            private=tuple(f"{TEMPLATE}{one}" for one in containers.SPOKEN),
            effects={
                "ingress": WIDER,
                OPEN: WIDER,
                "iapEnabled": logins.IAP_ON if deployment.auth.mode == "iap" else logins.IAP_OFF,
                **{f"{TEMPLATE}{key}": NEW_REVISION for key in template},
                **{f"{TEMPLATE}{containers.ENV}{name}": text for name, text in told.items()},
            },
            leaving=frozenset({f"{TEMPLATE}{containers.ENV}MLFLOW_ARTIFACTS_DESTINATION"}),
            mark=mark_of(deployment),
            anchors=_ANCHORS,
            grave={OPEN: frozenset({"true"})} if deployment.auth.asks_iam else {},
            origins=_origins(deployment),
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """The service in the terms of a spec; versioned by its etag, busy while it reconciles."""
        found = cloud.found(f"reading service {ref.short}", lambda: _get(cloud, ref))
        if found is None:
            return None
        service = as_json(found)
        template: dict[str, Any] = service.get("template") or {}
        project_ids = (cloud.project, cloud.project_number)
        fields: dict[str, Json] = {
            **containers.flattened(template, project_ids),
            **vpc_access.flattened(template, ref.name.split("/")[3], project_ids),
            "scaling.minInstanceCount": flat.at(template, "scaling.minInstanceCount") or 0,
            "scaling.maxInstanceCount": flat.at(template, "scaling.maxInstanceCount"),
            "maxInstanceRequestConcurrency": template.get("maxInstanceRequestConcurrency"),
        }
        body: dict[str, Json] = {
            "ingress": service.get("ingress"),
            "iapEnabled": bool(service.get("iapEnabled")),
            OPEN: bool(service.get(OPEN)),
            "traffic": [_traffic(target) for target in flat.items(service, "traffic")],
            "ready": containers.ready(service),
            **{f"{TEMPLATE}{key}": value for key, value in fields.items()},
            **flat.prefixed("labels", service.get("labels")),
        }
        busy = "rolling out" if service.get("reconciling") else ""
        return Observed(ref, body, version=str(service.get("etag", "")), busy=busy)

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Create it and wait until it serves; one that is there already is brought up to date."""
        from google.cloud.run_v2 import Service as Message

        body = desired.body or {}
        service: dict[str, Any] = {}
        _write(service, body, body)
        parent = desired.ref.name.rsplit("/services/", 1)[0]
        about = f"creating service {desired.ref.short}"
        request = {
            "parent": parent,
            "service_id": desired.ref.short,
            "service": from_json(Message, service),
        }
        try:
            operation = cloud.call(
                about, lambda: cloud.run_services.create_service(request=request, retry=None, timeout=TIMEOUT)
            )
        except errors.AlreadyThere:
            observed = self.observe(cloud, desired.ref)
            if observed is None:
                raise
            refuse_foreign(desired, observed)
            different = [field for field, value in body.items() if observed.body.get(field) != value]
            if different or observed.busy:
                self.update(cloud, desired, observed, different)
            return
        _roll_out(cloud, about, operation)

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Read, change *fields*, write back on the etag observed, wait until the new revision serves."""
        about = f"updating service {desired.ref.short}"
        if observed.busy:
            run_deletion.replan_if_leaving(cloud, desired.ref, about)
        if not fields:
            _await_ready(cloud, about, desired.ref)
            return
        services = cloud.api("run", "v2").projects().locations().services()
        # As JSON, not as the library's message: that would drop every field which this version of it does not know.
        live: dict[str, Any] = cloud.call(about, services.get(name=desired.ref.name).execute)
        live["template"].pop("revision", None)
        _write(live, desired.body or {}, fields)
        if "ready" in fields:
            containers.try_again(live["template"])
        request = services.patch(name=desired.ref.name, body={**live, "etag": observed.version})
        operation = cloud.call(about, request.execute)
        _refuse_unready(about, operations.run_done(cloud, about, operation))

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Delete it and wait."""
        run_deletion.delete(
            cloud,
            ref,
            f"deleting service {ref.short}",
            lambda: cloud.run_services.delete_service(name=ref.name, retry=None, timeout=TIMEOUT),
        )


_ELSEWHERE = (
    "this server's runs are there: to begin elsewhere, delete the service yourself, which holds no data"
)
_ANCHORS = {
    f"{TEMPLATE}{containers.SOCKETS}": _ELSEWHERE,
    f"{TEMPLATE}{containers.ENV}MLFLOW_DB_NAME": _ELSEWHERE,
    f"{TEMPLATE}{containers.ENV}MLFLOW_DB_USER": "the tables belong to the user that made them",
}
_INGRESS = {"all": "ALL", "internal": "INTERNAL_ONLY", "internal-and-load-balancer": "INTERNAL_LOAD_BALANCER"}


def ref(names: Names) -> Ref:
    """The deployment's service."""
    return Ref(Service.name, names.service)


def _template(deployment: Deployment, names: Names) -> Body:
    scaling = deployment.scaling
    given = secrets.references_of(deployment)
    environment: Body = {
        **settings.environment(deployment, names),
        **{
            secret.variable: secretmanager_version.pinned(secret.name)
            for secret in secrets.wanted_secrets(deployment, names)
            if secret.serves
        },
        **{one.variable: one.version for one in given if one.variable},
    }
    return {
        "serviceAccount": names.service_account,
        # The second generation starts at one whole CPU.
        "executionEnvironment": f"EXECUTION_ENVIRONMENT_GEN{1 if float(deployment.cpu) < 1 else 2}",
        "timeout": f"{scaling.timeout}s",
        "maxInstanceRequestConcurrency": scaling.concurrency,
        "scaling.minInstanceCount": scaling.min_instances,
        "scaling.maxInstanceCount": scaling.max_instances,
        "containers.image": artifactregistry_image.reference(deployment, names),
        "containers.args": ["serve"],
        "containers.command": [],
        **{f"containers.{name}": None for name in containers.LEFT_OUT},
        "containers.resources.limits.cpu": flat.quantity(deployment.cpu),
        "containers.resources.limits.memory": flat.quantity(deployment.memory),
        "containers.resources.cpuIdle": not scaling.cpu_always_on,
        "containers.resources.startupCpuBoost": scaling.startup_boost,
        containers.PORTS: ["h2c:8080"],
        "containers.startupProbe.tcpSocket.port": 8080,
        "containers.startupProbe.periodSeconds": 1,
        "containers.startupProbe.timeoutSeconds": 1,
        "containers.startupProbe.failureThreshold": START_SECONDS,
        containers.SOCKETS: [names.connection_name],
        **vpcaccess_connector.way_in(deployment, names),
        **{f"{containers.ENV}{name}": value for name, value in environment.items()},
        **{f"{containers.FILES}{one.path}": one.version for one in given if one.path},
    }


def _needs(deployment: Deployment, names: Names) -> tuple[Ref, ...]:
    # All of them: what is no longer wanted loses its grant before the service that still uses it is replaced.
    held = [secret.name for secret in secrets.secrets_of(deployment, names)]
    return (
        *artifactregistry_image.needs(deployment, names),
        run_migration.ref(names),
        storage_bucket_iam.ref(names.bucket),
        *(secretmanager_version.ref(name) for name in held),
        *(secretmanager_secret_iam.ref(name) for name in held),
        *(secretmanager_secret_iam.ref(one.secret) for one in secrets.references_of(deployment)),
        *vpcaccess_connector.needs(deployment, names),
    )


def _origins(deployment: Deployment) -> dict[str, Any]:
    at = deployment.origin
    spelled = {
        "scaling.minInstanceCount": "scaling.min_instances",
        "scaling.maxInstanceCount": "scaling.max_instances",
        "maxInstanceRequestConcurrency": "scaling.concurrency",
        "timeout": "scaling.timeout",
        "containers.image": "image",
        "containers.resources.limits.cpu": "cpu",
        "containers.resources.limits.memory": "memory",
        "containers.resources.cpuIdle": "scaling.cpu_always_on",
        "containers.resources.startupCpuBoost": "scaling.startup_boost",
        containers.SOCKETS: "database.instance",
        **{f"{containers.ENV}{name}": key for name, key in settings.keys(deployment).items()},
        **{f"{containers.FILES}{one.path}": one.key for one in secrets.references_of(deployment)},
    }
    return {
        "": at("name"),
        "ingress": at("networking.ingress"),
        **vpcaccess_connector.way_in_origins(deployment, TEMPLATE),
        **dict.fromkeys(("iapEnabled", OPEN), at("auth.mode")),
        **{f"{TEMPLATE}{field}": at(key) for field, key in spelled.items()},
        **label_origins(deployment),
    }


def _get(cloud: Cloud, ref: Ref) -> Any:
    return cloud.run_services.get_service(name=ref.name, retry=None, timeout=TIMEOUT)


def _traffic(target: dict[str, Any]) -> str:
    latest = target.get("type") == "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    return f"{'latest' if latest else target.get('revision')} {target.get('percent', 0)}%"


def _write(service: dict[str, Any], body: Body, fields: Collection[str]) -> None:
    template: dict[str, Any] = service.setdefault("template", {})
    inner = {field.removeprefix(TEMPLATE): body.get(field) for field in fields if field.startswith(TEMPLATE)}
    containers.write(template, inner, inner)
    for name in ("ingress", "iapEnabled", OPEN):
        if name in fields:
            service[name] = body[name]
    if "traffic" in fields:
        service["traffic"] = [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}]
    labels = flat.under("labels", body, fields)
    if labels:
        service["labels"] = flat.with_map(service.get("labels"), labels)


def _await_ready(cloud: Cloud, about: str, ref: Ref) -> None:
    """Wait for a roll-out that somebody else, or an earlier run, has started."""
    service = operations.await_state(
        cloud,
        about,
        operations.RUN,
        lambda: as_json(cloud.call(about, lambda: _get(cloud, ref))),
        lambda service: "rolling out" if service.get("reconciling") else "",
    )
    _refuse_unready(about, service)


def _roll_out(cloud: Cloud, about: str, operation: Any) -> None:
    """Wait; an operation that is done is not enough, the newest revision must serve."""
    _refuse_unready(about, operations.run_done(cloud, about, operations.begun(operation)))


def _refuse_unready(about: str, service: Mapping[str, Any]) -> None:
    if not containers.ready(service):
        message = flat.at(service, "terminalCondition.message") or "the newest revision is not ready"
        raise errors.OperationFailed(f"{about}: {message}")
