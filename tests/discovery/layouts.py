"""How people set MLflow up on Google Cloud by hand: five layouts, as public descriptions of them have it.

Each is made by the calls that gcloud or the console would send. The image is Google's sample: what runs in it is not
looked at, only how it was set up. `tests/scenarios/test_by_hand.py` has one of them with its own image and real data.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from tests.sandbox.calls import Cloud, new_project

APIS = (
    "cloudresourcemanager", "compute", "iam", "run", "secretmanager", "servicenetworking", "sqladmin", "storage",
    "vpcaccess",
)  # fmt: skip
SAMPLE = "us-docker.pkg.dev/cloudrun/container/hello"
DEFAULT_ACCOUNT = "{N}-compute@developer.gserviceaccount.com"


@dataclass(frozen=True)
class Layout:
    """What somebody made. P stands for the project in every text, N for its number.

    *said* is what the spec then says, by dotted keys; *told* are words that its comments have.
    """

    region: str
    service: str
    container: Mapping[str, Any]
    instance: Mapping[str, Any]
    databases: tuple[str, ...]
    users: tuple[str, ...]
    bucket: Mapping[str, Any]
    said: Mapping[str, Any]
    told: tuple[str, ...] = ()
    template: Mapping[str, Any] = field(default_factory=dict[str, Any])
    invokers: tuple[str, ...] = ("allUsers",)
    objects: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    accounts: tuple[str, ...] = ()
    network: str = ""


def _socket(instance: str, region: str) -> dict[str, Any]:
    return {
        "volumes": [{"name": "cloudsql", "cloudSqlInstance": {"instances": [f"{{P}}:{region}:{instance}"]}}]
    }


_MOUNTED = {"volumeMounts": [{"name": "cloudsql", "mountPath": "/cloudsql"}]}
_PLAIN = {"databaseVersion": "POSTGRES_15", "settings": {"tier": "db-f1-micro", "edition": "ENTERPRISE"}}

LAYOUTS: Mapping[str, Layout] = {
    "nginx asks for a password, a folder of a bucket": Layout(
        region="europe-west1",
        service="mlflow-server",
        container={
            "env": [
                {
                    "name": "BACKEND_STORE_URI",
                    "value": "postgresql://mlflow:s3cr%40t@/tracking?host=/cloudsql/{P}:europe-west1:potato",
                },
                {"name": "ARTIFACT_ROOT", "value": "gs://{P}-data/mlflow"},
                {"name": "MLFLOW_TRACKING_USERNAME", "value": "team"},
                {"name": "MLFLOW_TRACKING_PASSWORD", "value": "s3cret-of-the-team"},
                *(
                    {"name": name, "value": value}
                    for name, value in {
                        "MLFLOW_PASS": "s3cret",
                        "MLFLOW_DB_DSN": "host=h password=s3cret",
                        "MLFLOW_ENCRYPTION_KEY": "s3cret",
                        "MLFLOW_HTTP_AUTH": "Basic s3cret",
                        "OIDC_DISCOVERY_URL": "https://u:s3cret@idp.example/",
                        "FRONT_PASSWORD": "s3cret",
                        "MLFLOW_DB_HOST": "h:s3cret@10.0.0.9",
                        "MLFLOW_LOGGING_LEVEL": "DEBUG",
                    }.items()
                ),
                {"name": "MLFLOW_SERVER_ALLOWED_HOSTS", "value": "mlflow.acme.example,localhost,*.run.app"},
            ],
            "resources": {"limits": {"memory": "2Gi", "cpu": "1"}},
            **_MOUNTED,
        },
        template=_socket("potato", "europe-west1"),
        instance={**_PLAIN, "name": "potato"},
        databases=("tracking",),
        users=("mlflow",),
        bucket={"name": "{P}-data", "location": "EUROPE-WEST1"},
        objects=("mlflow/1/model", "sales/2025.csv"),
        accounts=("mlflow-app",),
        said={
            "auth.mode": "basic",
            "auth.username": "team",
            "server.env.MLFLOW_LOGGING_LEVEL": "DEBUG",
            "memory": "2Gi",
            "database.instance": "potato",
            "database.name": "tracking",
            "artifacts.bucket": "{P}-data",
            "artifacts.existing": True,
            "artifacts.folder": "mlflow",
        },
        told=("not MLflow's alone", '"mlflow.acme.example"] the names that clients may know it by'),
    ),
    "two scripts, everybody may call it": Layout(
        region="europe-west9",
        service="mlflow-tracking",
        container={
            "env": [
                {
                    "name": "DB_URI",
                    "value": "postgresql+psycopg2://mlflow-bek:s3cret@/mlflow?host=/cloudsql/{P}:europe-west9:mlflow-db",
                },
                {"name": "ARTIFACT_ROOT", "value": "gs://{P}-mlflow-artifacts/artifacts"},
            ],
            "resources": {"limits": {"memory": "1Gi", "cpu": "1000m"}, "cpuIdle": True},
            **_MOUNTED,
        },
        template={**_socket("mlflow-db", "europe-west9"), "scaling": {"maxInstanceCount": 10}},
        instance={
            "name": "mlflow-db",
            "databaseVersion": "POSTGRES_15",
            "settings": {
                "tier": "db-f1-micro",
                "edition": "ENTERPRISE",
                "backupConfiguration": {"enabled": True, "startTime": "05:00"},
                "maintenanceWindow": {"day": 6, "hour": 2},
            },
        },
        databases=("mlflow",),
        users=("mlflow-bek",),
        bucket={
            "name": "{P}-mlflow-artifacts",
            "location": "EUROPE-WEST9",
            "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 90}}]},
        },
        said={
            "auth.mode": "basic",
            "scaling.max_instances": 3,
            "database.user": "mlflow-bek",
            "database.version": 15,
            "database.backups.start_time": "05:00",
            "database.maintenance.day": "saturday",
            "database.maintenance.hour": 2,
            "artifacts.bucket": "{P}-mlflow-artifacts",
            "artifacts.folder": "artifacts",
        },
        told=(
            "everything goes after 90 days",
            "it may have 10, for which its database has too few connections",
        ),
    ),
    "all in secrets, the database open to the world": Layout(
        region="us-central1",
        service="mlflow-runner",
        container={
            "ports": [{"containerPort": 5000}],
            "env": [
                {"name": name, "valueSource": {"secretKeyRef": {"secret": secret, "version": "latest"}}}
                for name, secret in {
                    "POSTGRESQL_URL": "DB_url",
                    "STORAGE_URL": "bucket_url",
                    "MLFLOW_ID": "mlflow_id",
                    "MLFLOW_PASS": "mlflow_pass",
                }.items()
            ],
            "volumeMounts": [{"name": "key", "mountPath": "/secrets"}],
            "resources": {"limits": {"memory": "2Gi", "cpu": "1"}},
        },
        template={
            "volumes": [
                {
                    "name": "key",
                    "secret": {
                        "secret": "mlflow_runner_key",
                        "items": [{"path": "credentials", "version": "latest"}],
                    },
                }
            ]
        },
        instance={
            "name": "mlflow-backend-db",
            "databaseVersion": "POSTGRES_15",
            "settings": {
                "tier": "db-custom-1-3840",
                "edition": "ENTERPRISE",
                "ipConfiguration": {"authorizedNetworks": [{"value": "0.0.0.0/0"}]},
            },
        },
        databases=("mlflow",),
        users=(),
        bucket={"name": "{P}-mlflow-sample-bucket", "location": "US"},
        secrets={
            "mlflow_runner_key": '{"private_key": "s3cret"}',
            "DB_url": "postgresql://postgres:s3cret@203.0.113.9/mlflow",
            "bucket_url": "gs://{P}-mlflow-sample-bucket",
            "mlflow_id": "somebody",
            "mlflow_pass": "s3cret",
        },
        accounts=("mlflow-sa",),
        said={
            "auth.mode": "basic",
            "memory": "2Gi",
            "database.instance": "mlflow-backend-db",
            "database.tier": "db-custom-1-3840",
            "database.user": "postgres",
            "artifacts.bucket": "{P}-mlflow-sample-bucket",
            "artifacts.location": "us",
        },
        told=("the only one with PostgreSQL in the project", "by its name", "MLFLOW_ID, MLFLOW_PASS"),
    ),
    "the console, MLflow's own image and arguments": Layout(
        region="us-central1",
        service="mlflow-gcp",
        container={
            "args": [
                *("server", "--backend-store-uri"),
                "postgresql://postgres:s3cret@/postgres?host=/cloudsql/{P}:us-central1:mlflow-instance",
                *(
                    "--artifacts-destination",
                    "gs://{P}-artifact-12345",
                    "--port",
                    "5000",
                ),
                "--disable-security-middleware",
            ],
            "ports": [{"containerPort": 5000}],
            "resources": {"limits": {"memory": "2Gi", "cpu": "1"}},
            **_MOUNTED,
        },
        template={
            **_socket("mlflow-instance", "us-central1"),
            "scaling": {"minInstanceCount": 1, "maxInstanceCount": 1},
        },
        instance={
            "name": "mlflow-instance",
            "databaseVersion": "POSTGRES_17",
            "settings": {
                "tier": "db-custom-2-7680",
                "edition": "ENTERPRISE",
                "availabilityType": "REGIONAL",
                "backupConfiguration": {"enabled": True, "pointInTimeRecoveryEnabled": True},
            },
        },
        databases=(),
        users=(),
        bucket={
            "name": "{P}-artifact-12345",
            "location": "US-CENTRAL1",
            "iamConfiguration": {
                "publicAccessPrevention": "enforced",
                "uniformBucketLevelAccess": {"enabled": True},
            },
        },
        said={
            "auth.mode": "basic",
            "scaling.min_instances": 1,
            "scaling.max_instances": 1,
            "database.instance": "mlflow-instance",
            "database.name": "postgres",
            "database.user": "postgres",
            "database.version": 17,
            "database.availability": "regional",
            "artifacts.bucket": "{P}-artifact-12345",
        },
        told=("as in its arguments",),
    ),
    "Terraform, a private database behind a connector": Layout(
        region="europe-west1",
        service="mlflow",
        container={
            "env": [
                {"name": "DB_USER", "value": "app"},
                {"name": "DB_NAME", "value": "runs"},
                {"name": "DB_HOST", "value": "10.0.0.3"},
                {"name": "GCS_BUCKET", "value": "{P}-models"},
                {"name": "MLFLOW_LOGGING_LEVEL", "value": "DEBUG"},
            ],
            "resources": {"limits": {"memory": "4Gi", "cpu": "2"}},
        },
        template={
            "vpcAccess": {
                "connector": "projects/{P}/locations/europe-west1/connectors/mlflow-conn",
                "egress": "PRIVATE_RANGES_ONLY",
            },
            "timeout": "900s",
        },
        instance={
            "name": "mlflow-pg",
            "databaseVersion": "POSTGRES_16",
            "settings": {
                "tier": "db-g1-small",
                "edition": "ENTERPRISE",
                "ipConfiguration": {
                    "ipv4Enabled": False,
                    "privateNetwork": "projects/{P}/global/networks/vpc",
                },
            },
        },
        databases=("runs",),
        users=("app",),
        bucket={
            "name": "{P}-models",
            "location": "EUROPE-WEST1",
            "versioning": {"enabled": True},
            "labels": {"goog-terraform-provisioned": "true"},
        },
        invokers=("group:ml@acme.example",),
        network="vpc",
        said={
            "auth.mode": "iam",
            "auth.invokers": ["group:ml@acme.example"],
            "memory": "4Gi",
            "cpu": "2",
            "scaling.timeout": 900,
            "lifecycle.versioning": True,
            "networking.database_ip": "private",
            "networking.network": "vpc",
            "networking.peering_range": "google-services",
            "networking.egress": "direct",
            "database.name": "runs",
            "database.user": "app",
            "server.env.MLFLOW_LOGGING_LEVEL": "DEBUG",
        },
        told=(
            "Labels say that terraform manages it",
            "as connector mlflow-conn does",
            "as in DB_NAME",
            "as in DB_USER",
        ),
    ),
}


def made(port: int, layout: Layout) -> Cloud:
    """A project of its own in which somebody made *layout*."""
    cloud = new_project(port, *APIS)
    _network(cloud, layout)
    _database(cloud, layout)
    _storage(cloud, layout)
    for name, value in layout.secrets.items():
        cloud.ok("POST", f"/v1/projects/{{P}}/secrets?secretId={name}", {"replication": {"automatic": {}}})
        data = base64.b64encode(_here(cloud, value).encode()).decode()
        cloud.ok("POST", f"/v1/projects/{{P}}/secrets/{name}:addVersion", {"payload": {"data": data}})
    for account in layout.accounts:
        cloud.account(account)
    parent = f"/v2/projects/{{P}}/locations/{layout.region}/services"
    account = f"{layout.accounts[0]}@{cloud.project}.iam.gserviceaccount.com" if layout.accounts else ""
    template = {
        **_here(cloud, layout.template),
        "containers": [{"image": SAMPLE, **_here(cloud, layout.container)}],
        "serviceAccount": account or _here(cloud, DEFAULT_ACCOUNT),
    }
    cloud.ok("POST", f"{parent}?serviceId={layout.service}", {"template": template})
    members = {"role": "roles/run.invoker", "members": list(layout.invokers)}
    cloud.ok("POST", f"{parent}/{layout.service}:setIamPolicy", {"policy": {"bindings": [members]}})
    return cloud


def _here(cloud: Cloud, value: Any) -> Any:
    """*value* with this project's id and number in every text."""
    if isinstance(value, str):
        return value.replace("{P}", cloud.project).replace("{N}", cloud.number)
    if isinstance(value, Mapping):
        inner = cast("Mapping[str, Any]", value)
        return {key: _here(cloud, one) for key, one in inner.items()}
    return [_here(cloud, one) for one in cast("list[Any]", value)] if isinstance(value, list) else value


def said_by(cloud: Cloud, layout: Layout) -> dict[str, Any]:
    """What the spec says of it in this project."""
    return _here(cloud, layout.said)


def _sql(cloud: Cloud, operation: Any) -> None:
    while operation["status"] != "DONE":
        operation = cloud.ok("GET", f"/v1/projects/{{P}}/operations/{operation['name']}")
    assert "error" not in operation, operation


def _database(cloud: Cloud, layout: Layout) -> None:
    instances = "/v1/projects/{P}/instances"
    name = layout.instance["name"]
    _sql(cloud, cloud.ok("POST", instances, _here(cloud, {"region": layout.region, **layout.instance})))
    for database in layout.databases:
        _sql(cloud, cloud.ok("POST", f"{instances}/{name}/databases", {"name": database}))
    for user in layout.users:
        _sql(cloud, cloud.ok("POST", f"{instances}/{name}/users", {"name": user, "password": "s3cret-of-db"}))


def _storage(cloud: Cloud, layout: Layout) -> None:
    bucket = _here(cloud, layout.bucket)
    cloud.ok("POST", "/storage/v1/b?project={P}", bucket)
    for name in layout.objects:
        path = f"/upload/storage/v1/b/{bucket['name']}/o?uploadType=media&name={name.replace('/', '%2F')}"
        assert cloud.post(path, raw=b"x").status == 200


def _network(cloud: Cloud, layout: Layout) -> None:
    if not layout.network:
        return
    compute = "/compute/v1/projects/{P}"
    network = f"projects/{cloud.project}/global/networks/{layout.network}"
    _compute(cloud, f"{compute}/global/networks", {"name": layout.network, "autoCreateSubnetworks": True})
    reserved = {
        "name": "google-services", "purpose": "VPC_PEERING", "addressType": "INTERNAL", "prefixLength": 20,
        "network": network,
    }  # fmt: skip
    _compute(cloud, f"{compute}/global/addresses", reserved)
    numbered = network.replace(cloud.project, cloud.number)
    peered = {"network": numbered, "reservedPeeringRanges": ["google-services"]}
    cloud.wait(cloud.ok("POST", "/v1/services/servicenetworking.googleapis.com/connections", peered))
    connectors = f"/v1/projects/{{P}}/locations/{layout.region}/connectors?connectorId=mlflow-conn"
    machines = {"minInstances": 2, "maxInstances": 3}
    made = cloud.ok("POST", connectors, {"network": layout.network, "ipCidrRange": "10.8.0.0/28", **machines})
    assert "error" not in cloud.wait(made)


def _compute(cloud: Cloud, path: str, body: Any) -> None:
    operation = cloud.ok("POST", path, body)
    while operation["status"] != "DONE":
        operation = cloud.ok("GET", f"/compute/v1/projects/{{P}}/global/operations/{operation['name']}")
