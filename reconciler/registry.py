"""Every kind there is, in the order in which people think of a deployment. A new kind is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.kind import Kind, Owner
from reconciler.resources.artifactregistry_image import Image
from reconciler.resources.artifactregistry_repository import Repository
from reconciler.resources.artifactregistry_repository_iam import REPOSITORY_IAM
from reconciler.resources.billingbudgets_budget import BUDGET
from reconciler.resources.cloudkms_key_iam import KEY_IAM
from reconciler.resources.cloudresourcemanager_project_iam import PROJECT_IAM
from reconciler.resources.cloudscheduler_job import SchedulerJob
from reconciler.resources.compute_address import Address
from reconciler.resources.compute_network import Network
from reconciler.resources.compute_subnetwork import Subnetwork
from reconciler.resources.iam_service_account import ServiceAccount
from reconciler.resources.iap_service_agent import SERVICE_AGENT
from reconciler.resources.iap_web_iam import WEB_IAM
from reconciler.resources.monitoring_alert_policy import ALERT_POLICY
from reconciler.resources.monitoring_notification_channel import NOTIFICATION_CHANNEL
from reconciler.resources.monitoring_uptime_check import UPTIME_CHECK
from reconciler.resources.run_job import Job
from reconciler.resources.run_job_iam import JOB_IAM
from reconciler.resources.run_migration import Migration
from reconciler.resources.run_service import Service
from reconciler.resources.run_service_iam import SERVICE_IAM
from reconciler.resources.secretmanager_secret import Secret
from reconciler.resources.secretmanager_secret_iam import SECRET_IAM
from reconciler.resources.secretmanager_version import Version
from reconciler.resources.servicenetworking_connection import Connection
from reconciler.resources.serviceusage_services import EnabledServices
from reconciler.resources.sqladmin_database import Database
from reconciler.resources.sqladmin_instance import Instance
from reconciler.resources.sqladmin_public_address import PublicAddress
from reconciler.resources.sqladmin_user import User
from reconciler.resources.storage_bucket import Bucket
from reconciler.resources.storage_bucket_iam import BUCKET_IAM
from reconciler.resources.vpcaccess_connector import Connector

KINDS: Final[tuple[Kind, ...]] = (
    EnabledServices(),
    ServiceAccount(),
    PROJECT_IAM,
    KEY_IAM,
    Bucket(),
    BUCKET_IAM,
    Repository(),
    REPOSITORY_IAM,
    Image(),
    Secret(),
    Version(),
    SECRET_IAM,
    Network(),
    Subnetwork(),
    Address(),
    Connection(),
    Connector(),
    Instance(),
    PublicAddress(),
    Database(),
    User(),
    Job(),
    Migration(),
    Service(),
    SERVICE_IAM,
    JOB_IAM,
    SchedulerJob(),
    UPTIME_CHECK,
    NOTIFICATION_CHANNEL,
    ALERT_POLICY,
    BUDGET,
    SERVICE_AGENT,
    WEB_IAM,
)

OWNERS: Final[tuple[Owner, ...]] = (UPTIME_CHECK, NOTIFICATION_CHANNEL, ALERT_POLICY, BUDGET)
"""Kinds whose resources are found by our label, the ones too that a spec no longer wants."""

BY_NAME: Final[Mapping[str, Kind]] = {kind.name: kind for kind in KINDS}
