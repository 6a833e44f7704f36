"""Help, unknown words, and what the light commands leave unimported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from reconciler.cli.main import COMMANDS, commands
from tests.cli.conftest import Cli

HEAVY = {"google", "googleapiclient", "httplib2", "requests", "rich", "httpx", "tenacity"}
SCRIPT = f"""
import sys
from reconciler.cli.main import main
sys.argv = ["mlflow-reconcile", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(sorted({{name.split(".")[0] for name in sys.modules}} & {HEAVY!r}), file=sys.stderr)
"""


def _command(name: str) -> click.Command:
    found = commands.get_command(click.Context(commands), name)
    assert found is not None
    return found


def _every_command() -> list[tuple[str, ...]]:
    """Every command and every one below it."""
    paths: list[tuple[str, ...]] = []
    for name in COMMANDS:
        paths.append((name,))
        command = _command(name)
        if isinstance(command, click.Group):
            paths += [(name, below) for below in command.commands]
    return paths


@pytest.mark.parametrize("path", _every_command(), ids=" ".join)
def test_every_command_explains_itself(cli: Cli, path: tuple[str, ...]) -> None:
    """`--help` says what it does and what each option does, and exits 0."""
    said = cli(*path, "--help")
    assert said.code == 0
    assert "Usage:" in said.out
    command = _command(path[0])
    if isinstance(command, click.Group) and len(path) > 1:
        command = command.commands[path[1]]
    assert command.help
    assert [o.name for o in command.params if isinstance(o, click.Option) and not o.help] == []


def test_the_list_of_commands_is_complete(cli: Cli) -> None:
    """`--help` lists every command there is a module for, with the exit codes."""
    folder = Path(sys.modules["reconciler.cli.main"].__file__ or "").parent
    modules = {path.stem.removesuffix("_command") for path in folder.glob("*_command.py")}
    said = cli("--help")
    assert modules == set(COMMANDS)
    assert [name for name in COMMANDS if f"  {name} " not in said.out] == []
    assert "9 out of time" in " ".join(said.out.split())


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["nonsense"], "nonsense"), (["plan", "--nonsense", "x.yaml"], "--nonsense"), (["plan"], "SPEC"),
        (["plan", "x.yaml", "--format", "xml"], "xml"), (["sandbox", "nonsense"], "nonsense"),
        (["plan", "a.yaml", "b.yaml"], "b.yaml"),
    ],
)  # fmt: skip
def test_a_word_that_is_not_known_is_named(cli: Cli, args: list[str], word: str) -> None:
    """Unknown commands, options and values: exit 1, the word, and how to find help."""
    said = cli(*args)
    assert said.code == 1
    assert word in said.err
    assert "--help" in said.err


@pytest.mark.parametrize("args", [["--help"], ["plan", "--help"], ["validate"], ["init"]])
def test_light_commands_import_no_google_library(args: list[str], spec: Path) -> None:
    """Help, validate and init pay for none of the libraries that talk or draw."""
    given = {"validate": [str(spec)], "init": [str(spec.with_name("new.yaml"))]}.get(args[0], [])
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, *args, *given], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines()[-1] == "[]"
