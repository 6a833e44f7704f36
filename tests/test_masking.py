"""What others set where a secret may be is in nothing that a plan consists of, however it is told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reconciler.diff import diff
from reconciler.masking import FOREIGN
from reconciler.model import Json, Pending, Ref, Value
from reconciler.plan import Plan, fingerprint
from reconciler.render import json as as_json
from reconciler.render import markdown, text
from tests.builders import seen, want

CANARY = "hunter2-canary"
REFERENCE = "projects/p/secrets/s/versions/1"
SECRET = Pending(Ref("secretmanager.version", "projects/p/secrets/s/versions/latest"), "version")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, {"env.A": CANARY}),
        ({"env.A": REFERENCE}, {"env.A": CANARY}),
        ({"env.A": SECRET}, {"env.A": CANARY}),
        ({"args": ["serve"]}, {"args": ["server", "--backend-store-uri", CANARY]}),
        ({"uri": "gs://b"}, {"uri": f"postgresql://mlflow:{CANARY}@10.0.0.3/mlflow"}),
        ({"uri": ["x"]}, {"uri": [f"https://:{CANARY}@example.com"]}),
    ],
    ids=[
        "unknown",
        "from a secret",
        "from a secret to be made",
        "private",
        "a login in a URL",
        "a token in a URL",
    ],
)
def test_it_is_shown_nowhere(wanted: dict[str, Value], found: dict[str, Json]) -> None:
    """Not in the plan as text, markdown or JSON, which is what a sealed file holds, nor as what was read."""
    desired = want("a", wanted, complete=("env.",), private=("args",))
    change = diff(desired, seen("a", {**found, "x": 1}))
    plan = Plan("d", "p", "s.yaml", "https://u", (change,), (), "")
    shown = "".join(render.render(plan) for render in (text, markdown)) + as_json.render(plan)
    assert CANARY not in shown
    assert CANARY not in repr(change)
    assert FOREIGN in shown


@pytest.mark.parametrize(
    ("wanted", "found", "shown"),
    [
        ({"env.A": "2"}, {"env.A": "1"}, "1"),
        ({"env.A": REFERENCE}, {"env.A": REFERENCE.replace("/1", "/2")}, REFERENCE.replace("/1", "/2")),
        ({"args": ["serve"]}, {"args": []}, []),
    ],
    ids=["a setting of ours", "another version of a secret", "nothing"],
)
def test_what_cannot_be_a_secret_is_shown(
    wanted: dict[str, Value], found: dict[str, Json], shown: Json
) -> None:
    """A reviewer sees what changes."""
    (field,) = diff(want("a", wanted, complete=("env.",), private=("args",)), seen("a", found)).fields
    assert field.old == shown


def test_a_sealed_plan_still_binds_to_it() -> None:
    """Whoever changes it changes the version that was read, and with it the fingerprint."""
    desired = want("a", {}, complete=("env.",))
    read = replace(seen("a", {"env.A": CANARY}), version="1")
    assert fingerprint(diff(desired, read)) != fingerprint(diff(desired, replace(read, version="2")))
    assert json.dumps(dict(read.body)) == json.dumps({"env.A": CANARY})
