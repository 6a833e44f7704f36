"""Which runs may go: a pure decision over what the database says, so that it can be tested without one.

A run is kept while the model registry, a tag or a run that is kept needs it. One that nothing needs goes in two steps:
when it is old it is moved to MLflow's trash, from which anybody may restore it; after a time there it is deleted for
good with its files. What users put into the trash takes the second step, too, unless the registry names it.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from .environment import Retention

_HOUR: Final = 3_600_000
_DAY: Final = 24 * _HOUR
_DEFAULT_EXPERIMENT: Final = "0"


@dataclass(frozen=True)
class Run:
    """A run. Times in ms since 1970; *seen* is its last sign of life, *deleted* 0 where nobody knows."""

    id: str
    name: str
    experiment: str
    active: bool
    seen: int
    deleted: int
    place: str


@dataclass(frozen=True)
class Model:
    """A logged model; *run* is the one that made it, or ""."""

    id: str
    run: str
    experiment: str
    active: bool
    changed: int
    place: str


@dataclass(frozen=True)
class Facts:
    """What the database says at one moment. What names something comes with the words that say so."""

    now: int
    runs: Mapping[str, Run]
    models: Mapping[str, Model]
    parents: Mapping[str, str]
    """By run, the one that it is nested in."""
    used: tuple[tuple[str, str], ...]
    """(run, logged model that it reads or wrote)."""
    tagged_runs: frozenset[str]
    tagged_experiments: frozenset[str]
    named: Mapping[str, str]
    """Why a run or a logged model is kept, by its id, as far as the registry says so."""
    named_places: Mapping[str, str]
    """The same by where files lie."""
    trash: Mapping[str, int]
    """The deleted experiments, and since when."""
    reachable: tuple[str, ...]
    """What the places begin with whose files we may delete."""


@dataclass(frozen=True)
class Decision:
    """What goes, and what stays although it is old, each with its reason."""

    to_trash: tuple[tuple[Run, str], ...]
    runs: tuple[tuple[Run, str], ...]
    """To be deleted for good, with their models."""
    models: tuple[tuple[Model, str], ...]
    """Deleted ones of other runs, to be deleted for good."""
    experiments: tuple[str, ...]
    kept: tuple[tuple[Run, str], ...]
    young: int


def decide(facts: Facts, policy: Retention) -> Decision:
    """What *policy* means for what there is."""
    old_before = facts.now - policy.after_days * _DAY
    # An hour less: a weekly job would otherwise miss by seconds what it did a week ago.
    gone_before = facts.now - policy.restorable_days * _DAY + (_HOUR if policy.restorable_days else 0)
    young = {run.id for run in facts.runs.values() if run.active and run.seen > old_before}
    held = _held(facts, young)
    ripe = {
        run.id
        for run in facts.runs.values()
        if not run.active and (run.deleted or run.seen + policy.after_days * _DAY) <= gone_before
    }
    dropped = {
        model.id
        for model in facts.models.values()
        if not model.active and model.changed <= gone_before and model.run not in ripe
    }
    going = {run.id for run in facts.runs.values() if run.active and run.id not in young} | ripe | dropped
    going -= set(held)
    _spare_what_lies_within(facts, going, held)
    return Decision(
        to_trash=_reasoned(facts, going, lambda run: run.active, _age),
        runs=_reasoned(facts, going, lambda run: not run.active, _wait),
        models=tuple((facts.models[one], "deleted by somebody") for one in sorted(going & dropped)),
        experiments=tuple(
            one
            for one, since in facts.trash.items()
            if since <= gone_before and one != _DEFAULT_EXPERIMENT and one not in facts.tagged_experiments
            and not any(thing.experiment == one for thing in (*facts.runs.values(), *facts.models.values()))
        ),
        kept=_kept(facts, held, young, ripe),
        young=len(young),
    )  # fmt: skip


def _held(facts: Facts, young: set[str]) -> dict[str, str]:
    """Why runs and logged models stay, by their ids."""
    held = _needed_by_themselves(facts)
    strong = [run for run in facts.runs if run in young or _tagged(facts, run)]
    held |= {run: held.get(run, "") for run in young}
    children: dict[str, list[str]] = {}
    for child, parent in facts.parents.items():
        children.setdefault(parent, []).append(child)
    seen = set(strong)
    while strong:  # what is nested in a run that is tagged, or young
        parent = strong.pop()
        for child in (set(children.get(parent, ())) & facts.runs.keys()) - seen:
            if facts.runs[child].active:
                held.setdefault(child, f"run {parent}, which it is nested in, is kept")
                seen.add(child)
                strong.append(child)
    waiting = list(held)
    uses: dict[str, list[str]] = {}
    for run, model in facts.used:
        uses.setdefault(run, []).append(model)
    while waiting:
        thing = waiting.pop()
        for needed, why in _needs(facts, thing, uses):
            if needed not in held:
                held[needed] = why
                waiting.append(needed)
    return held


def _needed_by_themselves(facts: Facts) -> dict[str, str]:
    """What the registry or a tag names, and what we could not delete."""
    held: dict[str, str] = {}
    for thing in (*facts.models.values(), *facts.runs.values()):
        why = facts.named.get(thing.id, "") or _named_by_place(facts, thing.place)
        if not why and isinstance(thing, Run):
            why = _tagged(facts, thing.id)
        if why := why or _out_of_reach(facts, thing.id, thing.place):
            held[thing.id] = why
    return held


def _needs(facts: Facts, thing: str, uses: Mapping[str, list[str]]) -> Iterable[tuple[str, str]]:
    """What a kept run or model needs, each with why."""
    if thing in facts.models:
        model = facts.models[thing]
        if model.run in facts.runs and (model.active or thing in facts.named):
            yield model.run, f"its logged model {thing} is kept"
        return
    parent = facts.parents.get(thing, "")
    if parent in facts.runs and facts.runs[parent].active:
        yield parent, f"run {thing}, which is nested in it, is kept"
    for model_id in uses.get(thing, ()):
        if model_id in facts.models and facts.models[model_id].run != thing:
            yield model_id, f"run {thing}, which is kept, uses it"


def _tagged(facts: Facts, run: str) -> str:
    if run in facts.tagged_runs:
        return "it has the tag that keeps"
    return (
        "its experiment has the tag that keeps"
        if facts.runs[run].experiment in facts.tagged_experiments
        else ""
    )


def _named_by_place(facts: Facts, place: str) -> str:
    """Why a place is kept: something named is there, or all around it. What lies within it is looked for later."""
    parts = place.split("/")
    above = ("/".join(parts[:end]) for end in range(len(parts), 3, -1))
    return next((facts.named_places[one] for one in above if one in facts.named_places), "")


def _out_of_reach(facts: Facts, own: str, place: str) -> str:
    parts = place.split("/")
    if not place.startswith(facts.reachable):
        return f"its files are out of reach: {place or 'nobody knows where'}"
    if own not in parts or ".." in parts:
        return f"its files do not lie in a folder of its own: {place}"
    return ""


def _spare_what_lies_within(facts: Facts, going: set[str], held: dict[str, str]) -> None:
    """Take out of *going* whatever has files of something in its folder that stays."""
    changed = True
    while changed:
        staying = [
            thing.place
            for thing in (*facts.runs.values(), *facts.models.values())
            if not _goes(facts, going, thing)
        ]
        places = sorted({*staying, *facts.named_places})
        changed = False
        for one in sorted(going):
            place = facts.runs[one].place if one in facts.runs else facts.models[one].place
            at = bisect_left(places, place)
            if at < len(places) and (places[at] == place or _first_within(places, place)):
                held[one] = "files of something that is kept lie within its folder"
                going.discard(one)
                changed = True


def _goes(facts: Facts, going: set[str], thing: Run | Model) -> bool:
    own_run_goes = isinstance(thing, Model) and thing.run in going and not facts.runs[thing.run].active
    return thing.id in going or own_run_goes


def _first_within(places: list[str], place: str) -> bool:
    at = bisect_left(places, f"{place}/")
    return at < len(places) and places[at].startswith(f"{place}/")


def _reasoned(
    facts: Facts, going: set[str], which: Callable[[Run], bool], why: Callable[[int, Run], str]
) -> tuple[tuple[Run, str], ...]:
    found = [facts.runs[one] for one in going if one in facts.runs and which(facts.runs[one])]
    return tuple((run, why(facts.now, run)) for run in sorted(found, key=lambda run: (run.seen, run.id)))


def _age(now: int, run: Run) -> str:
    return f"last seen {(now - run.seen) // _DAY} days ago, and nothing names it"


def _wait(now: int, run: Run) -> str:
    since = f"for {(now - run.deleted) // _DAY} days" if run.deleted else "for longer than anybody knows"
    return f"in the trash {since}, and nothing names it"


def _kept(
    facts: Facts, held: Mapping[str, str], young: set[str], ripe: set[str]
) -> tuple[tuple[Run, str], ...]:
    """The runs that would go, were it not for their reason."""
    found = [
        (run, held[run.id])
        for run in facts.runs.values()
        if run.id in held and run.id not in young and (run.active or run.id in ripe)
    ]
    return tuple(sorted(found, key=lambda pair: (pair[0].seen, pair[0].id)))
