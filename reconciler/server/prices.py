"""What a deployment costs in a month while nobody uses it, in US dollars, estimated.

List prices without discounts or free allowances: of us-central1 for Cloud SQL, of the region's price group
for Cloud Run. Other regions differ by up to about a fifth. Where a figure comes from stands beside it:
"catalogue" is Google's Cloud Billing catalogue with the year it was asked, "price page" Google's own page,
"unverified" neither.
"""

from __future__ import annotations

from reconciler.server import alerts, networks
from reconciler.server.capacity import mebibytes, tier_memory
from reconciler.server.naming import names_of
from reconciler.server.secrets import wanted_secrets
from reconciler.spec.deployment import Database, Deployment

HOURS = 730
SECONDS = HOURS * 3600

# Cloud SQL for PostgreSQL, edition enterprise, zonal, per hour (catalogue, 2024-07; a comparison
# published in May 2026 has the same vCPU and memory rates).
SHARED_CORE_HOUR = {"db-f1-micro": 0.0105, "db-g1-small": 0.0350}
VCPU_HOUR = 0.0413
GIB_HOUR = 0.0070
PLUS_FACTOR = 1.3  # enterprise-plus over enterprise; unverified
DISK_GB_MONTH = 0.17  # SSD (catalogue, 2024-07)
BACKUP_GB_MONTH = 0.08  # (catalogue, 2024-07)

# Cloud Run, per second: (vCPU, GiB).
ALWAYS_ON_TIER_1 = (0.000018, 0.000002)  # vCPU from the price page, GiB unverified
ALWAYS_ON_TIER_2 = (0.0000216, 0.0000024)  # (catalogue, europe-west3, 2026)
IDLE = (0.0000025, 0.0000025)  # a warm instance that is not asked anything; unverified

# Cloud Monitoring: each condition, and each time series that its query returns, every 30 s (price page, as others quote
# it; in force since May 2026). Uptime checks are free up to a million answers a month; six places every minute give
# 263,000.
ALERT_MONTH = 0.10
ALERT_QUERY = 0.35 / 1_000_000
ALERT_QUERIES = SECONDS / 30

SECRET_VERSION_MONTH = 0.06  # (catalogue, 2026)
SCHEDULE_MONTH = 0.10  # one job of Cloud Scheduler; three of a billing account are free (price page)
IMAGE_GB_MONTH = 0.10  # (catalogue, 2026)
CONNECTOR_HOUR = {"f1-micro": 0.0076, "e2-micro": 0.0083764275, "e2-standard-4": 0.13402284}
"""Machines of a VPC connector, which always run: e2-micro (catalogue, 2026-07), the others unverified."""
IMAGE_GB = 0.4  # compressed size of one built image, measured

TIER_2_REGIONS = frozenset(
    {
        "africa-south1",
        "asia-east2",
        "asia-northeast3",
        "asia-south2",
        "asia-southeast1",
        "asia-southeast2",
        "asia-southeast3",
        "australia-southeast1",
        "australia-southeast2",
        "europe-central2",
        "europe-west10",
        "europe-west12",
        "europe-west2",
        "europe-west3",
        "europe-west6",
        "me-central1",
        "me-central2",
        "northamerica-northeast1",
        "northamerica-northeast2",
        "southamerica-east1",
        "southamerica-west1",
        "us-west2",
        "us-west3",
        "us-west4",
    }
)
"""Cloud Run's dearer price group; unverified but for europe-west3."""


def monthly_estimate(deployment: Deployment) -> list[tuple[str, float]]:
    """What costs money whether or not it is used: item and US dollars a month, largest first, in cents."""
    database, scaling = deployment.database, deployment.scaling
    items = [
        (f"Cloud SQL {database.tier}", _instance(database)),
        (f"Cloud SQL disk, {database.disk_gb} GB", database.disk_gb * DISK_GB_MONTH * _machines(database)),
        (f"Cloud Run, {scaling.min_instances} warm", _warm(deployment)),
        ("Secret Manager", _secret_versions(deployment) * SECRET_VERSION_MONTH),
    ]
    if database.backups.enabled:
        # Backups are incremental, so a full disk and its changes come to about the disk's size once.
        items.append((f"Cloud SQL backups, {database.backups.keep} kept", database.disk_gb * BACKUP_GB_MONTH))
    if networks.connected(deployment):
        connector = deployment.networking.connector
        each = CONNECTOR_HOUR[connector.machine_type] * HOURS
        item = f"VPC connector, {connector.min_instances} x {connector.machine_type}"
        items.append((item, connector.min_instances * each))
    if not deployment.image.digest:
        count = deployment.image.keep
        items.append((f"Artifact Registry, {count} images", count * IMAGE_GB * IMAGE_GB_MONTH))
    if deployment.lifecycle.retention.delete_runs_after_days:
        items.append(("Cloud Scheduler", SCHEDULE_MONTH))
    if count := len(alerts.wanted(deployment)):
        items.append(
            (f"Cloud Monitoring, {count} alerts", count * (ALERT_MONTH + ALERT_QUERIES * ALERT_QUERY))
        )
    rounded = [(item, round(price, 2)) for item, price in items]
    return sorted(((item, price) for item, price in rounded if price), key=lambda pair: -pair[1])


def monthly_total(deployment: Deployment) -> float:
    """US dollars a month, unused. Raises ValueError for an unknown tier."""
    return sum(usd for _, usd in monthly_estimate(deployment))


def monthly_difference(before: Deployment, after: Deployment) -> float:
    """US dollars a month that *after* costs more than *before*, unused. Raises ValueError for an unknown tier."""
    return monthly_total(after) - monthly_total(before)


def _instance(database: Database) -> float:
    """One month of the database's machine. Raises ValueError for an unknown tier."""
    if database.tier in SHARED_CORE_HOUR:
        return SHARED_CORE_HOUR[database.tier] * HOURS * _machines(database)
    parts = database.tier.split("-")
    vcpus = int(parts[2]) if parts[1] == "custom" else int(parts[-1])
    factor = PLUS_FACTOR if database.edition == "enterprise-plus" else 1.0
    return (vcpus * VCPU_HOUR + tier_memory(database.tier) * GIB_HOUR) * HOURS * factor * _machines(database)


def _machines(database: Database) -> int:
    """How many machines, each with its own disk, are paid for. Backups are not doubled (catalogue, 2024-07)."""
    return 2 if database.availability == "regional" else 1


def _warm(deployment: Deployment) -> float:
    """One month of the instances that never stop, unasked."""
    rates = IDLE
    if deployment.scaling.cpu_always_on:
        rates = ALWAYS_ON_TIER_2 if deployment.region in TIER_2_REGIONS else ALWAYS_ON_TIER_1
    per_second = float(deployment.cpu) * rates[0] + mebibytes(deployment.memory) / 1024 * rates[1]
    return deployment.scaling.min_instances * per_second * SECONDS


def _secret_versions(deployment: Deployment) -> int:
    """One of each secret that is made; those of others are paid for by others."""
    return len(wanted_secrets(deployment, names_of(deployment, "")))
