"""What Cloud SQL fills in, by engine and by the day that the clock shows."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.services import sqladmin_versions as versions
from reconciler.sandbox.services.sqladmin_defaults import About, completed, gemini
from reconciler.sandbox.services.sqladmin_tiers import check

THEN, LATER, AUTUMN, NOW = "2024-08-28", "2025-06-01", "2025-09-10", "2026-02-01"


def about(version: str, day: str = NOW) -> About:
    """An instance db in a zone."""
    return About("db", version, "us-central1-c", day)


def filled(version: str, day: str = NOW, **sent: Any) -> dict[str, Any]:
    """The settings of a small instance of ENTERPRISE, completed."""
    return completed({"tier": "db-f1-micro", "edition": "ENTERPRISE", **sent}, about(version, day))


def test_a_default_appears_on_its_day() -> None:
    """`replicationLagMaxSeconds` and the backup tier in 2025, the certificate's rotation in 2026."""
    seen = [
        (
            settings.get("replicationLagMaxSeconds"),
            settings["backupConfiguration"].get("backupTier"),
            "serverCertificateRotationMode" in settings["ipConfiguration"],
        )
        for settings in (filled("POSTGRES_16", day) for day in (THEN, LATER, NOW))
    ]
    assert seen == [(None, None, False), (31536000, "STANDARD", False), (31536000, "STANDARD", True)]


@pytest.mark.parametrize(
    ("version", "day", "installed", "maintenance"),
    [
        ("POSTGRES_16", THEN, "POSTGRES_16_3", "POSTGRES_16_3.R20240527.01_12"),
        ("POSTGRES_15", THEN, "POSTGRES_15_7", "POSTGRES_15_7.R20240514.00_12"),
        ("POSTGRES_15", NOW, "POSTGRES_15_15", "POSTGRES_15_15.R20260108.01_01"),
        ("MYSQL_8_0", LATER, "MYSQL_8_0_40", "MYSQL_8_0_40.R20250304.00_03"),
        ("POSTGRES_9_6", AUTUMN, "POSTGRES_9_6_24", "POSTGRES_9_6_24.R20250727.00_23"),
        ("MYSQL_5_7", AUTUMN, "MYSQL_5_7_44", "MYSQL_5_7_44.R20250531.01_15"),
        ("SQLSERVER_2022_EXPRESS", AUTUMN, "SQLSERVER_2022_EXPRESS_CU19",
         "SQLSERVER_2022_EXPRESS_CU19.R20250727.00_07"),
        ("MYSQL_8_0_36", LATER, "MYSQL_8_0_36", "MYSQL_8_0_36.R20250304.00_03"),
        ("SQLSERVER_2017_EXPRESS", THEN, "SQLSERVER_2017_EXPRESS_CU31_GDR",
         "SQLSERVER_2017_EXPRESS_CU31_GDR.R20240501.00_08"),
    ],
)  # fmt: skip
def test_the_newest_minor_version_of_the_day_is_installed(
    version: str, day: str, installed: str, maintenance: str
) -> None:
    """With the maintenance version that Cloud SQL had then."""
    assert versions.installed(version, day) == installed
    assert versions.maintenance(version, day) == maintenance


@pytest.mark.parametrize(
    ("version", "day", "first", "last", "count"),
    [
        ("POSTGRES_9_6", THEN, "POSTGRES_10", "POSTGRES_16", 7),
        ("POSTGRES_16", LATER, "POSTGRES_17", "POSTGRES_17", 1),
        ("MYSQL_5_7", THEN, "MYSQL_8_0", "MYSQL_8_0_37", 14),
        ("MYSQL_8_0", THEN, "MYSQL_8_0_32", "MYSQL_8_0_37", 6),
        ("MYSQL_8_0", LATER, "MYSQL_8_0_35", "MYSQL_8_4", 7),
        ("SQLSERVER_2017_EXPRESS", THEN, "SQLSERVER_2017_STANDARD", "SQLSERVER_2022_WEB", 11),
        ("SQLSERVER_2022_STANDARD", THEN, "SQLSERVER_2022_ENTERPRISE", "SQLSERVER_2022_ENTERPRISE", 1),
    ],
)
def test_what_an_instance_can_be_upgraded_to(
    version: str, day: str, first: str, last: str, count: int
) -> None:
    """Newer versions, never an older one or a lesser edition."""
    found = versions.upgradable(version, versions.installed(version, day), day)
    assert (found[0]["name"], found[-1]["name"], len(found)) == (first, last, count)


def test_an_engine_that_is_none_is_refused() -> None:
    """400, with the version's name."""
    with pytest.raises(ApiError, match="ORACLE_23"):
        versions.engine("ORACLE_23")


def test_each_engine_keeps_its_own_way_to_recover() -> None:
    """All three are sent by clients that know no engine; each answers what is its own."""
    sent = {"enabled": True, "pointInTimeRecoveryEnabled": False, "binaryLogEnabled": False}
    ways = ("pointInTimeRecoveryEnabled", "binaryLogEnabled", "replicationLogArchivingEnabled")

    def kept(version: str, **more: bool) -> dict[str, Any]:
        backup = filled(version, backupConfiguration={**sent, **more})["backupConfiguration"]
        return {key: backup[key] for key in (*ways, "transactionalLogStorageState") if key in backup}

    off = {"transactionalLogStorageState": "TRANSACTIONAL_LOG_STORAGE_STATE_UNSPECIFIED"}
    assert kept("MYSQL_8_0") == {"binaryLogEnabled": False, **off}
    assert kept("SQLSERVER_2022_WEB") == {"pointInTimeRecoveryEnabled": False, **off}
    both = {"pointInTimeRecoveryEnabled": False, "replicationLogArchivingEnabled": False}
    assert kept("POSTGRES_16") == {**both, **off}
    assert kept("POSTGRES_16", pointInTimeRecoveryEnabled=True) == {
        "pointInTimeRecoveryEnabled": True,
        "replicationLogArchivingEnabled": True,
        "transactionalLogStorageState": "CLOUD_STORAGE",
    }


@pytest.mark.parametrize(
    ("version", "edition"),
    [
        ("POSTGRES_15", "ENTERPRISE"),
        ("POSTGRES_16", "ENTERPRISE_PLUS"),
        ("MYSQL_8_0", "ENTERPRISE"),
        ("MYSQL_8_4", "ENTERPRISE_PLUS"),
        ("SQLSERVER_2022_WEB", "ENTERPRISE"),
    ],
)
def test_the_edition_that_is_left_out_depends_on_the_version(version: str, edition: str) -> None:
    """New versions of PostgreSQL and MySQL begin with the dearer one, which keeps backups unasked."""
    settings = completed({"tier": "db-custom-2-7680"}, about(version))
    assert settings["edition"] == edition
    backup = settings["backupConfiguration"]
    kept = (backup["enabled"], backup["backupRetentionSettings"]["retainedBackups"])
    assert kept == ((True, 15) if edition == "ENTERPRISE_PLUS" else (False, 7))


def test_gemini_is_configured_per_engine() -> None:
    """PostgreSQL and MySQL have their own switches, some turned on since 2025; SQL Server has none."""
    old, new = gemini(about("POSTGRES_16", THEN)), gemini(about("POSTGRES_16"))
    assert (old or {})["oomSessionCancelEnabled"] is False
    assert (new or {})["oomSessionCancelEnabled"] is True
    assert (gemini(about("MYSQL_5_7")) or {})["flagRecommenderEnabled"] is False
    assert (gemini(about("MYSQL_8_0")) or {})["flagRecommenderEnabled"] is True
    assert gemini(about("SQLSERVER_2022_WEB")) is None


def test_what_is_sent_comes_back_as_google_writes_it() -> None:
    """A network's full link as a partial one, entries with their kind, a lone requireSsl as an sslMode."""
    network = "https://www.googleapis.com/compute/v1/projects/p/global/networks/n"
    entries = [{"value": "0.0.0.0/0", "name": "all"}]
    sent = {"privateNetwork": network, "requireSsl": True, "authorizedNetworks": entries}
    shown = filled("POSTGRES_16", ipConfiguration=sent)["ipConfiguration"]
    assert shown["privateNetwork"] == "projects/p/global/networks/n"
    assert shown["authorizedNetworks"] == [{"kind": "sql#aclEntry", "name": "all", "value": "0.0.0.0/0"}]
    assert shown["sslMode"] == "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
    audit = filled("SQLSERVER_2022_WEB", sqlServerAuditConfig={"bucket": "gs://b"})["sqlServerAuditConfig"]
    assert (audit["kind"], audit["uploadInterval"]) == ("sql#sqlServerAuditConfig", "0s")


@pytest.mark.parametrize(
    ("tier", "edition", "engine", "words"),
    [
        ("db-n1-standard-1", "ENTERPRISE", "MYSQL", ""),
        ("db-n1-standard-1", "ENTERPRISE", "POSTGRES", "Only custom or shared-core"),
        ("db-n1-standard-3", "ENTERPRISE", "MYSQL", "Invalid Tier (db-n1-standard-3)"),
        ("db-f1-micro", "ENTERPRISE", "SQLSERVER", "Invalid Tier (db-f1-micro)"),
        ("db-custom-2-7680", "ENTERPRISE", "SQLSERVER", ""),
        ("db-perf-optimized-N-4", "ENTERPRISE_PLUS", "MYSQL", ""),
    ],
)
def test_tiers_are_per_engine_and_edition(tier: str, edition: str, engine: str, words: str) -> None:
    """Google's own words where one does not fit."""
    refused = ""
    try:
        check(tier, edition, engine)
    except ApiError as error:
        refused = error.message
    assert words in refused
    assert bool(words) == bool(refused)
