"""The contract of a kind, held against every kind there is, on a live deployment in the sandbox."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler import errors, pipeline
from reconciler.change import Action
from reconciler.diff import diff, resolve
from reconciler.expand import expand
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Pending, Ref
from reconciler.observe import observe
from reconciler.registry import BY_NAME, KINDS
from reconciler.resources import serviceusage_services
from reconciler.server.naming import names_of
from reconciler.spec.load import load
from tests.relay import relay
from tests.scenarios.command import ROOT, Bench

SPEC = ROOT / "specs" / "quickstart.yaml"
WANTED = [d for kind in KINDS for d in kind.desired(load(SPEC), names_of(load(SPEC), "1")) if d.wanted]
KIND_NAMES = sorted({d.ref.kind for d in WANTED})
"""Those that a plain deployment wants something of; the others' own scenarios hold them to the same."""
MARKED = sorted({d.ref.kind for d in WANTED if d.mark})


def _wanted(cloud: Cloud, name: str = "") -> tuple[Desired, ...]:
    deployment = load(SPEC)
    number = pipeline.look_at_project(cloud).number
    renamed = replace(deployment, name=name or deployment.name)
    return expand(renamed, names_of(renamed, number), KINDS, serviceusage_services.ref(deployment.project))


def _observed(cloud: Cloud, wanted: tuple[Desired, ...]) -> dict[Ref, Observed]:
    return observe(cloud, (desired.ref for desired in wanted), BY_NAME, pipeline.look_at_project(cloud))


def _cloud(bench: Bench) -> Cloud:
    return Cloud(load(SPEC).project, bench.endpoint)


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_what_was_applied_is_observed_as_desired(settled: Bench, kind: str) -> None:
    """After an apply, every resource of the kind is there and needs nothing."""
    cloud = _cloud(settled)
    wanted = _wanted(cloud)
    observed = _observed(cloud, wanted)
    changes = [diff(resolve(d, observed), observed.get(d.ref)) for d in wanted if d.ref.kind == kind]
    assert changes
    assert [change.fields for change in changes if change.action is not Action.KEEP] == []


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_creating_again_changes_nothing(settled: Bench, kind: str) -> None:
    """A creation whose answer was lost may be repeated: the same resources, in the same state."""
    cloud = _cloud(settled)
    wanted = _wanted(cloud)
    before = _observed(cloud, wanted)
    for desired in wanted:
        if desired.ref.kind == kind and any(value is not None for value in (desired.body or {}).values()):
            BY_NAME[kind].create(cloud, resolve(desired, before))
    cloud.forget()
    after = _observed(cloud, wanted)
    assert {ref: seen.body for ref, seen in after.items()} == {ref: seen.body for ref, seen in before.items()}


@pytest.mark.parametrize("kind", MARKED)
def test_creating_what_is_somebody_elses_is_refused(settled: Bench, kind: str) -> None:
    """What came under our name after the plan was made is neither taken for ours nor changed."""
    cloud = _cloud(settled)
    wanted = _wanted(cloud)
    before = _observed(cloud, wanted)
    for desired in wanted:
        if desired.ref.kind == kind and desired.ref in before and desired.mark and desired.wanted:
            other = replace(resolve(desired, before), mark=(desired.mark[0], "another"))
            with pytest.raises(errors.Protected, match="exists by now and is not ours"):
                BY_NAME[kind].create(cloud, other)
    cloud.forget()
    assert _observed(cloud, wanted) == before


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_deleting_what_is_not_there_is_no_error(settled: Bench, kind: str) -> None:
    """A deletion whose answer was lost may be repeated."""
    cloud = _cloud(settled)
    for desired in _wanted(cloud, "never-deployed"):
        if desired.ref.kind == kind and not desired.empties:
            BY_NAME[kind].delete(cloud, desired.ref)


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_observing_what_is_not_there_says_so(settled: Bench, kind: str) -> None:
    """A resource that does not exist is None, or has none of what is wanted; never an error."""
    cloud = _cloud(settled)
    for desired in _wanted(cloud, "never-deployed"):
        if desired.ref.kind != kind or desired.permanent:
            continue
        found = BY_NAME[kind].observe(cloud, desired.ref)
        granted = [field for field in desired.body or {} if found and found.body.get(field) is not None]
        assert not granted


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_observing_never_writes(settled: Bench, kind: str) -> None:
    """Whatever the kind reads, it reads with requests that cannot change anything."""
    with relay(settled.endpoint) as through:
        cloud = Cloud(load(SPEC).project, through.url)
        for desired in _wanted(cloud):
            if desired.ref.kind == kind:
                BY_NAME[kind].observe(cloud, desired.ref)
        assert through.passed
        assert through.writes == []


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_wanting_is_the_same_every_time(settled: Bench, kind: str) -> None:
    """What a spec wants depends on nothing but the spec."""
    cloud = _cloud(settled)
    first, second = ([d for d in _wanted(cloud) if d.ref.kind == kind] for _ in range(2))
    assert first == second


def test_pending_values_come_from_kinds_that_tell() -> None:
    """A value that is known later comes from a kind that apply reads back."""
    deployment = load(SPEC)
    wanted = expand(
        deployment, names_of(deployment, "1"), KINDS, serviceusage_services.ref(deployment.project)
    )
    pending = [value for d in wanted for value in (d.body or {}).values() if isinstance(value, Pending)]
    assert pending
    assert all(BY_NAME[value.ref.kind].tells for value in pending)
