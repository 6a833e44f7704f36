"""One point tried: the walk with its trouble, the same command again, and what is wrong with where that ends."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from urllib.parse import quote

from tests.laws import state
from tests.laws.state import State
from tests.laws.trouble import Met, Point, Sort, run_troubled
from tests.laws.walks import Ground, Walk, bench
from tests.scenarios.command import Bench, Ended

AGAIN = 3
"""How often the command is run after its trouble, as long as it says that something is in flight."""
IN_FLIGHT = (6, 7)
CLEAR = (1, 4, 6, 7, 9)
"""How a command may end that met a fault."""
BEFORE, AFTER = "before.plan", "after.plan"
BUG = re.compile(r"Traceback|this is a bug")


@dataclass(frozen=True, slots=True)
class Reference:
    """How a walk ends that nothing troubles."""

    walk: Walk
    requests: int
    writes: tuple[str, ...]
    state: State

    def at_writes(self, sorts: Iterable[Sort]) -> list[Point]:
        """A point of each of these sorts at each write: where most can go wrong."""
        return [Point(sort, 0, write) for sort in sorts for write in self.writes]

    def points(self, sorts: Iterable[Sort]) -> list[Point]:
        """Every point of these sorts."""
        return [Point(sort, number) for sort in sorts for number in range(1, self.requests + 1)]


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one point: the request that *met* the trouble, exit *codes*, and what is *wrong*, if anything."""

    point: Point
    met: str
    codes: tuple[int, ...]
    wrong: tuple[str, ...]


def reference(ground: Ground, walk: Walk) -> Reference:
    """Go the walk undisturbed. Raises AssertionError where that already does not end as it should."""
    with bench(ground, ground.state(walk.before)) as own:
        known = state.secrets_of(own.home)
        told = _planned(own, ground, walk)
        met, ends = _go(own, ground, walk, None)
        wrong = [*_unclean(met, ends), *_leaks(ground, own, known, met, [*told, *ends])]
        assert met.ended.code == 0, met.ended.said
        assert not wrong, wrong
        return Reference(walk, met.requests, met.writes, state.read(own.home))


def attempt(ground: Ground, expected: Reference, point: Point) -> Tried:
    """Go the walk with the trouble of *point*, then again without, and judge the end."""
    with bench(ground, ground.state(expected.walk.before)) as own:
        known = state.secrets_of(own.home)
        met, ends = _go(own, ground, expected.walk, point)
        wrong = [*_unclean(met, ends), *_leaks(ground, own, known, met, ends)]
        wrong += state.differences(expected.state, state.read(own.home))
        return Tried(point, met.met, (met.ended.code, *(end.code for end in ends)), tuple(wrong))


def attempts(
    ground: Ground, expected: Reference, points: Sequence[Point], jobs: int, deadline: float = float("inf")
) -> Iterator[Tried]:
    """`attempt` of each point, *jobs* at a time, as they end; what has not begun at *deadline* is left out."""

    def one(point: Point) -> Tried | None:
        return attempt(ground, expected, point) if time.monotonic() < deadline else None

    with ThreadPoolExecutor(jobs) as pool:
        futures: dict[Future[Tried | None], Point] = {pool.submit(one, point): point for point in points}
        for future in as_completed(futures):
            error = future.exception()
            if error is not None:
                yield Tried(futures[future], "", (-1,), (f"could not be judged: {error!r}",))
            elif (found := future.result()) is not None:
                yield found


def _planned(own: Bench, ground: Ground, walk: Walk) -> list[Ended]:
    """What is said of the walk before it is gone, in every format, and as a plan in a file."""
    command = ("plan", "--out", str(own.home / BEFORE))
    if walk.command[0] != "apply":
        command = (*walk.command, "--dry-run")
    spec = str(ground.spec(walk.spec))
    formats = ("text", "json", "markdown")
    told = [ground.run(own, *command, "--sandbox", "--format", kind, spec) for kind in formats]
    assert [ended.code for ended in told] == [2, 2, 2], told
    return told


def _go(own: Bench, ground: Ground, walk: Walk, point: Point | None) -> tuple[Met, list[Ended]]:
    """The walk, the same command again where that is due, and last what must find nothing left to do."""
    spec = str(ground.spec(walk.spec))
    command = (*walk.command, spec)
    met = run_troubled(ground.forks, own, command, point)
    ends: list[Ended] = []
    last = met.ended
    while last.code != 0 and len(ends) < AGAIN and (not ends or last.code in IN_FLIGHT):
        last = ground.run(own, *command, "--sandbox", timeout=600)
        ends.append(last)
    saved = ("--out", str(own.home / AFTER)) if walk.settled == ("plan",) else ()
    ends.append(ground.run(own, *walk.settled, "--sandbox", "--format", "json", *saved, spec))
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


def _leaks(ground: Ground, own: Bench, known: frozenset[str], met: Met, ends: list[Ended]) -> Iterator[str]:
    """Where a payload is found, of those *known* before or there now: outputs, plans, the log, argument lists."""
    plans = [own.home / name for name in (BEFORE, AFTER)]
    places = {
        "an output": "".join(ended.said for ended in (met.ended, *ends)),
        "a plan's file": "".join(plan.read_text() for plan in plans if plan.exists()),
        "the sandbox's log": ground.run(own, "sandbox", "log", "--last", "0", "--bodies").said,
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
