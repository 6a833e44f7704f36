"""Which fields a resource cannot be made without, and which cannot be changed afterwards: each line with its source.

Google's documents say little of either. Sources: "document" is the discovery document that ships with
google-api-python-client; "reference" the API reference at cloud.google.com; "Terraform" what the google provider had to
mark ForceNew (GoogleCloudPlatform/magic-modules); an issue is one in which somebody quotes Google's own answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Required:
    """A field that *method* ("API.METHOD_ID") does not do without."""

    method: str
    field: str
    """The path in the body: "settings.tier"."""
    message: str
    """How the API says so."""
    source: str
    reason: str = ""
    """The word in `errors[0].reason`, where the API has one."""


@dataclass(frozen=True)
class Fixed:
    """Fields of a schema ("API.Schema") that cannot be changed."""

    schema: str
    fields: str
    """Names, with a space between them."""
    source: str


@dataclass(frozen=True)
class Open:
    """Fields of a schema that can be changed; no other one of that schema can."""

    schema: str
    fields: str
    source: str


@dataclass(frozen=True)
class Wording:
    """How an API refuses a change.

    {field} is the field's name, {path} the same as "uptime_check_config.checker_type", {value} what was sent for it,
    {body} the beginning of the body, {schema} the schema's name in words.
    """

    api: str
    message: str
    source: str
    reason: str = ""


UNQUOTED: Final = "no answer of Google's is on record"

REQUIRED: Final[Sequence[Required]] = (
    Required(
        "sqladmin.instances.insert",
        "settings.tier",
        "Missing parameter: tier.",
        "reference: Settings.tier",
        "required",
    ),
    Required(
        "storage.buckets.insert",
        "name",
        "Required parameter: name",
        "document: Bucket.name is annotated",
        "required",
    ),
    Required(
        "secretmanager.projects.secrets.create",
        "replication",
        "The replication policy of the secret must be set: automatic or userManaged.",
        "reference: Secret.replication; Terraform: required",
    ),
    Required(
        "secretmanager.projects.secrets.addVersion",
        "payload",
        "Secret Payload cannot be empty.",
        "reference: AddSecretVersionRequest.payload",
    ),
    Required(
        "secretmanager.projects.locations.secrets.addVersion",
        "payload",
        "Secret Payload cannot be empty.",
        "reference: AddSecretVersionRequest.payload",
    ),
    Required(
        "cloudbuild.projects.builds.create",
        "steps",
        "invalid build: at least one build step is required",
        "reference: Build.steps",
    ),
    Required(
        "cloudbuild.projects.locations.builds.create",
        "steps",
        "invalid build: at least one build step is required",
        "reference: Build.steps",
    ),
    Required(
        "compute.subnetworks.insert",
        "name",
        "Required field 'resource.name' not specified",
        "Terraform: required; the words are those of annotated fields",
        "required",
    ),
    Required(
        "compute.subnetworks.insert",
        "network",
        "Required field 'resource.network' not specified",
        "Terraform: required; the words are those of annotated fields",
        "required",
    ),
)

FIXED: Final[Sequence[Fixed]] = (
    Fixed(
        "sqladmin.DatabaseInstance", "name region", "reference: the path and the place; Terraform: ForceNew"
    ),
    Fixed(
        "sqladmin.DatabaseInstance", "project connectionName backendType", "reference: the server says them"
    ),
    Fixed(
        "sqladmin.DatabaseInstance",
        "instanceType",
        "the Config Connector project's stand-in quotes the refusal",
    ),
    Fixed("sqladmin.Settings", "dataDiskType", "Terraform: ForceNew"),
    Fixed(
        "artifactregistry.Repository",
        "format mode kmsKeyName remoteRepositoryConfig mavenConfig",
        "Terraform: ForceNew",
    ),
    Fixed(
        "monitoring.UptimeCheckConfig", "monitoredResource checkerType resourceGroup", "Terraform: ForceNew"
    ),
    Fixed("monitoring.UptimeCheckConfig", "syntheticMonitor", "Terraform: ForceNew"),
    Fixed(
        "monitoring.NotificationChannel",
        "type",
        "reference: NotificationChannel.type names its descriptor for good",
    ),
    Fixed(
        "storage.Bucket",
        "name location",
        "reference: a bucket is moved, or made anew, never renamed; Terraform: ForceNew",
    ),
)

OPEN: Final[Sequence[Open]] = (
    Open(
        "compute.Network",
        "routingConfig mtu networkFirewallPolicyEnforcementOrder",
        "reference: networks.patch",
    ),
    Open("compute.Network", "enableUlaInternalIpv6 internalIpv6Range", "reference: networks.patch"),
    Open("compute.Subnetwork", "secondaryIpRanges role purpose", "reference: subnetworks.patch"),
    Open(
        "compute.Subnetwork", "enableFlowLogs logConfig privateIpGoogleAccess", "reference: subnetworks.patch"
    ),
    Open(
        "compute.Subnetwork",
        "privateIpv6GoogleAccess stackType ipv6AccessType",
        "reference: subnetworks.patch",
    ),
    Open("compute.Subnetwork", "allowSubnetCidrRoutesOverlap", "Terraform: updated by PATCH"),
    Open("vpcaccess.Connector", "machineType minInstances maxInstances", "Terraform: all others ForceNew"),
    Open(
        "artifactregistry.Repository",
        "description labels cleanupPolicies cleanupPolicyDryRun",
        "reference: repositories.patch",
    ),
    Open(
        "artifactregistry.Repository",
        "dockerConfig vulnerabilityScanningConfig",
        "Terraform: updated by PATCH",
    ),
    Open(
        "artifactregistry.Repository",
        "virtualRepositoryConfig platformLogsConfig",
        "Terraform: updated by PATCH",
    ),
    Open("secretmanager.Secret", "labels annotations topics versionAliases", "reference: secrets.patch"),
    Open("secretmanager.Secret", "expireTime ttl rotation versionDestroyTtl", "reference: secrets.patch"),
    Open("iam.ServiceAccount", "displayName description", "reference: serviceAccounts.patch"),
    Open("iam.Role", "title description includedPermissions stage", "reference: roles.patch"),
)

WORDS: Final[Sequence[Wording]] = (
    Wording(
        "compute",
        "Invalid value for field 'resource': '{body}'. The following field(s) specified in the request cannot be "
        "modified: [{field}]",
        "crossplane-contrib/provider-gcp issue 8",
        "invalid",
    ),
    Wording(
        "sqladmin",
        "Invalid request: {field} cannot be updated.",
        "the Config Connector project's stand-in quotes it for instanceType",
        "invalid",
    ),
    Wording("storage", "The {field} of a bucket cannot be changed.", UNQUOTED, "invalid"),
    Wording(
        "monitoring",
        'Field {path} had an invalid value of "{value}": This field cannot be changed.',
        "in the form of Monitoring's recorded refusals",
    ),
    Wording("artifactregistry", "The field {field} of a repository is immutable.", UNQUOTED),
    Wording("secretmanager", "The field {field} of a secret cannot be updated.", UNQUOTED),
    Wording("vpcaccess", "The field {field} of a connector cannot be updated.", UNQUOTED),
    Wording("iam", "The field {field} of a {schema} cannot be updated.", UNQUOTED),
)
