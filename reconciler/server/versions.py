"""Which MLflow versions this program can run, and why not the others."""

from __future__ import annotations

NEWEST = "3.17.2"
"""The newest release that installs, and the one the image is tested with."""

OLDEST = "3.5.0"
"""The first release that checks Host and Origin; the settings we derive mean nothing to older ones."""

STREAMS = "3.15.0"
"""The first release that hands uploads on as they come; in older ones each artifact lies in memory on its way."""

RELEASED = (
    *("3.5.0", "3.5.1", "3.6.0", "3.7.0", "3.8.0", "3.8.1", "3.9.0", "3.10.0", "3.10.1", "3.11.1", "3.12.0"),
    *("3.13.0", "3.14.0", "3.15.0", "3.15.1", "3.15.2", "3.16.0", "3.16.1", "3.17.0", "3.17.1", "3.17.2"),
)
"""What the Python package index had on 2026-11-20, from OLDEST to NEWEST."""

BAD = {
    "3.7.0": "it leaks database connections: stores make a new engine each time (mlflow issue 19379)",
    "3.18.0": "it cannot be installed: the mlflow-skinny and mlflow-tracing it needs were never released",
}


def numbers(version: str) -> tuple[int, ...]:
    """A version as numbers, for comparing. Raises ValueError where it is not three numbers."""
    return tuple(int(part) for part in version.split("."))


def streams(version: str) -> bool:
    """Whether artifacts of any size pass through a server of *version* without lying in its memory."""
    return numbers(version) >= numbers(STREAMS)


def objection(version: str) -> str:
    """Why *version* (three numbers) cannot be used; "" when it can."""
    if version in BAD:
        return BAD[version]
    if numbers(version) < numbers(OLDEST):
        return f"it is older than {OLDEST}, the first that checks Host and Origin of requests"
    if numbers(version) > numbers(NEWEST):
        return f"it is newer than {NEWEST}, the newest that this program knows"
    if version not in RELEASED:
        return "it was never released"
    return ""
