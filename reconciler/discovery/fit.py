"""What was found, brought down to what the rules let pass: a server that is too large for its database would fail."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from reconciler.discovery.said import Said
from reconciler.server.capacity import mebibytes
from reconciler.spec.finding import Finding
from reconciler.spec.load import check

MEMORY = ("512Mi", "1Gi", "2Gi", "4Gi", "8Gi", "16Gi", "32Gi")


def fit(said: Said) -> list[Finding]:
    """Lower `scaling.max_instances` and raise `memory` until nothing is wrong with them; what stays wrong."""
    found = _findings(said)
    most = said.values.get("scaling.max_instances", 0)
    if most and _about(found, "connections"):
        fitting = next((n for n in range(most - 1, 0, -1) if not _about(_with(said, n), "connections")), 1)
        _lower(said, most, fitting)
        found = _findings(said)
    memory = said.values.get("memory", "")
    if _about(found, "MiB"):
        for larger in (one for one in MEMORY if mebibytes(one) > mebibytes(memory or "1Gi")):
            said.say("memory", larger, f"it has {memory}, which is too little for it")
            found = _findings(said)
            if not _about(found, "MiB"):
                break
    return [finding for finding in found if finding.severity == "error"]


def _lower(said: Said, most: int, fitting: int) -> None:
    least = said.values.get("scaling.min_instances", 0)
    remark = f"it may have {most}, for which its database has too few connections"
    said.say("scaling.max_instances", fitting, remark)
    if least > fitting:
        said.say("scaling.min_instances", fitting)


def _with(said: Said, instances: int) -> list[Finding]:
    least = said.values.get("scaling.min_instances", 0)
    values = {
        **said.values,
        "scaling.max_instances": instances,
        "scaling.min_instances": min(least, instances),
    }
    return _findings(Said(values))


def _about(findings: list[Finding], word: str) -> bool:
    return any(word in finding.message for finding in findings if finding.severity == "error")


def _findings(said: Said) -> list[Finding]:
    """The rules read files, so it is one for a moment."""
    handle, name = tempfile.mkstemp(suffix=".yaml", prefix="found-")
    path = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(said.text())
        return check(path)
    finally:
        path.unlink()
