"""Points tried: the walk with its trouble, the same command again, and what is wrong with where that ends."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from urllib.parse import quote

from tests.laws import state
from tests.laws.state import State
from tests.laws.trouble import Met, Point, Sort, run_troubled
from tests.laws.walks import Ground, Walk, bench
from tests.scenarios.command import Bench, Ended

AGAIN = 3
"""How often the command is run after its trouble, as long as it says that something is in flight."""
AT_ONCE = 8
"""How many faults of requests that only read are met by one run."""
READS, WRITES = "reads", "writes"
IN_FLIGHT = (6, 7)
CLEAR = (1, 4, 6, 7, 9)
"""How a command may end that met a fault."""
BEFORE, AFTER = "before.plan", "after.plan"
BUG = re.compile(r"Traceback|this is a bug")


@dataclass(frozen=True, slots=True)
class Reference:
    """How a walk ends that nothing troubles, and what it asks."""

    walk: Walk
    asked: tuple[tuple[str, int], ...]
    state: State

    def points(self, sorts: Iterable[Sort], at: Iterable[str] = (READS, WRITES)) -> list[Point]:
        """Every point of these sorts *at* what reads, what writes, or both.

        Nothing has changed between "before" and "after" a request that only reads: there it is killed once.
        """
        every = [Point(sort, *request) for sort in sorts for request in self.asked]
        due = [point for point in every if (READS if point.reads else WRITES) in at]
        return [point for point in due if not (point.reads and point.sort is Sort.KILLED_BEFORE)]


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one run with the troubles of *points*: the *met* ones, the exit *codes*, and what is *wrong*."""

    points: tuple[Point, ...]
    met: frozenset[Point]
    codes: tuple[int, ...]
    wrong: tuple[str, ...]


def reference(ground: Ground, walk: Walk) -> Reference:
    """Go the walk undisturbed. Raises AssertionError where that already does not end as it should."""
    with bench(ground, ground.state(walk.before)) as own:
        known = state.secrets_of(own.home)
        told = _planned(own, ground, walk)
        met, ends = _go(own, ground, walk, ())
        wrong = [*_unclean(met, ends), *_leaks(own, known, met, [*told, *ends])]
        assert met.ended.code == 0, met.ended.said
        assert not wrong, wrong
        return Reference(walk, met.asked, state.read(own.home))


def attempt(ground: Ground, expected: Reference, *points: Point) -> Tried:
    """Go the walk with the troubles of *points*, then again without, and judge the end."""
    with bench(ground, ground.state(expected.walk.before)) as own:
        known = state.secrets_of(own.home)
        met, ends = _go(own, ground, expected.walk, points)
        wrong = [*_unclean(met, ends), *_leaks(own, known, met, ends)]
        wrong += state.differences(expected.state, state.read(own.home))
        return Tried(points, met.met, (met.ended.code, *(end.code for end in ends)), tuple(wrong))


def together(points: Sequence[Point]) -> list[tuple[Point, ...]]:
    """*points* as runs: faults of requests that only read are met by one run, some at a time; all else is alone.

    Each is got over by itself, so a run that has several is only the harder.
    """
    alone = [(point,) for point in points if point.sort.kills or not point.reads]
    runs = list(alone)
    for sort in dict.fromkeys(point.sort for point in points):
        some = [point for point in points if point.sort is sort and (point,) not in alone]
        count = -(-len(some) // AT_ONCE)
        runs += [tuple(some[number::count]) for number in range(count)]
    return runs


def attempts(
    ground: Ground, expected: Reference, points: Sequence[Point], jobs: int, deadline: float = float("inf")
) -> Iterator[Tried]:
    """`attempt` of *points*, *jobs* runs at a time, as they end; what has not begun at *deadline* is left out.

    What one run did not come to, as it ended before, is tried in another, as long as each comes to some.
    """

    def one(points: tuple[Point, ...]) -> Tried | None:
        if time.monotonic() >= deadline:
            return None
        try:
            return attempt(ground, expected, *points)
        except Exception as error:  # one run that cannot be judged is told, and ends no search of hours
            return Tried(points, frozenset(), (-1,), (f"could not be judged: {error!r}",))

    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(one, points) for points in together(points)}
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for tried in filter(None, (future.result() for future in ended)):
                left = tuple(point for point in tried.points if point not in tried.met)
                if left and tried.met:
                    running.add(pool.submit(one, left))
                    yield replace(tried, points=tuple(p for p in tried.points if p in tried.met))
                else:
                    yield tried


def _planned(own: Bench, ground: Ground, walk: Walk) -> list[Ended]:
    """What is said of the walk before it is gone, in every format, and as a plan in a file."""
    command = ("plan", "--out", str(own.home / BEFORE))
    if walk.command[0] != "apply":
        command = (*walk.command, "--dry-run")
    spec = str(ground.spec(walk.spec))
    formats = ("text", "json", "markdown")
    told = [own.run(*command, "--sandbox", "--format", kind, spec) for kind in formats]
    assert [ended.code for ended in told] == [2, 2, 2], told
    return told


def _go(own: Bench, ground: Ground, walk: Walk, points: tuple[Point, ...]) -> tuple[Met, list[Ended]]:
    """The walk, the same command again where that is due, and last what must find nothing left to do."""
    spec = str(ground.spec(walk.spec))
    command = (*walk.command, spec)
    met = run_troubled(ground.forks, own, command, points)
    ends: list[Ended] = []
    last = met.ended
    while last.code != 0 and len(ends) < AGAIN and (not ends or last.code in IN_FLIGHT):
        last = own.run(*command, "--sandbox", timeout=600)
        ends.append(last)
    saved = ("--out", str(own.home / AFTER)) if walk.settled == ("plan",) else ()
    ends.append(own.run(*walk.settled, "--sandbox", "--format", "json", *saved, spec))
    return met, ends


def _unclean(met: Met, ends: list[Ended]) -> Iterator[str]:
    """What is wrong with how the commands ended."""
    *again, settled = ends
    for ended in (met.ended, *ends):
        if found := BUG.search(ended.said):
            yield f"{found[0]}: {ended.said[found.start() :][:600]}"
    if again and again[-1].code != 0:
        yield f"the last run ended with {again[-1].code}: {again[-1].err[-600:]}"
    if settled.code != 0:
        yield f"something is left to do: {settled.code}: {settled.err[-300:]} {settled.out[:600]}"
    if met.ended.code > 0 and (met.ended.code not in CLEAR or "error:" not in met.ended.err):
        yield f"the troubled run ended with {met.ended.code}: {met.ended.err[-600:]}"


def _leaks(own: Bench, known: frozenset[str], met: Met, ends: list[Ended]) -> Iterator[str]:
    """Where a payload is found, of those *known* before or there now: outputs, plans, the log, argument lists."""
    plans = [own.home / name for name in (BEFORE, AFTER)]
    places = {
        "an output": "".join(ended.said for ended in (met.ended, *ends)),
        "a plan's file": "".join(plan.read_text() for plan in plans if plan.exists()),
        "the sandbox's log": own.run("sandbox", "log", "--last", "0", "--bodies").said,
        "an argument list": "\n".join(met.arguments),
    }
    for secret in known | state.secrets_of(own.home):
        for place, text in places.items():
            if any(form in text for form in written(secret)):
                yield f"a secret is in {place}"


def written(secret: str) -> set[str]:
    """The ways to write *secret*: as it is, escaped for a URL, and what base64 makes of it at any place of a text."""
    forms = {secret, quote(secret, safe="")}
    for shift in range(3):
        padded = b"\0" * shift + secret.encode()
        whole = len(padded) // 3 * 4  # the characters after these depend on what follows the secret
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms.add(encode(padded).decode()[shift and shift + 1 : whole])
    return forms


def spread(points: list[Point], most: int) -> list[Point]:
    """At most *most* of *points*, evenly spread, the same ones each time."""
    if len(points) <= most:
        return points
    return [points[n * len(points) // most] for n in range(most)]
