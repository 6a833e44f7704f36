"""Which permission each method asks for, and on what: one line per collection of an API.

Read from the table "permissions and the methods that need them" in each API's documentation. What a method asks for on
*another* resource stands in `BESIDES` where the request alone tells it; acting as a service account, and the objects
and buckets of Cloud Storage, are asked for by the services themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_TEXT: Final = """
# Artifact Registry, "Access control with IAM". Its roles hold nothing for operations: who began one may look at it.
artifactregistry locations > artifactregistry.locations: get list
artifactregistry operations > : get cancel
artifactregistry repositories > artifactregistry.repositories: create delete get list patch=update IAM
artifactregistry repositories.dockerImages > artifactregistry.dockerimages: get list
artifactregistry repositories.files > artifactregistry.files: get list delete download
artifactregistry repositories.packages > artifactregistry.packages: get list delete patch=update
artifactregistry repositories.packages.tags > artifactregistry.tags: create delete get list patch=update
artifactregistry repositories.packages.versions > artifactregistry.versions: delete get list patch=update

# Cloud Billing, "Cloud Billing access control". A list shows what the caller may see.
billingbudgets billingAccounts.budgets > billing.budgets: create delete get list patch=update
cloudbilling billingAccounts > billing.accounts: get list= IAM
cloudbilling projects > resourcemanager.projects: getBillingInfo=get

# Cloud Build, "IAM roles and permissions". A build's operation is seen by whoever sees builds.
cloudbuild builds > cloudbuild.builds: approve cancel=update create get list retry=create
cloudbuild operations > cloudbuild.builds: cancel=update get

# Cloud KMS, "Permissions and roles".
cloudkms keyRings > cloudkms.keyRings: create get list IAM
cloudkms keyRings.cryptoKeys > cloudkms.cryptoKeys: create get list patch=update IAM
cloudkms keyRings.cryptoKeys.cryptoKeyVersions > cloudkms.cryptoKeyVersions: get list

# Resource Manager, "Access control for projects". A list shows what the caller may see, and is never refused.
cloudresourcemanager projects > resourcemanager.projects: create delete get list= move patch=update search= IAM
cloudresourcemanager projects > resourcemanager.projects: getAncestry=get undelete update
cloudresourcemanager projects > orgpolicy.policy: getEffectiveOrgPolicy=get
cloudresourcemanager operations > : get

# Cloud Scheduler, "Access control with IAM". Acting as the service account of a target is the service's business.
cloudscheduler jobs > cloudscheduler.jobs: create delete get list patch=update pause resume=enable run
cloudscheduler locations > cloudscheduler.locations: get list

# Compute Engine, "IAM permissions reference". What a new address or subnet does to its network: BESIDES.
compute addresses > compute.addresses: aggregatedList=list delete get insert=create list move setLabels
compute firewalls > compute.firewalls: delete get insert=create list patch=update update
compute globalAddresses > compute.globalAddresses: delete get insert=create list setLabels
compute globalOperations > compute.globalOperations: aggregatedList=list delete get list wait=get
compute networks > compute.networks: addPeering delete get getEffectiveFirewalls insert=create list listPeeringRoutes
compute networks > compute.networks: patch=update removePeering switchToCustomMode updatePeering
compute projects > compute.projects: get setCommonInstanceMetadata
compute regionOperations > compute.regionOperations: delete get list wait=get
compute regions > compute.regions: get list
compute routers > compute.routers: aggregatedList=list delete get getRouterStatus=get insert=create list
compute routers > compute.routers: patch=update update
compute routes > compute.routes: delete get insert=create list
compute subnetworks > compute.subnetworks: aggregatedList=list delete expandIpCidrRange get insert=create list IAM
compute subnetworks > compute.subnetworks: listUsable=list patch=update setPrivateIpGoogleAccess
compute zoneOperations > compute.zoneOperations: delete get list wait=get
compute zones > compute.zones: get list

# IAM, "IAM permissions reference", and the reference pages of service accounts and their keys.
iam permissions > : queryTestablePermissions
iam projects.roles > iam.roles: create delete get list patch=update undelete
iam roles > : get list queryGrantableRoles
iam workloadIdentityPools > iam.workloadIdentityPools: create delete get list patch=update undelete
iam workloadIdentityPools.providers > iam.workloadIdentityPoolProviders: create delete get list patch=update undelete
iam serviceAccounts > iam.serviceAccounts: create delete disable enable get list patch=update undelete update IAM
iam serviceAccounts > iam.serviceAccounts: signBlob signJwt
iam serviceAccounts.keys > iam.serviceAccountKeys: create delete disable enable get list upload=create
iamcredentials serviceAccounts > iam.serviceAccounts: generateAccessToken=getAccessToken generateIdToken=getOpenIdToken
iamcredentials serviceAccounts > iam.serviceAccounts: getAllowedLocations= signBlob signJwt

# Identity-Aware Proxy, "Managing access": a Cloud Run service is one of its web services.
iap > iap.webServices: IAM getIapSettings=getSettings updateIapSettings=updateSettings

# Cloud Logging, "Access control with IAM", "API permissions".
logging buckets > logging.buckets: create createAsync=create delete get list patch=update undelete updateAsync=update
logging buckets.links > logging.links: create delete get list
logging buckets.views > logging.views: create delete get list patch=update
logging entries > logging.logEntries: list tail=list write=create
logging exclusions > logging.exclusions: create delete get list patch=update
logging locations > logging.locations: get list
logging logs > logging.logs: delete list
logging metrics > logging.logMetrics: create delete get list update
logging operations > logging.operations: cancel get list
logging sinks > logging.sinks: create delete get list patch=update update

# Cloud Monitoring, "Control access with IAM".
monitoring alertPolicies > monitoring.alertPolicies: create delete get list patch=update
monitoring dashboards > monitoring.dashboards: create delete get list patch=update
monitoring groups > monitoring.groups: create delete get list update
monitoring metricDescriptors > monitoring.metricDescriptors: create delete get list
monitoring monitoredResourceDescriptors > monitoring.monitoredResourceDescriptors: get list
monitoring notificationChannelDescriptors > monitoring.notificationChannelDescriptors: get list
monitoring notificationChannels > monitoring.notificationChannels: create delete get list patch=update verify
monitoring notificationChannels > monitoring.notificationChannels: getVerificationCode sendVerificationCode
monitoring services > monitoring.services: create delete get list patch=update
monitoring services.serviceLevelObjectives > monitoring.slos: create delete get list patch=update
monitoring snoozes > monitoring.snoozes: create get list patch=update
monitoring timeSeries > monitoring.timeSeries: create createService=create list query=list
monitoring uptimeCheckConfigs > monitoring.uptimeCheckConfigs: create delete get list patch=update
monitoring uptimeCheckIps > : list

# Cloud Run, "Cloud Run IAM permissions". Deploying asks to act as the service's account, too; the service does that.
run configurations > run.configurations: get list
run executions > run.executions: cancel delete get list
run jobs > run.jobs: create delete get list patch=update replaceJob=update run IAM
run jobs.executions > run.executions: cancel delete get list
run jobs.executions.tasks > run.tasks: get list
run locations > run.locations: list
run operations > run.operations: delete get list wait=get
run revisions > run.revisions: delete get list
run routes > run.routes: get list
run services > run.services: create delete get list patch=update replaceService=update IAM
run services.revisions > run.revisions: delete get list
run tasks > run.tasks: get list
run workerPools > run.workerpools: create delete get list patch=update IAM

# Secret Manager, "Access control with IAM".
secretmanager locations > secretmanager.locations: get list
secretmanager secrets > secretmanager.secrets: create delete get list patch=update IAM
secretmanager secrets > secretmanager.versions: addVersion=add
secretmanager secrets.versions > secretmanager.versions: access destroy disable enable get list

# Service Networking, "Configure private services access". A connection asks for the ranges, too: BESIDES.
servicenetworking operations > servicenetworking.operations: cancel delete get list
servicenetworking services > servicenetworking.services: disableVpcServiceControls enableVpcServiceControls
servicenetworking services.connections > servicenetworking.services: create=addPeering deleteConnection list=get
servicenetworking services.connections > servicenetworking.services: patch=addPeering
servicenetworking services.projects.global.networks > servicenetworking.services: get=getConsumerConfig

# Service Usage, "Access control". Making a service's agent asks for what enabling the service does.
serviceusage operations > serviceusage.operations: cancel delete get list
serviceusage services > serviceusage.services: batchEnable=enable batchGet=get disable enable get list
serviceusage services > serviceusage.services: generateServiceIdentity=enable

# Cloud SQL, "Roles and permissions", "Permissions and the API methods that require them".
sqladmin Backups > cloudsql.backupRuns: CreateBackup=create DeleteBackup=delete GetBackup=get ListBackups=list
sqladmin Backups > cloudsql.backupRuns: UpdateBackup=update
sqladmin backupRuns > cloudsql.backupRuns: delete get insert=create list
sqladmin connect > cloudsql.instances: generateEphemeral=connect generateEphemeralCert=connect get
sqladmin databases > cloudsql.databases: delete get insert=create list patch=update update
sqladmin flags > : list
sqladmin instances > cloudsql.instances: addServerCa clone delete demoteMaster export failover get import list
sqladmin instances > cloudsql.instances: insert=create listServerCas patch=update promoteReplica resetSslConfig
sqladmin instances > cloudsql.instances: restart restoreBackup rotateServerCa startReplica stopReplica truncateLog
sqladmin instances > cloudsql.instances: getDiskShrinkConfig performDiskShrink update
sqladmin operations > cloudsql.instances: cancel=update get list=get
sqladmin sslCerts > cloudsql.sslCerts: createEphemeral=create delete get insert=create list
sqladmin tiers > : list
sqladmin users > cloudsql.users: delete get insert=create list update

# Cloud Storage, "IAM permissions for JSON methods". Its service asks by itself: a bucket lies in no project's path.
storage bucketAccessControls > storage.buckets: delete=setIamPolicy get=getIamPolicy insert=setIamPolicy
storage bucketAccessControls > storage.buckets: list=getIamPolicy patch=setIamPolicy update=setIamPolicy
storage buckets > storage.buckets: delete get insert=create list lockRetentionPolicy=update patch=update restore IAM
storage buckets > storage.buckets: update
storage buckets > storage.objects: getStorageLayout=list
storage buckets.operations > storage.bucketOperations: cancel get list
storage defaultObjectAccessControls > storage.buckets: delete=update get insert=update list=get patch=update update
storage folders > storage.folders: delete get insert=create list rename
storage hmacKeys > storage.hmacKeys: create delete get list update
storage managedFolders > storage.managedFolders: delete get insert=create list IAM
storage notifications > storage.buckets: delete=update get insert=update list=get
storage objectAccessControls > storage.objects: delete=setIamPolicy get=getIamPolicy insert=setIamPolicy
storage objectAccessControls > storage.objects: list=getIamPolicy patch=setIamPolicy update=setIamPolicy
storage objects > storage.objects: bulkRestore=restore compose=create copy=create delete get insert=create list move
storage objects > storage.objects: patch=update restore rewrite=create update IAM
storage serviceAccount > resourcemanager.projects: get

# Serverless VPC Access, "IAM roles".
vpcaccess connectors > vpcaccess.connectors: create delete get list patch=update
vpcaccess locations > vpcaccess.locations: list
vpcaccess operations > vpcaccess.operations: get list
"""
_POLICY_VERBS: Final = ("getIamPolicy", "setIamPolicy", "testIamPermissions=")
_OUTER: Final = ("projects", "locations", "namespaces", "sql")
"""Collections that only say where: leading ones are left out of the table."""


def _read(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        where, _, asked = line.partition(" > ")
        prefix, _, verbs = asked.partition(": ")
        api, _, collection = where.partition(" ")
        for verb in verbs.replace("IAM", " ".join(_POLICY_VERBS)).split():
            name, equals, own = verb.partition("=")
            last = own if equals else name
            yield (
                ".".join(filter(None, (api, collection, name))),
                f"{prefix}.{last}" if prefix and last else "",
            )


PERMISSIONS: Final[Mapping[str, str]] = dict(_read(_TEXT))
"""By "API.collection.verb", without the collections that only say where; "" where nothing is asked for."""


def permission_of(api: str, method_id: str) -> str:
    """The permission that a method asks for ("" for none); raises KeyError where the table does not say."""
    parts = method_id.split(".")
    while f"{api}.{'.'.join(parts)}" not in PERMISSIONS and len(parts) > 2 and parts[0] in _OUTER:
        parts = parts[1:]
    return PERMISSIONS[f"{api}.{'.'.join(parts)}"]


def asked(api: str, method_id: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    """Every permission that a request asks for on its resource or project, the method's own first."""
    own = permission_of(api, method_id)
    if own in _INTERNAL and body.get("addressType") == "INTERNAL":
        own += "Internal"
    if own == "run.jobs.run" and body.get("overrides"):
        own = "run.jobs.runWithOverrides"
    beside = BESIDES.get(f"{api}.{method_id}", ())
    needs_network = not method_id.endswith("ddresses.insert") or body.get("network")
    return (*([own] if own else []), *(beside if needs_network else ()))


_INTERNAL: Final = ("compute.addresses.create", "compute.globalAddresses.create")
BESIDES: Final[Mapping[str, tuple[str, ...]]] = {
    # Compute Engine's reference pages, "IAM permissions", of each method.
    "compute.addresses.insert": ("compute.networks.use",),
    "compute.firewalls.insert": ("compute.networks.updatePolicy",),
    "compute.globalAddresses.insert": ("compute.networks.use",),
    "compute.routes.insert": ("compute.networks.updatePolicy",),
    "compute.subnetworks.insert": ("compute.networks.updatePolicy",),
    # On record from Terraform's users: a caller without it cannot connect a network.
    "servicenetworking.services.connections.create": ("compute.globalAddresses.list",),
    "servicenetworking.services.connections.patch": ("compute.globalAddresses.list",),
    # "Permissions and the API methods that require them".
    "sqladmin.instances.restoreBackup": ("cloudsql.backupRuns.get",),
    "sqladmin.sql.instances.restoreBackup": ("cloudsql.backupRuns.get",),
}
"""What else is asked for, in the project; the method's id stands as in Google's document."""
