"""What a command says can be typed as it is said."""

from __future__ import annotations

import pytest

from reconciler.cli.typed import as_typed

SAID = "To take it over: mlflow-reconcile adopt a.yaml, or mlflow-reconcile lease break a.yaml."


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        pytest.param((), SAID, id="Google Cloud"),
        pytest.param(
            ("--sandbox",),
            SAID.replace("adopt", "adopt --sandbox").replace("break", "break --sandbox"),
            id="the sandbox",
        ),
    ],
)
def test_commands_lead_to_where_this_one_was_led(
    monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...], shown: str
) -> None:
    """In the sandbox they are told so; what is offline, or is so already, stays as it is."""
    monkeypatch.setattr("sys.argv", ["mlflow-reconcile", "plan", *typed, "a.yaml"])
    assert as_typed(SAID) == shown
    for same in ("mlflow-reconcile plan show a.plan", "mlflow-reconcile validate a.yaml", as_typed(SAID)):
        assert as_typed(same) == same
