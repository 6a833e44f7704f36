"""The spec as a value: loaded, validated, with every default filled in from the schema. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reconciler.model import Origin

AuthMode = Literal["none", "basic", "iam"]


@dataclass(frozen=True, slots=True)
class Networking:
    """How clients reach the server and the server reaches its database."""

    database_ip: Literal["public"]
    ingress: Literal["all", "internal", "internal-and-load-balancer"]


@dataclass(frozen=True, slots=True)
class Auth:
    """Who may use the server. *username* is for `basic`; *invokers* are IAM members for `iam`."""

    mode: AuthMode
    acknowledge_public: bool
    username: str
    invokers: tuple[str, ...]


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
class Lifecycle:
    """What the bucket does by itself; all in days, 0 for never."""

    nearline_after_days: int
    coldline_after_days: int
    archive_after_days: int
    delete_noncurrent_after_days: int
    abort_uploads_after_days: int
    soft_delete_days: int
    versioning: bool


@dataclass(frozen=True, slots=True)
class Backups:
    """Automated backups; *start_time* HH:MM in UTC, *keep* a count."""

    enabled: bool
    start_time: str
    keep: int


@dataclass(frozen=True, slots=True)
class Maintenance:
    """When Cloud SQL may restart the instance: *day* mon…sun or "any", *hour* 0 to 23 in UTC."""

    day: Literal["any", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    hour: int


@dataclass(frozen=True, slots=True)
class Database:
    """The Cloud SQL instance. *version* is PostgreSQL's major version, *disk_gb* its smallest size in GB."""

    tier: str
    edition: Literal["enterprise", "enterprise-plus"]
    version: int
    disk_gb: int
    disk_autoresize: bool
    backups: Backups
    maintenance: Maintenance
    deletion_protection: bool


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Where artifacts live. *bucket* "" means our own, named after project and deployment.

    *existing* says that the bucket is somebody else's: only our IAM binding is made there.
    """

    bucket: str
    existing: bool
    folder: str


@dataclass(frozen=True, slots=True)
class Server:
    """MLflow itself. *pool_size* and *pool_overflow* are database connections per engine and worker."""

    version: str
    workers: int
    pool_size: int
    pool_overflow: int
    job_runner: bool
    telemetry: bool
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Image:
    """*digest* "" builds `image/`; otherwise a full `HOST/PATH@sha256:…` that is deployed as it is.

    *keep* is how many built images the repository keeps.
    """

    digest: str
    keep: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """One MLflow tracking server on Google Cloud, as its spec describes it.

    *origins* maps the dotted keys that stand in the file (`database.tier`, `labels.team`, `auth.invokers.0`)
    to where they stand. Use `origin`, which knows the others as defaults of the schema.
    """

    version: int
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
    file: str
    origins: Mapping[str, Origin]

    def origin(self, key: str) -> Origin:
        """Where *key* stands in the spec file; the schema's default where it does not stand there."""
        return self.origins.get(key) or Origin(self.file, 0, key)
