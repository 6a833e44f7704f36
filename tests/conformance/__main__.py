"""`python -m tests.conformance`: how much of what the real APIs answered the sandbox answers, too."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.conformance import documents, schemas, walk
from tests.conformance.cloud import running
from tests.conformance.recordings import find, read
from tests.conformance.report import DIFFERENT, table
from tests.conformance.run import Choice, run

WITHOUT = """\
There are no recordings here, so nothing is compared with what the real APIs answered.
Recordings are request and answer pairs of real Google Cloud, such as the HTTP logs that the Config Connector project
(GoogleCloudPlatform/k8s-config-connector, Apache-2.0) keeps beside its tests. A recording is a JSON Lines file:
  {"service", "kind", "case", "seq", "provenance": {"commit"},
   "request": {"method", "url", "path", "query", "body"}, "response": {"status", "body"}}
Put *.jsonl files in recordings/, or name their folder: make conformance RECORDINGS=FOLDER
A clone of that project is such a folder, too: its _http.log files are read as they are."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; 0 where every difference has its excuse, 1 where one has none."""
    chosen = _arguments(arguments)
    if chosen.rewrite_schemas:
        documents.rewrite()
        return 0
    different = _first_witness(chosen)
    if Choice(chosen.service, chosen.kind, chosen.case).everything:
        different |= _second_witness(chosen)
    return 1 if different else 0


def _second_witness(chosen: argparse.Namespace) -> bool:
    found = schemas.look()
    say(*schemas.report(found, verbose=chosen.verbose))
    if chosen.walk:
        with tempfile.TemporaryDirectory() as folder:
            say(*walk.report(walk.walk(Path(folder))))
    return bool(found.unknown or found.missing)


def _first_witness(chosen: argparse.Namespace) -> bool:
    """Replay the recordings; whether a difference has no excuse."""
    folder = chosen.recordings or find()
    if folder is None or not folder.is_dir():
        say(WITHOUT)
        return False
    choice = Choice(chosen.service, chosen.kind, chosen.case, not chosen.today)
    with running() as sandbox:
        figures = run(
            sandbox,
            read(folder, lambda line: say(f"Not read: {line}")),
            choice,
            tell=(lambda line: say(f"  {line}")) if chosen.verbose else say_nothing,
        )
    day = "on today's date" if chosen.today else "on the day of its commit (--today: on today's date)"
    say(f"Each recording was replayed on a sandbox whose clock was {day}.", *table(figures))
    if choice.everything:
        say(
            *(
                f"This excuse excused nothing: {one.row} {one.field} ({one.reason})"
                for one in figures.unused()
            )
        )
    return bool(figures.total[DIFFERENT])


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--recordings", type=Path, metavar="FOLDER", help="where the *.jsonl files are")
    parser.add_argument("--service", help="count this service only, as the recordings name it")
    parser.add_argument("--kind", help="count this kind only")
    parser.add_argument("--case", help="count cases only that have this in their name")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="print what was given, and each difference"
    )
    parser.add_argument(
        "--walk", action="store_true", help="apply, update and destroy, and see what that calls"
    )
    parser.add_argument(
        "--rewrite-schemas", action="store_true", help="keep what the installed documents say"
    )
    parser.add_argument("--today", action="store_true", help="leave the clock alone: APIs have grown since")
    return parser.parse_args(arguments)


def say(*lines: str) -> None:
    """Print lines."""
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


def say_nothing(line: str) -> None:
    """Print nothing."""
    del line


if __name__ == "__main__":
    sys.exit(main())
