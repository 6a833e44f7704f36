"""The second witness: what the reconciler can send and the sandbox answers, against Google's own schemas."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from reconciler.sandbox.server import build_world
from reconciler.sandbox.web.dispatch import load_services
from tests.conformance import documents
from tests.conformance.sendable import Call, calls

OPERATIONS = ("operations.get", "operations.wait")
"""Methods that the sandbox answers by the operation's name, for every API."""


@dataclass(frozen=True)
class Schemas:
    """What was found."""

    package: str
    """Version of google-api-python-client, which brings the documents."""
    revisions: dict[str, str]
    sendable: Sequence[Call]
    unknown: Sequence[Call]
    """Methods that the reconciler can call and Google's documents do not have."""
    missing: Sequence[Call]
    """Methods that it can call and the sandbox does not emulate."""
    changes: Sequence[str]
    """Lines of the kept text that this package changed."""


def look() -> Schemas:
    """Look at the installed documents, the reconciler's source and the sandbox's services."""
    sendable = sorted(calls())
    served = emulated()
    unknown = [call for call in sendable if not _known(call)]
    missing = [call for call in sendable if call not in served and not call.method_id.endswith(OPERATIONS)]
    places = {(call.api, call.version) for call in (*sendable, *served)}
    return Schemas(
        version("google-api-python-client"),
        documents.revisions(places),
        sendable,
        unknown,
        missing,
        documents.changes(sendable),
    )


def emulated() -> set[Call]:
    """Every method that the sandbox has an implementation of."""
    with tempfile.TemporaryDirectory(prefix="mc", dir="/tmp") as folder:
        world = build_world(Path(folder) / "h", 0)
        try:
            return {Call(*key) for key in load_services(world)[1]}
        finally:
            world.store.close()


def report(found: Schemas, *, verbose: bool) -> list[str]:
    """The findings as lines of text."""
    shown = ", ".join(f"{name} {revision}" for name, revision in found.revisions.items())
    lines = [
        "",
        f"Google's schemas, from google-api-python-client {found.package}: {shown}.",
        f"The reconciler can call {len(found.sendable)} methods: "
        f"{_all_but(found.unknown, 'in these documents')}, {_all_but(found.missing, 'emulated')}.",
    ]
    if not found.changes:
        return [*lines, "Methods, fields and enum values of these are what they were when we looked last."]
    changed = f"{len(found.changes)} lines about their methods, fields and enum values are new or gone since we looked"
    return [
        *lines,
        f"{changed} last (python -m tests.conformance --rewrite-schemas):",
        *_some(found.changes, verbose),
    ]


def _some(lines: Sequence[str], verbose: bool) -> list[str]:
    shown = lines if verbose else lines[:20]
    more = [f"  … and {len(lines) - len(shown)} more (-v)"] if len(shown) < len(lines) else []
    return [*(f"  {line}" for line in shown), *more]


def _all_but(exceptions: Sequence[Call], what: str) -> str:
    return f"all {what}" if not exceptions else f"all {what} but {', '.join(map(str, exceptions))}"


def _known(call: Call) -> bool:
    try:
        documents.method_of(call)
    except KeyError:
        return False
    return True
