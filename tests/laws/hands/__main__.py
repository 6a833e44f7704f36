"""Look for an edit by others that is not mended, or that does not survive. `python -m tests.laws.hands --help`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from tests.laws.hands import between, during
from tests.laws.hands.edit import BOTH, Edit
from tests.laws.hands.scenes import scenes
from tests.laws.hands.table import EDITS
from tests.laws.walks import Ground, bench

FRESH = 25
"""Rounds on one deployment; then it begins anew, because what others leave behind adds up."""


def main(arguments: Sequence[str]) -> int:
    """Search, say what is found as it is found, and count at the end: 1 where there is a counter-example."""
    parser = argparse.ArgumentParser(prog="python -m tests.laws.hands", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the draw")
    parser.add_argument("--each", action="store_true", help="first each edit of the table by itself")
    parser.add_argument(
        "--rounds", type=int, default=40, help="of drawn edits between two runs, in each scene"
    )
    parser.add_argument("--during", type=int, default=10, help="drawn edits during each walk")
    parser.add_argument("--scene", action="append", choices=BOTH, help="only this one between runs")
    parser.add_argument("--walk", action="append", choices=[walk.name for walk in during.HANDS_WALKS])
    parser.add_argument("--only", default="", help="only edits in whose names this is")
    parser.add_argument("--jobs", type=int, default=2, help="points at a time")
    parser.add_argument("--seconds", type=float, default=0, help="begin nothing after these; 0 is never")
    said = parser.parse_args(arguments)
    begun, tried = time.monotonic(), Counter[str]()
    deadline = begun + said.seconds if said.seconds else float("inf")
    chosen = [edit for edit in EDITS if said.only in str(edit)]
    counts: list[str] = []
    wrong = 0
    with scenes() as ground:
        for scene in said.scene or BOTH:
            rounds = _rounds(chosen, scene, said.seed, said.rounds, each=said.each or bool(said.only))
            done, bad = _between(ground, scene, rounds, tried, deadline)
            wrong += bad
            counts.append(f"between runs, {scene}: {done} rounds, {bad} counter-examples")
        for walk in during.HANDS_WALKS:
            if said.during and walk.name in (said.walk or [walk.name]) and time.monotonic() < deadline:
                told, bad = _during(ground, walk, said, chosen, tried, deadline)
                wrong += bad
                counts.append(told)
    _say(*(f"{kind}: {tried[kind]} edits" for kind in sorted({edit.kind for edit in EDITS})))
    _say(*counts, f"{sum(tried.values())} edits, {wrong} counter-examples, {time.monotonic() - begun:.0f} s")
    return 1 if wrong else 0


def _rounds(
    chosen: Sequence[Edit], scene: str, seed: int, count: int, *, each: bool
) -> Iterable[Sequence[Edit]]:
    if each:
        yield from ([edit] for edit in chosen if scene in edit.scenes)
    for number in range(count):
        yield between.draw(between.Chance(f"{seed} {scene} {number}"), scene)


def _between(
    ground: Ground, scene: str, rounds: Iterable[Sequence[Edit]], tried: Counter[str], deadline: float
) -> tuple[int, int]:
    """Go through *rounds*, on a fresh deployment now and then; how many were gone through, and how many were wrong."""
    spec, done, bad = str(ground.spec(scene)), 0, 0
    waiting = iter(rounds)
    while time.monotonic() < deadline:
        with bench(ground, ground.state(scene)) as own:
            for _ in range(FRESH):
                edits = next(waiting, None)
                if edits is None or time.monotonic() >= deadline:
                    return done, bad
                made, wrong = between.round_of(own, spec, edits, done * between.AT_MOST)
                tried.update(one.edit.kind for one in made)
                done, bad = done + 1, bad + bool(wrong)
                _say(f"{scene} {done}: {'; '.join(map(str, edits))}: {'; '.join(wrong) or 'mended'}")
                if wrong:
                    break
    return done, bad


def _during(
    ground: Ground,
    walk: during.Walk,
    said: argparse.Namespace,
    chosen: Sequence[Edit],
    tried: Counter[str],
    deadline: float,
) -> tuple[str, int]:
    of = during.undisturbed(ground, walk)
    drawn = during.points(between.Chance(f"{said.seed} {walk.name}"), of, said.during, chosen)
    done = bad = made = versioned = again = 0
    for one in during.attempts(ground, of, drawn, said.jobs, said.seed, deadline):
        done, bad, made = done + 1, bad + bool(one.wrong), made + len(one.made)
        versioned, again = versioned + one.conditional, again + (one.codes[0] != 0)
        tried.update(place.partition(":")[0] for place in one.made)
        where = "; ".join(one.made) or f"never possible: {'; '.join(map(str, one.points))}"
        _say(f"{walk.name} {done} {list(one.codes)} {where}: {'; '.join(one.wrong) or 'converged'}")
        if one.said:
            _say(f"  it said: {one.said}")
    return (
        f"during {walk.name}, {of.requests} requests: {done} points, {made} edits made, {again} ended by a second run, "
        f"{versioned} writes that must name a version, {bad} counter-examples"
    ), bad


def _say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
