"""Foreign hands, the fast cut: every kind is edited at once, and one edit is made right before a write of ours."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from reconciler.registry import BY_NAME
from tests.laws.hands import between, during
from tests.laws.hands.edit import OPEN, Edit, Sort
from tests.laws.hands.forced import conditional, forced
from tests.laws.hands.scenes import scenes
from tests.laws.hands.table import EDITS, WITHOUT, missing
from tests.laws.walks import Ground, bench
from tests.relay import Passed

LONG = ("revision", "probe", "newer", "variable", "memory", "instances", "monitoring disabled", "run by")
"""Words of edits that start another revision, which takes its time, or that go badly with others."""


def _one_of_each(*sorts: Sort) -> list[Edit]:
    """The first edit of each kind and resource in the open scene that can be judged together with the others."""
    chosen: dict[tuple[str, Sort, tuple[str, ...]], Edit] = {}
    for edit in EDITS:
        if edit.sort in sorts and OPEN in edit.scenes and not any(word in edit.name for word in LONG):
            chosen.setdefault((edit.kind, edit.sort, edit.met), edit)
    return list(chosen.values())


@pytest.fixture(scope="module", name="own")
def _own() -> Generator[Ground]:
    with scenes() as ground:
        yield ground


def test_all_at_once_between_two_runs(own: Ground) -> None:
    """What is ours of it is named once and mended; what is theirs is not mentioned and stays."""
    edits = _one_of_each(Sort.OURS, Sort.THEIRS)
    with bench(own, own.state(OPEN)) as made:
        done, wrong = between.round_of(made, str(own.spec(OPEN)), edits, 1)
    assert wrong == []
    assert [one.edit for one in done] == edits
    assert len({edit.kind for edit in edits}) >= 20


def test_a_label_right_before_our_write_survives_it(own: Ground) -> None:
    """The write loses its precondition, is planned anew, and is done: nothing is forced, and the label stays."""
    walk = next(walk for walk in during.HANDS_WALKS if walk.name == f"update {OPEN}")
    edits = [edit for edit in EDITS if edit.kind == "secretmanager.secret" and edit.name == "a label"]
    points = tuple(during.Point(edit, 1, aimed=True, after=False) for edit in edits)
    tried = during.attempt(own, during.Undisturbed(walk, OPEN, 0, {}), points, 1)
    assert tried.wrong == ()
    assert tried.codes == (0, 0)
    assert len(tried.made) == len(edits)
    assert all(" before PATCH " in place for place in tried.made)


def test_the_table_speaks_of_every_kind() -> None:
    """Of each kind something of ours and something of others is edited; where not, the reason is visible."""
    assert missing(set(BY_NAME)) == set()
    assert {kind for kind, _ in WITHOUT} <= set(BY_NAME)
    assert {edit.kind for edit in EDITS} == set(BY_NAME)
    edited = {(edit.kind, edit.sort) for edit in EDITS}
    assert edited.isdisjoint(WITHOUT), "a reason for an edit that there is"


def test_no_edit_has_the_name_of_another() -> None:
    """A counter-example is told by the names of its edits."""
    names = [(str(edit), edit.met, scene) for edit in EDITS for scene in edit.scenes]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("path", "sent", "is_forced"),
    [
        pytest.param("/v1/projects/p/secrets/s", b'{"labels": {}}', True, id="without an etag"),
        pytest.param("/v1/projects/p/secrets/s", b'{"etag": "x"}', False, id="with its etag"),
        pytest.param("/storage/v1/b/b", b"{}", True, id="without a metageneration"),
        pytest.param("/storage/v1/b/b?ifMetagenerationMatch=2", b"{}", False, id="with it"),
        pytest.param("/v1/projects/p/locations/l/connectors/c", b"{}", False, id="an API without versions"),
    ],
)
def test_a_write_that_does_not_say_on_which_version_is_seen(path: str, sent: bytes, is_forced: bool) -> None:
    """The search goes by it."""
    request = Passed("PATCH", path, 200, 0.0, 0.0, sent)
    assert bool(list(forced([request]))) is is_forced
    assert conditional([request]) == ("connectors" not in path)
