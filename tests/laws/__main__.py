"""The long search for counter-examples: every walk, every request, every trouble. `python -m tests.laws --help`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from tests.laws.search import Reference, Tried, attempt, reference, spread
from tests.laws.trouble import Point, Sort
from tests.laws.walks import SMALL, WALKS, Ground, Walk, ground


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    walks: tuple[Walk, ...]
    sorts: tuple[Sort, ...]
    point: Point | None
    most: int
    jobs: int
    seconds: float


def main(arguments: Sequence[str]) -> int:
    """Search, say what is found as it is found, and count at the end: 1 where there is a counter-example."""
    asked = _asked(arguments)
    begun, counts, bad = time.monotonic(), list[str](), 0
    with ground() as own:
        for walk in asked.walks:
            expected = reference(own, walk)
            points = spread(expected.points(asked.sorts), asked.most) if asked.most else None
            points = [asked.point] if asked.point else points or expected.points(asked.sorts)
            _say(f"{walk.name}: {expected.requests} requests, {len(points)} points to try")
            tried = wrong = again = 0
            for one in _all(own, expected, points, asked, begun):
                tried, wrong, again = tried + 1, wrong + bool(one.wrong), again + (one.codes[0] != 0)
                words = "; ".join(one.wrong) or "converged"
                codes = ", ".join(map(str, one.codes))
                _say(f"{walk.name} {tried}/{len(points)} {one.point} [{codes}] {one.met[:90]}: {words}")
            bad += wrong
            counts.append(
                f"{walk.name}: {tried} of {len(points)} points tried, {tried - wrong} converged "
                f"({again} by a second run), {wrong} counter-examples"
            )
    _say(*counts, f"{time.monotonic() - begun:.0f} s")
    return 1 if bad else 0


def _all(
    own: Ground, expected: Reference, points: Sequence[Point], asked: Asked, begun: float
) -> Iterator[Tried]:
    """Each point's end as it comes; what has not begun when the time is over is left out."""

    def one(point: Point) -> Tried | None:
        if asked.seconds and time.monotonic() - begun > asked.seconds:
            return None
        return attempt(own, expected, point)

    with ThreadPoolExecutor(asked.jobs) as pool:
        futures: dict[Future[Tried | None], Point] = {pool.submit(one, point): point for point in points}
        for future in as_completed(futures):
            error = future.exception()
            if error is not None:
                yield Tried(futures[future], "", (-1,), (f"could not be judged: {error!r}",))
            elif (found := future.result()) is not None:
                yield found


def _asked(arguments: Sequence[str]) -> Asked:
    named = {walk.name: walk for walk in (*WALKS, SMALL)}
    parser = argparse.ArgumentParser(prog="python -m tests.laws", description=__doc__)
    parser.add_argument("--walk", action="append", choices=list(named), help="only this one; can be repeated")
    parser.add_argument("--sort", action="append", choices=[sort.value for sort in Sort], help="the same")
    parser.add_argument("--point", help="only this one, as a counter-example names it: 'killed after:17'")
    parser.add_argument("--most", type=int, default=0, help="points of each walk, evenly spread; 0 is all")
    parser.add_argument("--jobs", type=int, default=2, help="points at a time")
    parser.add_argument("--seconds", type=float, default=0, help="begin no point after these; 0 is never")
    said = parser.parse_args(arguments)
    sort, _, number = (said.point or "").rpartition(":")
    return Asked(
        tuple(named[name] for name in said.walk) if said.walk else WALKS,
        tuple(Sort(value) for value in said.sort) if said.sort else tuple(Sort),
        Point(Sort(sort), int(number)) if said.point else None,
        said.most,
        said.jobs,
        said.seconds,
    )


def _say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)  # noqa: T201 -- a program that reports


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
