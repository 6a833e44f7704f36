"""What setting a flag of PostgreSQL does to the server that runs on it."""

from __future__ import annotations

RESTARTS = "restarts the database: about a minute without it"

AT_START = frozenset(
    {
        *("autovacuum_freeze_max_age", "autovacuum_max_workers", "autovacuum_multixact_freeze_max_age"),
        *(
            "cloudsql.enable_anon",
            "cloudsql.enable_auto_explain",
            "cloudsql.enable_pg_bigm",
            "cloudsql.enable_pg_cron",
        ),
        *("cloudsql.enable_pg_hint_plan", "cloudsql.enable_pgaudit", "cloudsql.enable_pglogical"),
        *(
            "cloudsql.logical_decoding",
            "hot_standby",
            "huge_pages",
            "max_connections",
            "max_files_per_process",
        ),
        *("max_locks_per_transaction", "max_logical_replication_workers", "max_pred_locks_per_transaction"),
        *("max_prepared_transactions", "max_replication_slots", "max_wal_senders", "max_worker_processes"),
        *("old_snapshot_threshold", "shared_buffers", "track_activity_query_size", "track_commit_timestamp"),
        *("wal_buffers",),
    }
)
"""Flags that are read at the start: PostgreSQL's of the context postmaster, and Cloud SQL's that load a library."""


def effect(flag: str) -> str:
    """What a change of *flag* does to users, "" for nothing that they would notice."""
    if flag in AT_START:
        return RESTARTS
    return "may restart the database" if flag.startswith("cloudsql.") else ""
