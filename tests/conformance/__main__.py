"""`python -m tests.conformance`: how much of what the real APIs answered the sandbox answers, too."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.conformance import excuses
from tests.conformance.cloud import Sandbox, running
from tests.conformance.recordings import Row, Take, read, takes
from tests.conformance.replay import replay
from tests.conformance.report import Figures, table

PLACES = ("recordings", "../recordings", "../shared/recordings")


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay, print the figures; 1 where a difference has no excuse."""
    chosen = _arguments(arguments)
    folder = chosen.recordings or next((Path(p) for p in PLACES if Path(p).is_dir()), None)
    if folder is None:
        say("There are no recordings here.")
        return 0
    rows = read(folder)
    wanted = [row for row in rows if _wanted(row, chosen)]
    figures = Figures(excuses.EXCUSES)
    groups = takes(rows)
    with running() as sandbox:
        for take in groups:
            if any(row in wanted for row in take.rows):
                _replay(sandbox, take, groups, wanted, figures, verbose=chosen.verbose)
    say(*table(figures))
    return 1 if figures.lines else 0


def _replay(
    sandbox: Sandbox,
    take: Take,
    groups: Sequence[Take],
    wanted: Sequence[Row],
    figures: Figures,
    *,
    verbose: bool,
) -> None:
    others = [one for one in groups if one.case == take.case and one is not take]
    before = len(figures.lines)
    for compared in replay(sandbox, take, others):
        if compared.row not in wanted:
            continue
        if verbose and compared.given:
            say(f"  given before {compared.row}: {'; '.join(compared.given)}")
        figures.add(compared)
    if verbose:
        say(*(f"  {line}" for line in figures.lines[before:]))


def _wanted(row: Row, chosen: argparse.Namespace) -> bool:
    pairs = ((chosen.service, row.service), (chosen.kind, row.kind))
    return all(asked in (None, had) for asked, had in pairs) and (
        chosen.case is None or chosen.case in row.case
    )


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--recordings", type=Path, metavar="FOLDER")
    parser.add_argument("--service")
    parser.add_argument("--kind")
    parser.add_argument("--case", help="a part of the case's name")
    parser.add_argument("-v", "--verbose", action="store_true", help="print each difference")
    return parser.parse_args(arguments)


def say(*lines: str) -> None:
    """Print lines."""
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
