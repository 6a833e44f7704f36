"""The long search for counter-examples: every walk, every request, every trouble. `python -m tests.laws --help`."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.laws.search import READS, WRITES, attempts, reference, spread
from tests.laws.trouble import Point, Sort
from tests.laws.walks import SMALL, WALKS, Walk, ground


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    walks: tuple[Walk, ...]
    sorts: tuple[Sort, ...]
    point: Point | None
    at: tuple[str, ...]
    most: int
    jobs: int
    seconds: float
    real: bool


def main(arguments: Sequence[str]) -> int:
    """Search, say what is found as it is found, and count at the end: 1 where there is a counter-example."""
    asked = _asked(arguments)
    begun, counts, bad = time.monotonic(), list[str](), 0
    deadline = begun + asked.seconds if asked.seconds else float("inf")
    with ground(real=asked.real) as own:
        for walk in asked.walks:
            expected = reference(own, walk)
            points = expected.points(asked.sorts, asked.at)
            points = [asked.point] if asked.point else spread(points, asked.most or len(points))
            _say(f"{walk.name}: {len(expected.asked)} requests, {len(points)} points to try")
            tried = missed = wrong = again = runs = 0
            for one in attempts(own, expected, points, asked.jobs, deadline):
                runs, tried, missed = runs + 1, tried + len(one.met), missed + len(one.points) - len(one.met)
                wrong, again = wrong + bool(one.wrong), again + (one.codes[0] != 0)
                words = "; ".join(one.wrong) or ("converged" if one.met else "no request came to it")
                codes = ", ".join(map(str, one.codes))
                _say(
                    f"{walk.name} {tried}/{len(points)} [{codes}] {' & '.join(map(str, one.points))}: {words}"
                )
            bad += wrong
            counts.append(
                f"{walk.name}: {tried} of {len(points)} points tried in {runs} runs ({again} that ended early), "
                f"{missed} that no request came to, {wrong} counter-examples"
            )
    _say(*counts, f"{time.monotonic() - begun:.0f} s")
    return 1 if bad else 0


def _asked(arguments: Sequence[str]) -> Asked:
    named = {walk.name: walk for walk in (*WALKS, SMALL)}
    parser = argparse.ArgumentParser(prog="python -m tests.laws", description=__doc__)
    parser.add_argument("--walk", action="append", choices=list(named), help="only this one; can be repeated")
    parser.add_argument("--sort", action="append", choices=[sort.value for sort in Sort], help="the same")
    parser.add_argument("--point", help="only this one: SORT:PATTERN of 'METHOD PATH', with #N for the Nth")
    parser.add_argument(
        "--at", choices=[READS, WRITES], help="only the requests that do this; else every one"
    )
    parser.add_argument("--most", type=int, default=0, help="points of each walk, evenly spread; 0 is all")
    parser.add_argument("--jobs", type=int, default=2, help="points at a time")
    parser.add_argument("--seconds", type=float, default=0, help="begin no point after these; 0 is never")
    parser.add_argument("--real", action="store_true", help="deploy MLflow itself, not what stands in for it")
    said = parser.parse_args(arguments)
    return Asked(
        tuple(named[name] for name in said.walk) if said.walk else WALKS,
        tuple(Sort(value) for value in said.sort) if said.sort else tuple(Sort),
        _point(said.point) if said.point else None,
        (said.at,) if said.at else (READS, WRITES),
        said.most,
        said.jobs,
        said.seconds,
        said.real,
    )


def _point(text: str) -> Point:
    sort, _, request = text.partition(":")
    if found := re.fullmatch(r"(.*)#(\d+)", request):
        return Point(Sort(sort), found[1], int(found[2]))
    return Point(Sort(sort), request)


def _say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
