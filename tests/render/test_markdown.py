"""A plan as a pull request comment: at most 100 columns, nothing that matters hidden."""

from __future__ import annotations

import re

import pytest

from reconciler.plan import Plan
from reconciler.render import markdown
from tests.builders import planned, seen, want
from tests.render.sample import RESTARTS, everything, many

EXPECTED = """\
<!-- mlflow-reconcile plan -->
### `mlflow-test` in `acme-ml`

**Plan: 1 to create, 2 to update, 1 to replace, 1 to delete, 2 unchanged.**

- :warning: the database restarts (`fake.thing/sql`)

#### Replaced

```diff
- fake.thing/account
    id: old -> new   (forces replacement)
```

#### Deleted

```diff
- fake.thing/old
```

#### Updated

```diff
! fake.thing/sql
    tier: db-f1-micro -> db-custom-2   # specs/prod.yaml:13
! fake.thing/policy
    roles/viewer user:a@x.example: granted
    roles/viewer user:b@x.example: taken away
```

#### Created

```diff
+ fake.thing/bucket   # specs/prod.yaml:3
    labels.team: ml   # specs/prod.yaml:9
    image: (known after apply)
    and 2 more, derived or by default
```

- `fake.thing/data`: left in place: it holds data
> About $31 a month.
"""


def _blocked() -> Plan:
    wanted = [
        want(f"data-{n}-{'x' * 50}", {"r": 2}, fixed=frozenset({"r"}), holds_data=True) for n in range(3)
    ]
    return planned(wanted, *[seen(one.ref.short, {"r": 1}) for one in wanted], notes=("word " * 60,))


def test_a_plan_reads_like_this() -> None:
    """What may hurt comes first, then every change by what is done."""
    assert markdown.render(everything()) == EXPECTED


@pytest.mark.parametrize("plan", [everything(), many(30), _blocked()])
def test_no_line_is_wider_than_the_page(plan: Plan) -> None:
    """A reader of 100 columns never scrolls sideways."""
    assert max(len(line) for line in markdown.render(plan).splitlines()) <= 100


def test_thirty_changes_hide_no_effect() -> None:
    """Every effect and every resource that it concerns stands above the details, each effect once."""
    rendered = " ".join(markdown.render(many(30)).split())
    above, details = rendered.split("#### Updated")
    assert [n for n in range(30) if f"service {n} restarts, and" not in above] == []
    assert above.count(RESTARTS) == 1
    assert len(set(re.findall(r"long-name-\d+", above.split(RESTARTS)[1]))) == 30
    assert [n for n in range(30) if f"long-name-{n} size: 1 -> 2" not in details] == []


def test_every_refusal_stands_above_the_changes() -> None:
    """What stops the apply is the first thing that is read."""
    above = markdown.render(_blocked()).split("#### Replaced")[0]
    assert above.count(":no_entry:") == 3


def test_long_values_are_whole() -> None:
    """Wrapping loses no character of a value."""
    details = markdown.render(many(1)).split("```diff")[1]
    assert f"host/{'x' * 120}@0" in "".join(details.split())


def test_a_value_cannot_close_the_block() -> None:
    """A label that holds a fence is shown inside the one it is in."""
    rendered = markdown.render(planned([want("a", {"x": "y"})], seen("a", {"x": "z\n```\n# hi"})))
    assert [line for line in rendered.splitlines() if line.startswith("```")] == ["```diff", "```"]


def test_a_plan_without_changes_is_one_sentence() -> None:
    """Nothing to do: the marker, the name, the sentence."""
    assert markdown.render(planned([])).splitlines()[1:] == [
        "### `mlflow-test` in `acme-ml`", "", "**No changes. Google Cloud matches the spec: 0 unchanged.**",
    ]  # fmt: skip
