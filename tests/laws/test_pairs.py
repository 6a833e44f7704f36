"""Any two specs, the fast cut: one drawn pair, and what the draw itself promises."""

from __future__ import annotations

from pathlib import Path

from hypothesis import Phase, given, seed, settings

from reconciler.spec.load import load
from reconciler.spec.schema import load_schema, sections
from tests.laws.any_specs import CHOICES, FIXED, LENIENT, any_spec
from tests.laws.pairs import search

SEED = 8


def test_a_pair_of_specs_converges_from_either() -> None:
    """A, B, A: nothing is left to do after any of them, and A is what A alone makes."""
    told: list[str] = []
    assert search(1, SEED, told.append) == 0, told
    assert told == ["converges"]


def test_the_draw_speaks_of_keys_that_there_are() -> None:
    """A key that was renamed would never be drawn again without anybody noticing."""
    known = {".".join(map(str, path)) for path, _ in sections(load_schema())}
    assert set(CHOICES) | set(FIXED) <= known


def test_the_draw_covers_its_choices(tmp_path: Path) -> None:
    """Every key is drawn with two of its values at least, in specs that all are valid."""
    seen: dict[str, set[str]] = {}

    @seed(SEED)
    @settings(
        max_examples=120,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=LENIENT,
    )
    @given(any_spec(tmp_path))
    def draw(file: Path) -> None:
        deployment = load(str(file))
        for key in CHOICES:
            value: object = deployment
            for step in key.split("."):
                value = getattr(value, step)
            seen.setdefault(key, set()).add(repr(value))

    draw()
    assert [key for key, values in seen.items() if len(values) < 2] == []
