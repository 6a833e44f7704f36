"""Copies of everything that an instance's PostgreSQL holds: its roles with their passwords' hashes, and its databases.

What Cloud SQL does with disk snapshots is done with pg_dump here, so that a copy fits another instance as well.
"""

import json
import shutil
from pathlib import Path
from typing import Any, Final

from reconciler.sandbox.runtime import postgres
from reconciler.sandbox.runtime.postgres import Cluster, identifier, literal

_ROLES: Final = """SELECT rolname, rolcanlogin, rolcreatedb, rolcreaterole, coalesce(rolpassword, '') FROM pg_authid
WHERE rolname NOT LIKE 'pg\\_%' AND rolname <> 'cloudsqladmin' ORDER BY rolname"""
_MEMBERS: Final = """SELECT granted.rolname, member.rolname FROM pg_auth_members
JOIN pg_roles granted ON granted.oid = roleid JOIN pg_roles member ON member.oid = pg_auth_members.member
WHERE member.rolname NOT LIKE 'pg\\_%' AND member.rolname <> 'cloudsqladmin'"""
_DATABASES: Final = """SELECT datname, pg_get_userbyid(datdba) FROM pg_database
WHERE NOT datistemplate AND datname <> 'cloudsqladmin' ORDER BY datname"""

_KNOWN: Final = "known.json"


def folder(where: Cluster, name: str) -> Path:
    """Where a copy of the instance is kept."""
    return where.top / "backups" / f"{where.project}.{where.name}" / name


def final_folder(home: Path, project: str, name: str) -> Path:
    """Where the last copy of a deleted instance is kept, whatever is made under its name later."""
    return home / "backups" / f"{project}.final" / name


def forget(where: Cluster) -> None:
    """Remove every copy of the instance."""
    shutil.rmtree(folder(where, "x").parent, ignore_errors=True)


def remove(copy: Path) -> None:
    """Remove one copy."""
    shutil.rmtree(copy, ignore_errors=True)


def save(where: Cluster, to: Path) -> None:
    """Write a copy. Raises SandboxError."""
    remove(to)
    to.mkdir(parents=True)
    to.chmod(0o700)
    known = {
        "roles": _run(where, _ROLES),
        "members": _run(where, _MEMBERS),
        "databases": _run(where, _DATABASES),
    }
    (to / _KNOWN).write_text(json.dumps(known))
    for number, (name, _) in enumerate(known["databases"]):
        postgres.dump(where, name, to / f"{number}.dump")


def load(where: Cluster, source: Path) -> None:
    """Put a copy in the place of everything that the instance holds. Raises SandboxError or PostgresError."""
    known: dict[str, Any] = json.loads((source / _KNOWN).read_text())
    before = {row[0] for row in _run(where, _ROLES)}
    for name, _ in _run(where, _DATABASES):
        _run(where, f"DROP DATABASE {identifier(name)} WITH (FORCE)")
    for row in known["roles"]:
        _run(where, _role(row, "ALTER" if row[0] in before else "CREATE"))
    for granted, member in known["members"]:
        _run(where, f"GRANT {identifier(granted)} TO {identifier(member)}")
    for name in sorted(before - {row[0] for row in known["roles"]}):
        _run(where, f"DROP OWNED BY {identifier(name)}; DROP ROLE {identifier(name)}")
    for number, (name, owner) in enumerate(known["databases"]):
        _run(where, f"CREATE DATABASE {identifier(name)} OWNER {identifier(owner)}")
        postgres.restore(where, name, source / f"{number}.dump")


def _run(where: Cluster, statement: str) -> list[list[str]]:
    # Not in the database "postgres", which is replaced like the others.
    return postgres.run_sql(where, statement, "template1")


def _role(row: list[str], verb: str) -> str:
    name, login, databases, roles, password = row
    rights = " ".join(
        word if flag == "t" else f"NO{word}"
        for word, flag in (("LOGIN", login), ("CREATEDB", databases), ("CREATEROLE", roles))
    )
    secret = literal(password) if password else "NULL"
    return f"{verb} ROLE {identifier(name)} {rights} PASSWORD {secret}"
