"""Which predefined role holds which permissions, for the roles that a deployment uses.

Taken from Google's "IAM roles and permissions index". A permission may end in `*`. A role of a service listed here
that is not in the table does not exist; a role of another service is kept in policies but grants nothing.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

_OBJECTS: Final = (
    "storage.objects.*",
    "storage.multipartUploads.*",
    "storage.managedFolders.*",
    "storage.folders.*",
)
_OBJECT_READ: Final = (
    "storage.objects.get",
    "storage.objects.list",
    "storage.folders.get",
    "storage.folders.list",
)

PERMISSIONS: Final[dict[str, tuple[str, ...]]] = {
    "roles/owner": ("*",),
    "roles/editor": (
        "*.create", "*.update", "*.delete", "*.get", "*.list", "*.enable", "*.disable", "*.use",
        "run.jobs.run", "run.executions.cancel", "secretmanager.versions.add", "secretmanager.versions.destroy",
        "cloudsql.instances.*", "resourcemanager.projects.get", "iam.serviceAccounts.actAs", "*.getIamPolicy",
    ),
    "roles/viewer": ("*.get", "*.list", "*.getIamPolicy"),
    "roles/browser": ("resourcemanager.projects.get", "resourcemanager.projects.list", "resourcemanager.projects.getIamPolicy"),
    "roles/storage.admin": ("storage.*", "resourcemanager.projects.get"),
    "roles/storage.objectAdmin": (*_OBJECTS,),
    "roles/storage.objectUser": (
        *_OBJECT_READ, "storage.objects.create", "storage.objects.update", "storage.objects.delete",
        "storage.objects.move", "storage.objects.restore", "storage.multipartUploads.*", "storage.folders.*",
    ),
    "roles/storage.objectCreator": ("storage.objects.create", "storage.multipartUploads.create", "storage.folders.create"),
    "roles/storage.objectViewer": _OBJECT_READ,
    "roles/storage.bucketViewer": ("storage.buckets.get", "storage.buckets.list"),
    "roles/storage.insightsCollectorService": ("storage.buckets.get", "storage.buckets.getObjectInsights"),
    "roles/storage.legacyBucketOwner": (
        "storage.buckets.get", "storage.buckets.getIamPolicy", "storage.buckets.setIamPolicy", "storage.buckets.update",
        "storage.objects.create", "storage.objects.delete", "storage.objects.list", "storage.multipartUploads.*",
    ),
    "roles/storage.legacyBucketReader": ("storage.buckets.get", "storage.objects.list", "storage.multipartUploads.list"),
    "roles/storage.legacyBucketWriter": (
        "storage.buckets.get", "storage.objects.create", "storage.objects.delete", "storage.objects.list",
        "storage.multipartUploads.*",
    ),
    "roles/storage.legacyObjectOwner": (
        "storage.objects.get", "storage.objects.getIamPolicy", "storage.objects.setIamPolicy", "storage.objects.update",
    ),
    "roles/storage.legacyObjectReader": ("storage.objects.get",),
    "roles/storage.hmacKeyAdmin": ("storage.hmacKeys.*",),
    "roles/secretmanager.admin": ("secretmanager.*",),
    "roles/secretmanager.secretAccessor": ("secretmanager.versions.access",),
    "roles/secretmanager.secretVersionAdder": ("secretmanager.versions.add",),
    "roles/secretmanager.secretVersionManager": (
        "secretmanager.versions.add", "secretmanager.versions.destroy", "secretmanager.versions.disable",
        "secretmanager.versions.enable", "secretmanager.versions.get", "secretmanager.versions.list",
    ),
    "roles/secretmanager.viewer": (
        "secretmanager.secrets.get", "secretmanager.secrets.getIamPolicy", "secretmanager.secrets.list",
        "secretmanager.versions.get", "secretmanager.versions.list", "secretmanager.locations.*",
    ),
    "roles/cloudsql.admin": ("cloudsql.*",),
    "roles/cloudsql.client": ("cloudsql.instances.connect", "cloudsql.instances.get"),
    "roles/cloudsql.editor": (
        "cloudsql.*.get", "cloudsql.*.list", "cloudsql.*.update", "cloudsql.databases.*", "cloudsql.instances.connect",
        "cloudsql.instances.restart", "cloudsql.backupRuns.create",
    ),
    "roles/cloudsql.instanceUser": ("cloudsql.instances.get", "cloudsql.instances.login"),
    "roles/cloudsql.studioUser": ("cloudsql.instances.get", "cloudsql.instances.executeSql", "cloudsql.databases.list"),
    "roles/cloudsql.viewer": ("cloudsql.*.get", "cloudsql.*.list", "cloudsql.instances.export"),
    "roles/run.admin": ("run.*", "resourcemanager.projects.get"),
    "roles/run.builder": ("artifactregistry.*", "storage.objects.*", "logging.logEntries.create"),
    "roles/run.developer": (
        "run.*.get", "run.*.list", "run.*.create", "run.*.update", "run.*.delete", "run.jobs.run", "run.executions.cancel",
        "run.*.getIamPolicy",
    ),
    "roles/run.invoker": ("run.routes.invoke", "run.jobs.run"),
    "roles/run.jobsExecutor": ("run.jobs.run", "run.executions.*"),
    "roles/run.jobsExecutorWithOverrides": ("run.jobs.run", "run.jobs.runWithOverrides", "run.executions.*"),
    "roles/run.servicesInvoker": ("run.routes.invoke",),
    "roles/run.sourceDeveloper": ("run.*", "cloudbuild.builds.*", "artifactregistry.*"),
    "roles/run.sourceViewer": ("run.*.get", "run.*.list"),
    "roles/run.viewer": ("run.*.get", "run.*.list", "run.*.getIamPolicy"),
    "roles/run.serviceAgent": ("run.*", "iam.serviceAccounts.*", "artifactregistry.repositories.downloadArtifacts"),
    "roles/artifactregistry.admin": ("artifactregistry.*",),
    "roles/artifactregistry.createOnPushRepoAdmin": ("artifactregistry.*",),
    "roles/artifactregistry.createOnPushWriter": ("artifactregistry.*",),
    "roles/artifactregistry.reader": ("artifactregistry.*.get", "artifactregistry.*.list", "artifactregistry.repositories.downloadArtifacts"),
    "roles/artifactregistry.repoAdmin": (
        "artifactregistry.*.get", "artifactregistry.*.list", "artifactregistry.packages.*", "artifactregistry.versions.*",
        "artifactregistry.tags.*", "artifactregistry.repositories.*Artifacts",
    ),
    "roles/artifactregistry.writer": (
        "artifactregistry.*.get", "artifactregistry.*.list", "artifactregistry.repositories.downloadArtifacts",
        "artifactregistry.repositories.uploadArtifacts", "artifactregistry.tags.create", "artifactregistry.tags.update",
    ),
    "roles/artifactregistry.serviceAgent": ("artifactregistry.*",),
    "roles/artifactregistry.containerRegistryMigrationAdmin": ("artifactregistry.*",),
    "roles/cloudbuild.builds.builder": (
        "cloudbuild.builds.*", "artifactregistry.repositories.uploadArtifacts", "artifactregistry.*.get",
        "artifactregistry.*.list", "artifactregistry.tags.*", "artifactregistry.repositories.downloadArtifacts",
        "logging.logEntries.create", "storage.objects.*", "storage.buckets.get", "storage.buckets.create",
    ),
    "roles/cloudbuild.builds.editor": ("cloudbuild.builds.*",),
    "roles/cloudbuild.builds.viewer": ("cloudbuild.builds.get", "cloudbuild.builds.list"),
    "roles/cloudbuild.builds.approver": ("cloudbuild.builds.get", "cloudbuild.builds.approve"),
    "roles/cloudbuild.serviceAgent": ("*",),
    "roles/cloudbuild.workerPoolUser": ("cloudbuild.workerpools.use",),
    "roles/iam.serviceAccountAdmin": ("iam.serviceAccounts.*",),
    "roles/iam.serviceAccountCreator": ("iam.serviceAccounts.create", "iam.serviceAccounts.get", "iam.serviceAccounts.list"),
    "roles/iam.serviceAccountDeleter": ("iam.serviceAccounts.delete", "iam.serviceAccounts.get", "iam.serviceAccounts.list"),
    "roles/iam.serviceAccountKeyAdmin": ("iam.serviceAccountKeys.*", "iam.serviceAccounts.get", "iam.serviceAccounts.list"),
    "roles/iam.serviceAccountOpenIdTokenCreator": ("iam.serviceAccounts.getOpenIdToken",),
    "roles/iam.serviceAccountTokenCreator": (
        "iam.serviceAccounts.get", "iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken",
        "iam.serviceAccounts.implicitDelegation", "iam.serviceAccounts.list", "iam.serviceAccounts.signBlob",
        "iam.serviceAccounts.signJwt",
    ),
    "roles/iam.serviceAccountUser": ("iam.serviceAccounts.actAs", "iam.serviceAccounts.get", "iam.serviceAccounts.list"),
    "roles/iam.serviceAccountViewer": ("iam.serviceAccounts.get", "iam.serviceAccounts.list", "iam.serviceAccountKeys.get"),
    "roles/iam.workloadIdentityUser": (
        "iam.serviceAccounts.get", "iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken",
    ),
    "roles/iam.securityAdmin": ("*.getIamPolicy", "*.setIamPolicy", "*.list"),
    "roles/iam.securityReviewer": ("*.getIamPolicy", "*.list"),
    "roles/iam.roleAdmin": ("iam.roles.*",),
    "roles/iam.roleViewer": ("iam.roles.get", "iam.roles.list"),
    "roles/iam.workloadIdentityPoolAdmin": ("iam.workloadIdentityPools.*",),
    "roles/iam.workloadIdentityPoolViewer": ("iam.workloadIdentityPools.get", "iam.workloadIdentityPools.list"),
    "roles/resourcemanager.projectIamAdmin": (
        "resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy", "resourcemanager.projects.setIamPolicy",
    ),
    "roles/resourcemanager.projectCreator": ("resourcemanager.projects.create",),
    "roles/resourcemanager.projectDeleter": ("resourcemanager.projects.delete",),
    "roles/resourcemanager.projectMover": ("resourcemanager.projects.get", "resourcemanager.projects.update"),
    "roles/resourcemanager.tagUser": ("resourcemanager.tag*",),
    "roles/resourcemanager.tagViewer": ("resourcemanager.tag*.get", "resourcemanager.tag*.list"),
    "roles/serviceusage.serviceUsageAdmin": ("serviceusage.*",),
    "roles/serviceusage.serviceUsageConsumer": ("serviceusage.services.get", "serviceusage.services.list", "serviceusage.services.use"),
    "roles/serviceusage.serviceUsageViewer": ("serviceusage.services.get", "serviceusage.services.list"),
    "roles/serviceusage.apiKeysAdmin": ("serviceusage.apiKeys.*",),
    "roles/logging.logWriter": ("logging.logEntries.create",),
    "roles/monitoring.metricWriter": ("monitoring.timeSeries.create", "monitoring.metricDescriptors.*"),
}  # fmt: skip
BASIC: Final = {
    "roles/owner": "projectOwner",
    "roles/editor": "projectEditor",
    "roles/viewer": "projectViewer",
}
"""The basic roles, and how a bucket's policy calls whoever holds them."""
STRICT: Final = frozenset(
    {
        "storage",
        "secretmanager",
        "cloudsql",
        "run",
        "artifactregistry",
        "cloudbuild",
        "resourcemanager",
        "serviceusage",
    }
)
"""Services whose roles are all in the table."""


def exists(role: str) -> bool:
    """Whether Google has this predefined role, as far as the table reaches; custom roles are taken on trust."""
    if not role.startswith("roles/"):
        return role.count("/") == 3 and "/roles/" in role
    name = role.removeprefix("roles/")
    if role in PERMISSIONS or "." not in name:
        return role in PERMISSIONS
    return name.partition(".")[0] not in STRICT


def grants(role: str, permission: str) -> bool:
    """Whether *role* holds *permission*."""
    if role in BASIC and permission.startswith("storage.objects."):
        # The basic roles reach objects only through a bucket's legacy bindings (projectOwner:, projectEditor:, …).
        return False
    return any(fnmatchcase(permission, pattern) for pattern in PERMISSIONS.get(role, ()))
