"""Why: what each resource is for, and why a field is as it is where no line of a spec asks for it.

What a deployment made by hand is short of stands here in words: its first plan shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.model import Ref

_OURS: Final = "marks it as this deployment's: without it nothing here is changed or deleted"

_POOLS: Final = "all pools together fit into the database's connections"

PURPOSES: Final[Mapping[str, Mapping[str, str]]] = {
    "serviceusage.services": {"": "the APIs that the rest needs"},
    "iam.service_account": {
        "-run@": "the server's own identity; the project's default account may do far more",
        "-build@": "builds the image, and may do nothing else",
        "-cron@": "starts the retention job, and may do nothing else",
    },
    "cloudresourcemanager.project_iam": {"": "what cannot be granted on one resource alone"},
    "cloudkms.key_iam": {"": "lets Google's service use the key"},
    "storage.bucket": {"-build": "what the image is built of", "": "models and other artifacts"},
    "storage.bucket_iam": {
        "-build": "lets the builder read it",
        "": "lets the server read and write artifacts",
    },
    "artifactregistry.repository": {"": "the server's images, and no others"},
    "artifactregistry.repository_iam": {"": "lets the builder push"},
    "artifactregistry.image": {"": "MLflow behind nginx, its parts pinned"},
    "secretmanager.secret": {
        "-db-password": "the database user's password, in no environment and no file",
        "-login-password": "the password of the login page",
        "-admin-password": "the password of MLflow's administrator",
        "": "a key of the server's, made once and kept",
    },
    "secretmanager.version": {"": "its value, made here and shown to nobody"},
    "secretmanager.secret_iam": {"": "lets the server read this secret, and no other"},
    "compute.network": {"": "where the database has its private address"},
    "compute.subnetwork": {"": "where the server's way to the database begins"},
    "compute.address": {"": "addresses for Google's side of the peering"},
    "servicenetworking.connection": {"": "the peering by which the database is reached"},
    "vpcaccess.connector": {"": "the server's way into the network"},
    "sqladmin.instance": {"": "experiments, runs and models"},
    "sqladmin.public_address": {"": "whether the database has an address on the internet"},
    "sqladmin.database": {
        "mlflow_auth": "MLflow's users",
        "mlflow_oidc": "MLflow's users",
        "": "MLflow's tables",
    },
    "sqladmin.user": {"": "whom the server logs in as"},
    "run.job": {"-retention": "deletes old runs that nothing names", "": "makes the schema, and upgrades it"},
    "run.migration": {"": "the schema that this version of MLflow needs; there is no way back"},
    "run.service": {"": "the server"},
    "run.service_iam": {"": "who may call the server"},
    "run.job_iam": {"": "lets the schedule start the job"},
    "cloudscheduler.job": {"": "when the retention job runs"},
    "monitoring.uptime_check": {"": "asks server and database from outside"},
    "monitoring.notification_channel": {"": "who is told"},
    "monitoring.alert_policy": {"": "when somebody is told"},
    "billingbudgets.budget": {"": "when somebody is told of costs"},
    "iap.service_agent": {"": "in whose name Identity-Aware Proxy calls the server"},
    "iap.web_iam": {"": "who gets past Identity-Aware Proxy"},
}
"""By kind, what a resource is for; a part of its name tells those of a kind apart, "" stands for the others."""

FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "serviceusage.services": {"": "something below is made with it"},
    "storage.bucket": {
        "iamConfiguration.publicAccessPrevention": "no object can be made public, by whomever",
        "iamConfiguration.uniformBucketLevelAccess": "rights are those of the bucket, not of each object",
        "lifecycle.expiry": "by age, files of models that the registry names would go; see lifecycle.retention",
        "lifecycle": "keeps what was replaced or broken off from being paid for for ever",
        "labels": _OURS,
    },
    "secretmanager.secret": {"labels": _OURS},
    "artifactregistry.repository": {
        "cleanupPolicies": "old images are deleted, those of the last releases kept",
        "labels": _OURS,
    },
    "sqladmin.instance": {
        "settings.ipConfiguration.sslMode": "no connection goes unencrypted",
        "settings.ipConfiguration.authorizedNetworks": "the server comes by Google's socket, and others can, too",
        "settings.deletionProtectionEnabled": "nobody deletes it by mistake",
        "settings.finalBackupConfig": "what is deleted after all can be brought back",
        "settings.backupConfiguration": "a lost database can be brought back",
        "settings.activationPolicy": "the server needs it",
        "settings.storageAutoResize": "a full disk stops the server",
        "settings.userLabels": _OURS,
    },
    "sqladmin.user": {"password": "a new one, made here and kept in Secret Manager"},
    "run.service": {
        "labels": _OURS,
        "traffic": "requests go to the newest revision",
        "ready": "the newest revision has to serve",
        "template.serviceAccount": "an identity of the server's own, with no more than it needs",
        "template.executionEnvironment": "the second generation: whole processors, no emulated kernel",
        "template.timeout": "an upload of many gigabytes takes its time",
        "template.maxInstanceRequestConcurrency": "no more requests at a time than its workers and connections serve",
        "template.scaling": "no more instances than the database has connections for",
        "template.containers.image": "MLflow behind nginx, pinned by digest: a tag can be moved",
        "template.containers.args": "how that image starts",
        "template.containers.command": "how that image starts",
        "template.containers.workingDir": "how that image starts",
        "template.containers.livenessProbe": "meant for another image: it would end this one again and again",
        "template.containers.readinessProbe": "meant for another image: it would keep requests from this one",
        "invokerIamDisabled": "who may call the server is said by auth.mode alone",
        "template.containers.ports": "HTTP/2 end to end: requests above 32 MiB get through",
        "template.containers.startupProbe": "requests come when the server listens, and at once",
        "template.containers.resources.cpuIdle": "paid for while it answers",
        "template.containers.resources.startupCpuBoost": "a cold start takes half the time",
        "template.volumes.cloudsql": "the database through Google's encrypted socket",
        "template.volumes.secret": "no key file: the server's identity is enough",
        "template.vpcAccess": "the way into the network, and what goes by it",
        "template.containers.env": "the environment is the spec's alone: server.env, server.secrets",
        "template.containers.env.MLFLOW_DB_HOST": "the database's address, without a password in it",
        "template.containers.env.MLFLOW_DB_PASSWORD": "from Secret Manager, a pinned version",
        "template.containers.env.MLFLOW_DISABLE_TELEMETRY": "nothing is reported to anybody",
        "template.containers.env.DO_NOT_TRACK": "nothing is reported to anybody",
        "template.containers.env.FRONT_AUTH": "who gets in",
        "template.containers.env.FRONT_USERNAME": "who gets in",
        "template.containers.env.FRONT_PASSWORD": "from Secret Manager, a pinned version",
        "template.containers.env.MLFLOW_WORKERS": "as many as its memory holds",
        "template.containers.env.MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "on only where the spec says server.job_runner",
        "template.containers.env.MLFLOW_SERVER_ALLOWED_HOSTS": "answers to its own names only: no DNS rebinding",
        "template.containers.env.MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "takes writes from its own pages only",
        "template.containers.env.MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": _POOLS,
        "template.containers.env.MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": _POOLS,
        "template.containers.env.MLFLOW_GCS_UPLOAD_CHUNK_SIZE": "an upload takes a quarter of the memory",
        "template.containers.env.MLFLOW_DB_NAME": "where the runs are",
        "template.containers.env.MLFLOW_DB_USER": "whom the server logs in as",
        "template.containers.env.MLFLOW_ARTIFACTS_DESTINATION": "where the artifacts are",
    },
}
"""By kind and field, or the section around it; "" stands for all others."""


def purpose(ref: Ref) -> str:
    """What the resource is for."""
    told = PURPOSES.get(ref.kind, {})
    return next((text for part, text in told.items() if part and part in ref.short), told.get("", ""))


def why(ref: Ref, field: str) -> str:
    """Why *field* is as it is where nobody asked for it; "" where that is nothing to explain."""
    told = FIELDS.get(ref.kind, {})
    while field and field not in told:
        field = field.rpartition(".")[0]
    return told.get(field, "")
