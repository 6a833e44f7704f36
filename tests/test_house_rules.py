"""The rules of the house that a program can check. Style, types and layers have tools of their own."""

from __future__ import annotations

import ast
import importlib
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from reconciler.cli.main import COMMANDS, commands
from reconciler.registry import BY_NAME, KINDS

ROOT = Path(__file__).parents[1]
OURS = sorted(path for folder in ("reconciler", "image") for path in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
README = ROOT / "README.md"

FORBIDDEN_WORDS = {"util", "helper", "manager", "common", "misc", "handler", "base"}
NAMED_BY_OTHERS = {
    "tests/relay.py": {"Handler"},  # the word of http.server
    "reconciler/sandbox/web/dispatch.py": {"_base_url"},  # the word of Google's discovery documents
    "tests/image/real_image.py": {"make_base"},  # a base image is called that
}
PRINTERS = {
    "reconciler/sandbox/__main__.py",  # a program of its own
    "reconciler/sandbox/web/dispatch.py",  # the sandbox's log
    "reconciler/sandbox/runtime/databases.py",  # the sandbox's log
    "image/serving/modes.py",  # a container speaks on stderr
}
LONG_MODULES = {
    "reconciler/sandbox/registry.py",
    "reconciler/sandbox/runtime/postgres.py",
    "reconciler/sandbox/services/knative.py",
    "reconciler/sandbox/services/sqladmin_instances.py",
}
"""Modules that were left whole on purpose; a new one is split, or stands here with the reason in its commit."""
SUPPRESSIONS = 60
"""Comments that switch a check off. Fewer is better; one more has to be worth this line's change."""

SWITCH = re.compile(r"#\s*(noqa|type:\s*ignore|pyright:\s*ignore|pragma:|pyright:)")
WITH_CODE_AND_REASON = re.compile(
    r"# (noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*|(type|pyright): ignore\[[\w-]+(, ?[\w-]+)*\]|pragma: no cover)"
    r" (--? )?\w.{3,}"
)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (n for n in ast.walk(_tree(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def _words(name: str) -> set[str]:
    """The words of a name, in lower case and without a plural's s; Google's product names count as none."""
    own = re.sub(r"(?i)(secret|resource)_?manager", "", name)
    parts = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", own)
    return {word.lower() for word in parts} | {word.lower().removesuffix("s") for word in parts}


def _switches(path: Path) -> list[str]:
    """The comments of a module that switch a check off."""
    text = io.StringIO(path.read_text(encoding="utf-8"))
    comments = [t.string for t in tokenize.generate_tokens(text.readline) if t.type == tokenize.COMMENT]
    return [comment for comment in comments if SWITCH.search(comment)]


def test_a_kinds_module_is_named_after_it() -> None:
    """Every module in resources/ is a kind of the registry, under its own name, and the reverse."""
    modules = {p.stem for p in (ROOT / "reconciler" / "resources").glob("*.py")} - {"__init__"}
    assert modules == {name.replace(".", "_") for name in BY_NAME}
    for kind in KINDS:
        module = importlib.import_module(f"reconciler.resources.{kind.name.replace('.', '_')}")
        assert any(value in (kind, type(kind)) for value in vars(module).values()), kind.name


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_is_named_after_its_api(kind: object) -> None:
    """The service in a kind's name is the first label of its API's host."""
    name, api = str(getattr(kind, "name", "")), str(getattr(kind, "api", ""))
    assert api == f"{name.partition('.')[0]}.googleapis.com"


def test_no_name_says_nothing() -> None:
    """Words that fit anything name nothing: modules, classes and functions have better ones."""
    empty: list[str] = []
    for path in (*OURS, *TESTS):
        defined = [n.name for n in ast.walk(_tree(path)) if isinstance(n, ast.ClassDef | ast.FunctionDef)]
        spoken = {name for name in (path.stem, *defined) if _words(name) & FORBIDDEN_WORDS}
        empty += [f"{_name(path)}: {name}" for name in spoken - NAMED_BY_OTHERS.get(_name(path), set())]
    assert not empty, "\n".join(empty)


def test_packages_export_nothing() -> None:
    """An `__init__.py` is empty or one docstring."""
    inits = [path for path in (*OURS, *TESTS) if path.name == "__init__.py"]
    assert inits
    for path in inits:
        body = _tree(path).body
        assert len(body) == (0 if not body else 1), _name(path)
        assert not body or ast.get_docstring(_tree(path)), _name(path)


def test_only_the_command_line_prints() -> None:
    """Everything else returns what it has to say; programs of their own are named above."""
    printing = {
        _name(path)
        for path in OURS
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert {name for name in printing if not name.startswith("reconciler/cli/")} <= PRINTERS


def test_every_check_that_is_off_says_which_and_why() -> None:
    """A suppression carries its code and its reason."""
    bare = [
        f"{_name(p)}: {c}"
        for p in (*OURS, *TESTS)
        for c in _switches(p)
        if not WITH_CODE_AND_REASON.search(c)
    ]
    assert not bare, "\n".join(bare)


def test_suppressions_do_not_pile_up() -> None:
    """Their number is pinned."""
    assert sum(len(_switches(path)) for path in (*OURS, *TESTS)) <= SUPPRESSIONS


def test_every_test_says_what_it_proves() -> None:
    """A docstring for each test, whose first line is a sentence."""
    silent = [
        f"{_name(path)}: {function.name}"
        for path in TESTS
        if path.name.startswith("test_")
        for function in _functions(path)
        if function.name.startswith("test_")
        and not re.match(r"\S+ .*[.:;,\w]$", (ast.get_docstring(function) or "").split("\n")[0])
    ]
    assert not silent, "\n".join(silent)


def test_modules_are_of_a_size_to_be_read() -> None:
    """Under 300 lines, but for the ones named above."""
    long = {_name(path) for path in OURS if len(path.read_text(encoding="utf-8").splitlines()) > 300}
    assert long <= LONG_MODULES


def test_functions_are_of_a_size_to_be_read() -> None:
    """At most 40 lines."""
    long = [
        f"{_name(path)}: {function.name}"
        for path in OURS
        for function in _functions(path)
        if (function.end_lineno or 0) - function.lineno >= 40
    ]
    assert long == []


def test_nothing_is_global() -> None:
    """No function rebinds a module's name."""
    assert [_name(p) for p in OURS for node in ast.walk(_tree(p)) if isinstance(node, ast.Global)] == []


def _options() -> Iterator[tuple[str, str]]:
    """Every command with each of its long options."""
    for name in COMMANDS:
        command = commands.get_command(click.Context(commands), name)
        assert command is not None
        below = list(command.commands.values()) if isinstance(command, click.Group) else []
        for one in (command, *below):
            for option in one.params:
                yield from ((f"{name} {o}", o) for o in option.opts if o.startswith("--"))


def test_every_command_is_in_the_readme() -> None:
    """A command that nobody can read about is not there."""
    text = README.read_text(encoding="utf-8")
    assert [
        name for name in COMMANDS if f"mlflow-reconcile {name}" not in text and f"`{name}`" not in text
    ] == []


def test_every_option_is_in_the_readme() -> None:
    """The same for every option of every command."""
    text = README.read_text(encoding="utf-8")
    assert sorted({where for where, option in _options() if not re.search(rf"{option}\b", text)}) == []


def test_every_kind_is_in_the_readme() -> None:
    """Readers find what is made in their project."""
    text = README.read_text(encoding="utf-8")
    assert [name for name in BY_NAME if name not in text] == []
