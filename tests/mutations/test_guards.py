"""The table of guards speaks of the code as it is: a guard that was moved is found again by whoever moved it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutations.guards import GUARDS, Guard

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.does)
def test_every_guard_stands_where_the_table_says(guard: Guard) -> None:
    """Its text once in its file, and its test in the other."""
    assert (ROOT / guard.file).read_text(encoding="utf-8").count(guard.old) == 1
    file, _, name = guard.test.partition("::")
    assert f"def {name.partition('[')[0]}" in (ROOT / file).read_text(encoding="utf-8")


def test_every_law_that_the_core_keeps_has_a_guard() -> None:
    """Law 2, that reading commands never write, is kept by there being no code for it."""
    assert {guard.law for guard in GUARDS} == set(range(1, 13)) - {2}
