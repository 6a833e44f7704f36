"""Take each guard out of a copy of the project, and see the test fail that holds it.

Prints a line for each; ends with 1 where a test still passes without its guard.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.mutations.guards import GUARDS, Guard

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("reconciler", "tests", "schema", "specs", "image", "docs", "pyproject.toml", "README.md")
FAILED = 1
"""pytest's exit code where tests ran and one failed; any other says nothing about the guard."""
LONG = 300
"""Seconds for one test: without its guard it may wait for what never comes."""


def main(arguments: Sequence[str]) -> int:
    """Every guard in turn, or those that are asked for; 0 where each is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument(
        "--only", default="", help="the guards with this text in what they do or in their file"
    )
    only = parser.parse_args(arguments).only
    guards = [guard for guard in GUARDS if only in f"{guard.does} {guard.file}"]
    if not guards:
        parser.error(f"no guard has {only!r} in what it does or in its file")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        for name in NEEDED:
            source = ROOT / name
            ignored = shutil.ignore_patterns("__pycache__")
            (
                shutil.copytree(source, copy / name, ignore=ignored)
                if source.is_dir()
                else shutil.copy(source, copy / name)
            )
        if _tested(copy, *dict.fromkeys(guard.test for guard in guards), shown=True) != 0:
            print("the tests fail with every guard in its place")
            return 1
        idle = [guard for guard in guards if not _missed(copy, guard)]
    print(f"{len(guards)} guards taken out, {len(guards) - len(idle)} missed by a test")
    return 1 if idle else 0


def _missed(copy: Path, guard: Guard) -> bool:
    """Whether the guard's test fails without it."""
    file = copy / guard.file
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole.replace(guard.old, guard.new), encoding="utf-8")
    try:
        code = _tested(copy, guard.test)
    finally:
        file.write_text(whole, encoding="utf-8")
    told = "missed" if code == FAILED else f"NOT MISSED (pytest ended with {code})"
    print(f"law {guard.law:>2}  {told:<8}  {guard.does}  [{guard.test}]", flush=True)
    return code == FAILED


def _tested(copy: Path, *tests: str, shown: bool = False) -> int:
    """How pytest ends in the copy; what it says is only *shown* where that is of use."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    env = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ended = subprocess.run(
            command, cwd=copy, env=env, capture_output=not shown, timeout=LONG, check=False
        )
    except subprocess.TimeoutExpired:
        return FAILED  # it waits for ever without the guard: noticed
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
