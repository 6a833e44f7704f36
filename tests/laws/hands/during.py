"""Edits during a run, right before or after one of its requests; then the same command again until all is well."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any, Final

from tests.laws.hands.between import Chance, Made, bearable, items, make, unexpected
from tests.laws.hands.edit import BOTH, Edit, Sort
from tests.laws.hands.forced import conditional, forced
from tests.laws.hands.hand import Impossible
from tests.laws.hands.scenes import CHANGED, hand
from tests.laws.hands.table import EDITS
from tests.laws.search import AGAIN, BUG, IN_FLIGHT
from tests.laws.walks import WALKS, Ground, Walk, bench
from tests.relay import Passed, Reply, relay
from tests.scenarios.command import Bench, Ended

CLEAR = (1, 4, 5, 6, 7, 9)
"""How a run may end whose ground was moved: 5 where what came in between is protected."""
TRIES = 40
"""At how many requests an edit is tried that is impossible at first."""
_DESTROY = WALKS[-1]
HANDS_WALKS: Final = tuple(
    walk
    for scene in BOTH
    for walk in (
        Walk(f"first {scene}", "", scene),
        Walk(f"update {scene}", scene, CHANGED[scene]),
        Walk(f"destroy {scene}", scene, scene, _DESTROY.command, _DESTROY.settled),
    )
)


@dataclass(frozen=True, slots=True)
class Point:
    """An *edit* at the first request from *number* on at which it is possible.

    An *aimed* one waits for a write to what it edits, and comes right before it; else *after* says on which side.
    """

    edit: Edit
    number: int
    aimed: bool
    after: bool

    def __str__(self) -> str:
        where = "before its write" if self.aimed else "after" if self.after else "before"
        return f"{self.edit}, {where} from {self.number}"


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """How a walk ends without anybody else: its *requests*, and what each edit *reads* then."""

    walk: Walk
    scene: str
    requests: int
    reads: Mapping[Edit, Any]


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of some points: where each edit was *made*, the exit *codes*, what the first run *said* it could not
    do, how many of its writes had to name a version, and what is *wrong*.
    """

    points: tuple[Point, ...]
    made: tuple[str, ...]
    codes: tuple[int, ...]
    said: str
    conditional: int
    wrong: tuple[str, ...]


@dataclass
class _Meddler:
    """Somebody else who watches a command's requests, and edits in between."""

    bench: Bench
    pending: list[Point]
    seed: int
    number: int = 0
    made: list[Made] = field(default_factory=list[Made])
    places: list[str] = field(default_factory=list[str])
    tries: dict[Point, int] = field(default_factory=dict[Point, int])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, method: str, path: str, forward: Callable[[], Reply]) -> Reply | None:
        with self.lock:
            self.number += 1
            due = [point for point in self.pending if self._due(point, method, path)]
            self._make([point for point in due if not point.after], f"{method} {path}")
        reply = forward()
        with self.lock:
            self._make([point for point in due if point.after], f"{method} {path}")
        return reply

    def _due(self, point: Point, method: str, path: str) -> bool:
        if self.number < point.number:
            return False
        parts = [hand(self.bench).filled(part) for part in point.edit.met] if point.aimed else []
        return not point.aimed or (method != "GET" and any(part in path for part in parts))

    def _make(self, points: Sequence[Point], request: str) -> None:
        for point in points:
            if point not in self.pending:
                continue
            try:
                token = f"t{self.seed}{len(self.made)}"
                self.made.append(make(point.edit, hand(self.bench, token, patient=False)))
                self.places.append(f"{point.edit} {'after' if point.after else 'before'} {request}")
                self.pending.remove(point)
            except Impossible:
                self.tries[point] = self.tries.get(point, 0) + 1
                if self.tries[point] >= TRIES and not point.aimed:
                    self.pending.remove(point)


def undisturbed(ground: Ground, walk: Walk) -> Undisturbed:
    """Go the walk alone."""
    scene = walk.name.split()[1]
    with bench(ground, ground.state(walk.before)) as own:
        ended, passed, meddler = _run(own, ground, walk, ())
        assert ended.code == 0, ended.said
        assert not list(forced(passed)), list(forced(passed))
        by = hand(own)
        return Undisturbed(walk, scene, meddler.number, {edit: edit.read(by) for edit in EDITS})


def points(
    chance: Chance, of: Undisturbed, count: int, among: Sequence[Edit] = EDITS
) -> list[tuple[Point, ...]]:
    """One or two edits at a time, *count* times, drawn; half of them aimed at the writes that they hurt."""
    fitting = [edit for edit in among if of.scene in edit.scenes and edit.sort is not Sort.MARK]
    drawn: list[tuple[Point, ...]] = []
    for _ in range(count):
        first, second = chance.choice(fitting), chance.choice(fitting)
        edits = (first, second) if bearable(first, second) and chance.random() < 0.5 else (first,)
        aimed = chance.random() < 0.5
        number = 1 if aimed else chance.randint(1, of.requests)
        drawn.append(tuple(Point(edit, number, aimed, not aimed and chance.random() < 0.5) for edit in edits))
    return drawn


def attempt(ground: Ground, of: Undisturbed, chosen: tuple[Point, ...], seed: int) -> Tried:
    """Go the walk with these edits in it, then again until it is well, and judge the end."""
    walk = of.walk
    with bench(ground, ground.state(walk.before)) as own:
        ended, passed, meddler = _run(own, ground, walk, chosen, seed)
        spec = str(ground.spec(walk.spec))
        wrong = [*forced(passed), *_unclear(ended)]
        if ended.code == 0 and walk.command[0] == "apply":
            planned = own.run("plan", "--sandbox", "--format", "json", spec)
            wrong += [
                f"it said that all was done, and {told}"
                for told in unexpected(_not_going_on(items(planned), meddler.made), meddler.made)
            ]
        codes = [ended.code]
        while len(codes) <= AGAIN and (len(codes) == 1 or codes[-1] in IN_FLIGHT):
            last = own.run(*walk.command, "--sandbox", spec, timeout=600)
            wrong += list(_unclear(last))
            codes.append(last.code)
        settled = own.run(*walk.settled, "--sandbox", "--format", "json", spec)
        wrong += [f"the last run ended with {codes[-1]}"] if codes[-1] else []
        if settled.code:
            wrong.append(f"something is left to do: {settled.code} {items(settled)} {settled.err[-300:]}")
        wrong += [told for one in meddler.made if (told := _lost(of, one))]
        said = " ".join(ended.err.partition("error:")[2].split())[:300]
        return Tried(chosen, tuple(meddler.places), tuple(codes), said, conditional(passed), tuple(wrong))


def attempts(
    ground: Ground,
    of: Undisturbed,
    drawn: Sequence[tuple[Point, ...]],
    jobs: int,
    seed: int,
    deadline: float = float("inf"),
) -> Iterator[Tried]:
    """`attempt` of each, *jobs* at a time, as they end; what has not begun at *deadline* is left out."""

    def one(chosen: tuple[Point, ...], number: int) -> Tried | None:
        return attempt(ground, of, chosen, seed + number) if time.monotonic() < deadline else None

    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(one, chosen, number): chosen for number, chosen in enumerate(drawn)}
        for future in as_completed(futures):
            error = future.exception()
            if error is None:
                found = future.result()
                if found is not None:
                    yield found
            else:
                yield Tried(futures[future], (), (-1,), "", 0, (f"could not be judged: {error!r}",))


def _run(
    own: Bench, ground: Ground, walk: Walk, chosen: tuple[Point, ...], seed: int = 0
) -> tuple[Ended, list[Passed], _Meddler]:
    meddler = _Meddler(own, list(chosen), seed)
    with relay(own.endpoint, hinder=meddler) as through:
        env = {"MLFLOW_RECONCILE_ENDPOINT": through.url}
        ended = own.run(*walk.command, str(ground.spec(walk.spec)), env=env, timeout=600)
    return ended, through.passed, meddler


def _not_going_on(said: Sequence[str], made: Sequence[Made]) -> list[str]:
    """*said* without what only waits for a change that somebody has begun."""
    begun = tuple(f"{one.edit.kind}/" for one in made)
    return [item for item in said if not (item.endswith(" update") and item.startswith(begun))]


def _unclear(ended: Ended) -> Iterator[str]:
    if found := BUG.search(ended.said):
        yield f"{found[0]}: {ended.said[found.start() :][:600]}"
    if ended.code and (ended.code not in CLEAR or "error:" not in ended.err):
        yield f"a run ended with {ended.code}: {ended.err[-600:]}"


def _lost(of: Undisturbed, one: Made) -> str:
    """What is wrong with what became of an edit: theirs is there, where anything is left; ours is as without it."""
    if of.walk.command[0] == "destroy" and not (one.edit.sort is Sort.THEIRS and one.edit.outlives):
        return ""
    expected = one.after if one.edit.sort is Sort.THEIRS else of.reads[one.edit]
    now = one.now
    return "" if now == expected else f"{one.edit}: reads {now!r} instead of {expected!r}"
