"""The spec as a value: loaded, validated, with every default filled in from the schema. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reconciler.model import Origin
from reconciler.spec.auth import Auth


@dataclass(frozen=True, slots=True)
class Connector:
    """The machines of a Serverless VPC Access connector. *subnetwork*, where there is one, stands for *range*."""

    range: str
    subnetwork: str
    machine_type: str
    min_instances: int
    max_instances: int


@dataclass(frozen=True, slots=True)
class Networking:
    """How clients reach the server and the server reaches its database.

    *egress*, *network* and what follows it mean something with a private *database_ip* only; *host_project* "" is the
    deployment's own project, *subnetwork* "" the subnet named like the network, *peering_range* "" one of our own.
    """

    database_ip: Literal["public", "private"]
    egress: Literal["direct", "connector"]
    vpc_egress: Literal["private-ranges-only", "all-traffic"]
    network: str
    subnetwork: str
    host_project: str
    peering_range: str
    peering_prefix_length: int
    connector: Connector
    allowed_hosts: tuple[str, ...]
    ingress: Literal["all", "internal", "internal-and-load-balancer"]

    @property
    def private(self) -> bool:
        """Whether the database has a private address and no other."""
        return self.database_ip == "private"


@dataclass(frozen=True, slots=True)
class Scaling:
    """Instances of the server; *timeout* in seconds per request."""

    min_instances: int
    max_instances: int
    concurrency: int
    timeout: int
    cpu_always_on: bool
    startup_boost: bool


@dataclass(frozen=True, slots=True)
class Expiry:
    """Objects whose names begin with *prefix* go *after_days* days."""

    prefix: str
    after_days: int


@dataclass(frozen=True, slots=True)
class Retention:
    """The job that deletes old runs which nothing names; *delete_runs_after_days* 0 makes none."""

    delete_runs_after_days: int
    restorable_days: int
    keep_tag: str
    schedule: str
    time_zone: str
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What becomes of artifacts by itself; all in days, 0 for never."""

    nearline_after_days: int
    coldline_after_days: int
    archive_after_days: int
    delete_noncurrent_after_days: int
    abort_uploads_after_days: int
    soft_delete_days: int
    delete_prefixes: tuple[Expiry, ...]
    retention: Retention
    versioning: bool


@dataclass(frozen=True, slots=True)
class Backups:
    """Automated backups; *start_time* HH:MM in UTC, *keep* a count, *log_days* how far back any minute can be had."""

    enabled: bool
    start_time: str
    point_in_time_recovery: bool
    log_days: int
    keep: int


@dataclass(frozen=True, slots=True)
class DenyPeriod:
    """No maintenance from *start* to *end* (YYYY-MM-DD, or MM-DD every year; "" for none) at *time* HH:MM in UTC."""

    start: str
    end: str
    time: str


@dataclass(frozen=True, slots=True)
class Maintenance:
    """When Cloud SQL may restart the instance: *day* mon…sun or "any", *hour* 0 to 23 in UTC."""

    day: Literal["any", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    deny_period: DenyPeriod
    hour: int


@dataclass(frozen=True, slots=True)
class Database:
    """The Cloud SQL instance. *version* is PostgreSQL's major version, *disk_gb* its smallest size in GB.

    *disk_limit_gb* 0 is no limit, *kms_key* "" a key of Google's, *final_backup_days* 0 no backup when it is deleted.
    *instance* "" is named like the deployment; *name* is the database in it, *user* whom the server logs in as.
    """

    tier: str
    edition: Literal["enterprise", "enterprise-plus"]
    version: int
    disk_gb: int
    availability: Literal["zonal", "regional"]
    disk_limit_gb: int
    flags: Mapping[str, str]
    query_insights: bool
    kms_key: str
    final_backup_days: int
    disk_autoresize: bool
    backups: Backups
    maintenance: Maintenance
    deletion_protection: bool
    instance: str
    name: str
    user: str


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Where artifacts live. *bucket* "" means our own, named after project and deployment.

    *existing* says that the bucket is somebody else's: only our IAM binding is made there. *location* "" is the
    deployment's region. *writers* are members who use the bucket themselves, for *access* `direct`.
    """

    access: Literal["proxied", "direct"]
    writers: tuple[str, ...]
    location: str
    storage_class: Literal["standard", "nearline", "coldline", "archive"]
    kms_key: str
    bucket: str
    existing: bool
    folder: str


@dataclass(frozen=True, slots=True)
class Server:
    """MLflow itself. *pool_size* and *pool_overflow* are database connections per engine and worker.

    *secrets* and *secret_files* map a variable or a path to SECRET:VERSION or a version's full name.
    """

    version: str
    workers: int
    pool_size: int
    pool_overflow: int
    job_runner: bool
    webhooks: bool
    gateway: bool
    pip: tuple[str, ...]
    telemetry: bool
    env: Mapping[str, str]
    secrets: Mapping[str, str]
    secret_files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Image:
    """*digest* "" builds `image/`; otherwise a full `HOST/PATH@sha256:…` that is deployed as it is.

    *keep* is how many built images the repository keeps.
    """

    digest: str
    build: Literal["cloud-build", "docker"]
    keep: int


@dataclass(frozen=True, slots=True)
class Monitoring:
    """The uptime check, the alerts and who gets them; a threshold of 0 makes no alert."""

    enabled: bool
    emails: tuple[str, ...]
    channels: tuple[str, ...]
    uptime_minutes: int
    errors_per_minute: int
    latency_seconds: int
    database_disk_percent: int
    database_connections_percent: int
    failed_jobs: bool


@dataclass(frozen=True, slots=True)
class Budget:
    """Mails at *thresholds* (percent) of *amount* (units of the account's currency); *billing_account* "" for none."""

    billing_account: str
    amount: int
    thresholds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Deployment:
    """One MLflow tracking server on Google Cloud, as its spec describes it together with the bases that it *extends*.

    *origins* maps the dotted keys that stand in the file (`database.tier`, `labels.team`, `auth.invokers.0`)
    to where they stand. Use `origin`, which knows the others as defaults of the schema.
    """

    version: int
    extends: str
    name: str
    project: str
    region: str
    labels: Mapping[str, str]
    networking: Networking
    auth: Auth
    scaling: Scaling
    memory: str
    cpu: str
    lifecycle: Lifecycle
    database: Database
    artifacts: Artifacts
    server: Server
    image: Image
    monitoring: Monitoring
    budget: Budget
    file: str
    origins: Mapping[str, Origin]

    def origin(self, key: str) -> Origin:
        """Where *key* stands in the spec file; the schema's default where it does not stand there."""
        return self.origins.get(key) or Origin(self.file, 0, key)
