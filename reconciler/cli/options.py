"""Options and arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def output_format(function: F) -> F:
    """`--format text|json|markdown`."""
    choice = click.Choice(["text", "json", "markdown"])
    return click.option(
        "--format", "style", type=choice, default="text", show_default=True, help="How to report."
    )(function)


def on_sandbox(function: F) -> F:
    """`--sandbox`."""
    return click.option(
        "--sandbox", is_flag=True, help="Use the sandbox on this machine; start it where none runs."
    )(function)


def permission_check(function: F) -> F:
    """`--skip-permission-check`."""
    return click.option(
        "--skip-permission-check",
        "unchecked",
        is_flag=True,
        help="Do not ask beforehand what we may do: where conditions grant it on some resources only.",
    )(function)


def spec_argument(function: F) -> F:
    """The one SPEC."""
    return click.argument("spec", type=click.Path())(function)


def specs_argument(function: F) -> F:
    """One SPEC or several; a folder stands for the specs in it."""
    return click.argument("specs", type=click.Path(), nargs=-1, required=True)(function)
