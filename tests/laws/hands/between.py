"""Edits between two runs: a plan names what is ours of them, an apply mends that, and what is theirs stays."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tests.laws.hands.edit import Edit, Sort
from tests.laws.hands.hand import Already, Hand, Impossible
from tests.laws.hands.scenes import hand
from tests.laws.hands.table import EDITS
from tests.scenarios.command import Bench, Ended

AT_MOST = 5
"""Edits of one round."""
BLOCKED = 5
SHOWN_IN = 5.0
"""Seconds in which an edit that is not waited for shows."""


@dataclass(frozen=True, slots=True)
class Made:
    """An *edit* that was made by *hand*; what it reads *before* and *after*."""

    edit: Edit
    hand: Hand
    before: Any
    after: Any

    @property
    def now(self) -> Any:
        """What it reads now."""
        return self.edit.read(self.hand)

    def lost(self) -> str:
        """What is wrong with what became of it, "" for nothing."""
        now = self.now
        expected = self.after if self.edit.sort is Sort.THEIRS else self.before
        return "" if now == expected else f"{self.edit}: reads {now!r} instead of {expected!r}"


def make(edit: Edit, by: Hand) -> Made:
    """Make *edit*. Raises `Impossible` where it is refused, or changes nothing."""
    before = edit.read(by)
    edit.write(by)
    after, until = edit.read(by), time.monotonic() + (0 if by.patient else SHOWN_IN)
    while before == after and time.monotonic() < until:  # an operation that nobody waited for has begun
        time.sleep(0.1)
        after = edit.read(by)
    if before == after:
        raise Already(f"{edit}: it was {before!r} already")
    return Made(edit, by, before, after)


class Chance(random.Random):
    """What is drawn with; the same for the same words. No secret depends on it."""


def draw(chance: Chance, scene: str) -> list[Edit]:
    """Some edits that can be judged together: nothing is edited that another one deletes, or twice."""
    chosen: list[Edit] = []
    fitting = [edit for edit in EDITS if scene in edit.scenes]
    for edit in chance.sample(fitting, AT_MOST * 2):
        if len(chosen) < chance.randint(2, AT_MOST) and all(bearable(edit, other) for other in chosen):
            chosen.append(edit)
    return chosen


def bearable(edit: Edit, other: Edit) -> bool:
    """Whether the two can be judged together: neither deletes what the other one edits."""
    if (edit.kind, edit.name) == (other.kind, other.name) or {edit.sort, other.sort} == {Sort.MARK}:
        return False
    entangled = bool({_service(edit), *_others(edit)} & {_service(other), *_others(other)})
    return not (entangled and {Sort.GONE, Sort.MARK} & {edit.sort, other.sort})


def _service(edit: Edit) -> str:
    return edit.kind.partition(".")[0]


def _others(edit: Edit) -> set[str]:
    """The services of what hangs together with an edit."""
    return {pattern.partition(".")[0] for pattern in (*edit.told, *edit.may)}


def round_of(bench: Bench, spec: str, edits: Sequence[Edit], first: int) -> tuple[list[Made], list[str]]:
    """Make *edits* by hands numbered from *first*, let it be mended, and say what is wrong."""
    made: list[Made] = []
    wrong: list[str] = []
    for number, edit in enumerate(edits, start=first):
        try:
            made.append(make(edit, hand(bench, f"t{number}")))
        except Already:
            continue
        except Impossible as refused:
            wrong.append(f"{edit} could not be made: {refused}")
    marked = any(one.edit.sort is Sort.MARK for one in made)
    planned = bench.run("plan", "--sandbox", "--format", "json", spec)
    wrong += _unfitting(planned, made)
    if marked:
        wrong += _adopted(bench, spec)
    applied = bench.run("apply", "--sandbox", "--yes", spec, timeout=600)
    wrong += [f"apply ended with {applied.code}: {applied.err[-500:]}"] if applied.code else []
    settled = bench.run("plan", "--sandbox", "--format", "json", spec)
    if settled.code:
        wrong.append(f"something is left to do: {settled.code} {items(settled)} {settled.err[-300:]}")
    return made, wrong + [told for one in made if (told := one.lost())]


def _adopted(bench: Bench, spec: str) -> Iterator[str]:
    """What has lost its mark is adopted; before that nothing at all is done."""
    refused = bench.run("apply", "--sandbox", "--yes", spec)
    if refused.code != BLOCKED:
        yield f"what is not ours by its mark was not refused: {refused.code} {refused.said[-300:]}"
    adopted = bench.run("adopt", "--sandbox", "--yes", spec)
    if adopted.code:
        yield f"adopt ended with {adopted.code}: {adopted.err[-300:]}"


def items(planned: Ended) -> list[str]:
    """What a plan in JSON says is to be done: "ADDRESS FIELD", or "ADDRESS ACTION" where it is not about fields."""
    try:
        changes: list[dict[str, Any]] = json.loads(planned.out)["resource_changes"]
    except ValueError:
        return [planned.said[-300:]]
    return [
        f"{change['address']} {one}"
        for change in changes
        if change["change"]["actions"] != ["no-op"]
        for one in _fields(change["change"])
    ]


def _fields(change: dict[str, Any]) -> Iterable[str]:
    if change["actions"] == ["update"]:
        return [field["path"] for field in change["fields"]] or ["update"]
    return ["-".join(change["actions"])]


def _unfitting(planned: Ended, made: Sequence[Made]) -> Iterator[str]:
    """Where the plan says something that nobody edited, or not what somebody did, or that twice."""
    said = items(planned)
    for one in made:
        for pattern in map(one.hand.filled, one.edit.told):
            count = sum(_fits(item, pattern) for item in said)
            exact = "*" not in pattern
            if count == 0 or (exact and count != 1):
                yield f"{one.edit}: the plan says {pattern} {count} times"
    yield from unexpected(said, made)
    expected = BLOCKED if any(one.edit.sort is Sort.MARK for one in made) else 2 if said else 0
    if planned.code != expected:
        yield f"plan ended with {planned.code} instead of {expected}: {planned.err[-300:]}"


def unexpected(said: Sequence[str], made: Sequence[Made]) -> Iterator[str]:
    """What a plan says that has nothing to do with what was edited."""
    known = [one.hand.filled(pattern) for one in made for pattern in (*one.edit.told, *one.edit.may)]
    for item in said:
        if not any(_fits(item, pattern) for pattern in known):
            yield f"the plan says {item}, which nobody edited"


def _fits(item: str, pattern: str) -> bool:
    return fnmatchcase(item, pattern)
