"""Enums as numbers, for clients that ask for them."""

from __future__ import annotations

from reconciler.sandbox.web import enums
from reconciler.sandbox.web.discovery import Described, load


def _method(identity: str) -> Described:
    return next(one for one in load("run", "v2").methods if one.method_id == f"projects.locations.{identity}")


def test_numbers_are_answered_to_those_who_ask_for_them() -> None:
    """Google's own libraries ask with $alt, others with alt; nobody else gets numbers."""
    assert enums.asked({"$alt": "json;enum-encoding=int"})
    assert enums.asked({"alt": "json;enum-encoding=int"})
    assert not enums.asked({"alt": "json"})


def test_every_enum_of_an_answer_becomes_its_number() -> None:
    """Deep in lists too; a launch stage is not numbered in the order of its declaration; unknown names stay."""
    job = {
        "launchStage": "GA",
        "terminalCondition": {"type": "Ready", "state": "CONDITION_SUCCEEDED"},
        "conditions": [{"state": "CONDITION_PENDING", "severity": "NEW_ONE"}],
        "labels": {"state": "CONDITION_FAILED"},
    }
    assert enums.numbered(_method("jobs.get"), job) == {
        "launchStage": 4,
        "terminalCondition": {"type": "Ready", "state": 4},
        "conditions": [{"state": 1, "severity": "NEW_ONE"}],
        "labels": {"state": "CONDITION_FAILED"},
    }


def test_what_an_operation_carries_is_known_by_its_type() -> None:
    """Its metadata is any message; the name in @type says which."""
    carried = {"@type": "type.googleapis.com/google.cloud.run.v2.Job", "launchStage": "BETA"}
    operation = {
        "name": "x",
        "metadata": carried,
        "response": {"@type": "type.googleapis.com/google.protobuf.Empty"},
    }
    shown = enums.numbered(_method("jobs.create"), operation)
    assert shown["metadata"] == {**carried, "launchStage": 3}
    assert shown["response"] == operation["response"]
