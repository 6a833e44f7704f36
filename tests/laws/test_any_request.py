"""Apply may die anywhere, and any one request may fail: a sample of what `python -m tests.laws` tries in full."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.laws.search import READS, WRITES, Reference, attempts, reference, spread
from tests.laws.trouble import KILLS, Sort
from tests.laws.walks import SMALL, Ground, ground

KILLED, FAULTY = 4, 5
"""How many points of each are tried."""
AT_ONCE = 2
FAULTS = tuple(sort for sort in Sort if not sort.kills)


@pytest.fixture(scope="module", name="walked")
def _walked() -> Generator[tuple[Ground, Reference]]:
    """The walk without a trouble, and the start states for those with one."""
    with ground() as own:
        yield own, reference(own, SMALL)


@pytest.mark.parametrize(
    ("sorts", "most"),
    [pytest.param(KILLS, KILLED, id="killed"), pytest.param(FAULTS, FAULTY, id="faulty")],
)
def test_the_next_run_reaches_the_same_end(
    walked: tuple[Ground, Reference], sorts: tuple[Sort, ...], most: int
) -> None:
    """The state of the undisturbed walk, nothing doubled, nothing left to plan, no secret said, and no bug."""
    own, expected = walked
    killed = set(sorts) <= set(KILLS)
    points = spread(expected.points(sorts, (WRITES,) if killed else (READS, WRITES)), most)
    assert len(points) == most
    assert {point.sort for point in points} == set(sorts)
    tried = list(attempts(own, expected, points, AT_ONCE))
    assert [one for one in tried if one.wrong] == []
    assert {point for one in tried for point in one.met} == set(points), "a point that no request came to"
