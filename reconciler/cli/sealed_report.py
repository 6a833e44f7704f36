"""What `plan show` prints: what a plan file is bound to, and the plan in it."""

from __future__ import annotations

import json

import click

from reconciler.cli import console
from reconciler.render import markdown
from reconciler.sealed import CHANGED, MISSING, SAME, Sealed, place, state_of_spec

SPEC_IS = {
    SAME: "still the one that the plan was made from",
    CHANGED: "has changed since the plan was made: apply refuses it",
    MISSING: "not found from here, so nobody can tell whether it has changed",
}


def show(seal: Sealed, style: str) -> None:
    """Print *seal* as text, json or markdown; the plan in it looks as it did when it was made."""
    if style == "json":
        click.echo(json.dumps({**seal.shown, "sealed": _bound_to(seal)}, indent=2))
        return
    lines = {
        "seal": "intact",
        "spec": f"{seal.spec}: {SPEC_IS[state_of_spec(seal)]}",
        "spec hash": f"sha256 {seal.spec_hash}",
        "fingerprint": seal.fingerprint,
        "made against": place(seal.endpoint),
    }
    if style == "markdown":
        click.echo(markdown.render(seal.plan))
        click.echo("\n".join(f"- {key}: `{value}`" for key, value in lines.items()))
        return
    click.echo("\n".join(f"{key + ':':<13} {value}" for key, value in lines.items()) + "\n")
    console.show(seal.plan, style)


def _bound_to(seal: Sealed) -> dict[str, object]:
    return {
        "intact": True,
        "spec": seal.spec,
        "spec_hash": seal.spec_hash,
        "spec_on_disk": state_of_spec(seal),
        "endpoint": seal.endpoint,
    }
