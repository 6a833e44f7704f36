"""Database flags: which settings of PostgreSQL Cloud SQL lets one have, and with which values.

Of PostgreSQL's own settings those are left out that Google's page "Configure database flags" does not list, because the
service itself needs them: files, sockets, archives, what is loaded at the start. Flags of extensions and of Cloud SQL
have a prefix, and PostgreSQL takes them without knowing them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.runtime.pg_binaries import Flag

_NOT_OFFERED: Final = re.compile(
    r"allow_(in_place_tablespaces|system_table_mods)|archive_.*|backtrace_functions|bonjour.*|cluster_name|config_file"
    r"|data_(directory.*|sync_retry)|debug_io_direct|dynamic_(library_path|shared_memory_type)|event_source"
    r"|exit_on_error|external_pid_file|fsync|full_page_writes|hba_file|hot_standby|huge_page_size|ident_file"
    r"|ignore_.*|krb_.*|listen_addresses|(local|session|shared)_preload_libraries|log_(destination|directory)"
    r"|log_(file_mode|filename|rotation_.*|truncate_on_rotation)|logging_collector|port|(post|pre)_auth_delay"
    r"|primary_.*|promote_trigger_file|recovery_.*|remove_temp_files_after_crash|reserved_connections"
    r"|restart_after_crash|restore_command|shared_memory_type|ssl|ssl_(?!m(in|ax)_protocol_version).*|stats_temp_.*"
    r"|superuser_reserved_connections|synchronous_standby_names|syslog_.*|unix_socket_.*|update_process_title"
    r"|wal_(consistency_checking|level|sync_method)|zero_damaged_pages"
)
_SWITCHES: Final = frozenset(
    f"cloudsql.{name}"
    for name in (
        *("allow_passwordless_local_connections", "enable_anon", "enable_auto_explain", "enable_pg_bigm"),
        *(
            "enable_pg_cron",
            "enable_pg_hint_plan",
            "enable_pg_wait_sampling",
            "enable_pgaudit",
            "enable_pglogical",
        ),
        *("iam_authentication", "logical_decoding"),
    )
)
_ROLES: Final = ("cloudsql.pg_authid_select_role", "cloudsql.pg_shadow_select_role")
_EXTENSIONS: Final = re.compile(
    r"(anon|auto_explain|cron|pg_hint_plan|pg_stat_statements|pgaudit|pglogical)\.\w+"
)
_RANGES: Final = {"max_connections": ("14", "262143")}
"""Ranges that are narrower here than PostgreSQL's own."""


def offered(known: Mapping[str, Flag]) -> dict[str, Flag]:
    """The flags that an instance may have, of the settings that PostgreSQL has."""
    own = {name: flag for name, flag in known.items() if not _NOT_OFFERED.fullmatch(name)}
    narrowed = {
        name: Flag(own[name].kind, low, high, restarts=own[name].restarts)
        for name, (low, high) in _RANGES.items()
        if name in own
    }
    switches = {name: Flag("BOOLEAN", "", "", restarts="enable_" in name) for name in _SWITCHES}
    switches["cloudsql.logical_decoding"] = Flag("BOOLEAN", "", "", restarts=True)
    return {
        **own,
        **narrowed,
        **switches,
        **{name: Flag("STRING", "", "", restarts=False) for name in _ROLES},
    }


def check(flags: Sequence[Mapping[str, Any]], known: Mapping[str, Flag]) -> None:
    """Raise ApiError 400 for a flag that an instance cannot have, or not with this value, or not twice."""
    names = [str(flag.get("name", "")) for flag in flags]
    if len(set(names)) != len(names):
        raise ApiError(400, "Invalid request: A database flag is set twice.", reason="invalid")
    allowed = offered(known)
    for flag in flags:
        name = str(flag.get("name", ""))
        if name not in allowed and not _EXTENSIONS.fullmatch(name):
            text = f"Invalid request: Flag ({name}) is not supported for this database version."
            raise ApiError(400, text, reason="invalid")
        if name in allowed and not allowed[name].takes(str(flag.get("value", ""))):
            raise ApiError(400, "Value requested is not valid.", reason="invalidFlagValue")
