"""A plan on a terminal."""

from __future__ import annotations

import re

import pytest

from reconciler.render import text
from tests.builders import planned, seen, want
from tests.render.sample import everything

EXPECTED = """\
mlflow-test in project acme-ml

  + fake.thing/bucket  [specs/prod.yaml:3 name]
      labels.team: ml  [specs/prod.yaml:9 labels.team]
      image: (known after apply)
      and 2 more, derived or by default (--format json shows them)

  ~ fake.thing/sql  [specs/prod.yaml:12 database]
      tier: db-f1-micro -> db-custom-2  [specs/prod.yaml:13 database.tier]
      ! the database restarts

  -/+ fake.thing/account  [specs/prod.yaml:3 name]
      id: old -> new  (forces replacement)
      ! id cannot change on a live resource

    fake.thing/data: left in place: it holds data

  ~ fake.thing/policy
      roles/viewer user:a@x.example: granted
      roles/viewer user:b@x.example: taken away

  - fake.thing/old
      ! no longer wanted

  About $31 a month.

Plan: 1 to create, 2 to update, 1 to replace, 1 to delete, 2 unchanged.
"""


def test_a_plan_reads_like_this() -> None:
    """Signs, old and new, who asks, what it does to users, one line that sums up."""
    assert text.render(everything()) == EXPECTED


def test_a_plan_without_changes_is_two_lines() -> None:
    """Nothing to do is said in one sentence."""
    assert text.render(planned([want("a", {"x": 1})], seen("a", {"x": 1}))) == (
        "mlflow-test in project acme-ml\n\nNo changes. Google Cloud matches the spec: 1 unchanged.\n"
    )


def test_colour_is_all_that_colour_changes() -> None:
    """Without its escapes the coloured plan is the plain one."""
    coloured = text.render(everything(), colour=True)
    assert "\033[32m  + fake.thing/bucket\033[0m" in coloured
    assert re.sub(r"\033\[\d+m", "", coloured) == EXPECTED


def test_a_refusal_stands_with_its_resource() -> None:
    """The guard's sentence is under the change that it forbids."""
    wanted = want("data", {"r": 2}, fixed=frozenset({"r"}), holds_data=True)
    assert "      x refused: fake.thing/data holds data" in text.render(
        planned([wanted], seen("data", {"r": 1}))
    )


@pytest.mark.parametrize("value", ["a\nb", "\033[31mred", "tab\there", ""])
def test_a_value_cannot_leave_its_line(value: str) -> None:
    """Line ends and escapes that somebody wrote into a label are shown, not obeyed."""
    rendered = text.render(planned([want("a", {"x": "y"})], seen("a", {"x": value})))
    (line,) = [line for line in rendered.splitlines() if "x: " in line]
    assert line.endswith(" -> y")
    assert "\033" not in rendered


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (None, "b", "(not set) -> b"), ("a", None, "a -> (not set)"), (False, True, "false -> true"),
        (["b", "a"], [], '["b", "a"] -> []'), ({"k": 1}, {"k": 2}, '{"k": 1} -> {"k": 2}'), (0, 1, "0 -> 1"),
    ],
)  # fmt: skip
def test_values_are_shown_as_readers_know_them(old: object, new: object, shown: str) -> None:
    """Unset is words, booleans are the spec's, structure is JSON."""
    rendered = text.render(planned([want("a", {"x": new})], seen("a", {"x": old})))  # pyright: ignore[reportArgumentType] -- any JSON
    assert f"      x: {shown}\n" in rendered


def test_an_open_door_is_shouted() -> None:
    """A difference of high severity has a line of its own, whatever else stands around it."""
    wanted = want("sql", {"networks": [], "tier": "x"}, grave={"networks": frozenset({"0.0.0.0/0"})})
    printed = text.render(planned([wanted], seen("sql", {"networks": ["0.0.0.0/0"], "tier": "y"})))
    assert printed.count("!! HIGH severity") == 1
    calm = text.render(planned([wanted], seen("sql", {"networks": ["10.0.0.0/8"], "tier": "x"})))
    assert "HIGH" not in calm
