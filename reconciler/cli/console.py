"""What commands print: plans in the three formats, warnings, questions."""

from __future__ import annotations

import os
import sys

import click

from reconciler import errors
from reconciler.cli.typed import as_typed
from reconciler.errors import Exit
from reconciler.plan import Plan


def show(plan: Plan, style: str, summary: str = "") -> None:
    """Print *plan* as text, json or markdown, summed up by *summary* instead of its own line if that is given."""
    if style == "json":
        from reconciler.render import json

        click.echo(json.render(plan), nl=False)
    elif style == "markdown":
        from reconciler.render import markdown

        click.echo(markdown.render(plan, summary), nl=False)
    else:
        from reconciler.render import text

        click.echo(as_typed(text.render(plan, summary, colour=coloured())), nl=False)


def exit_code(plan: Plan) -> Exit:
    """What a command that only shows *plan* exits with."""
    if plan.obstacles or any(change.blocked for change in plan.changes):
        return Exit.PROTECTED
    return Exit.DIFFERENCES if plan.wanted else Exit.OK


def coloured() -> bool:
    """Whether standard output is a terminal whose owner does not mind colour (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def agreed(question: str, *, yes: bool) -> None:
    """Return if the user agrees; without a terminal nobody is asked, and only --yes agrees."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise errors.Protected(
            "there is no terminal to ask on, and nothing was changed", way_out="Add --yes to go ahead."
        )
    if not click.confirm(question, default=False):
        raise errors.Interrupted("no; nothing was changed")
