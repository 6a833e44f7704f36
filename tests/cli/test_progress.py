"""What an apply shows while it runs."""

from __future__ import annotations

import io
import re
import sys

import pytest

from reconciler import errors
from reconciler.apply import Outcome, Status
from reconciler.change import Action, Change
from reconciler.cli.progress import Lines, ending, watching
from tests.builders import ref

CHANGE = Change(ref("sql"), Action.CREATE)
DONE = Outcome(CHANGE, Status.DONE, 12.34)


def _said(out: io.StringIO) -> list[str]:
    """The lines without their seconds."""
    return [re.sub(r"^ +\d+\.\ds  ", "", line) for line in out.getvalue().splitlines()]


def test_a_log_has_one_line_per_event() -> None:
    """Beginning, each phase once, and the end, each with the seconds since the start."""
    out = io.StringIO()
    lines = Lines(out)
    lines.started(CHANGE)
    for phase in ("pending", "running", "running"):
        lines.noted(CHANGE, phase)
    lines.ended(DONE)
    assert _said(out) == [
        "fake.thing/sql: creating …", "fake.thing/sql: pending", "fake.thing/sql: running",
        "fake.thing/sql: created in 12.3 s",
    ]  # fmt: skip


def test_two_resources_of_one_name_are_told_apart() -> None:
    """The phase of one is not taken for the phase of the other."""
    out = io.StringIO()
    lines = Lines(out)
    lines.noted(CHANGE, "running")
    lines.noted(Change(ref("sql", "other.thing"), Action.CREATE), "running")
    assert _said(out) == ["fake.thing/sql: running", "other.thing/sql: running"]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (DONE, "created in 12.3 s"),
        (Outcome(CHANGE, Status.FAILED, 1, errors.Refused("no")), "failed: no"),
        (Outcome(CHANGE, Status.SKIPPED, 0, errors.Refused("not tried")), "skipped: not tried"),
        (Outcome(CHANGE, Status.INTERRUPTED), "interrupted: "),
    ],
)
def test_an_end_is_told_in_words(outcome: Outcome, words: str) -> None:
    """Done with its time, anything else with its reason."""
    assert ending(outcome) == words


def test_a_pipe_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Where stderr is no terminal, a log is written."""
    with watching() as watcher:
        watcher.started(CHANGE)
    assert "fake.thing/sql: creating" in capsys.readouterr().err


def test_a_terminal_gets_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal what has ended leaves a line behind."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with watching() as watcher:
        watcher.started(CHANGE)
        watcher.noted(CHANGE, "running")
        watcher.ended(DONE)
        watcher.noted(CHANGE, "too late, and harmless")
    assert "fake.thing/sql: created in 12.3 s" in capsys.readouterr().err
