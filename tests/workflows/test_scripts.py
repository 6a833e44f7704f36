"""What the workflows' scripts do, run as GitHub runs them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest


class Ran(Protocol):
    """What became of a script."""

    code: int
    output: str
    calls: list[str]
    folder: Path


Run = Callable[..., Ran]


def tool(code: int) -> str:
    """A mlflow-reconcile that prints a plan and a log, and exits with *code*."""
    return f"echo '## Plan é'; echo 'what went wrong' >&2; exit {code}"


@pytest.mark.parametrize("code", [0, 2, 4])
def test_plan_keeps_text_and_exit_code(run_step: Run, code: int) -> None:
    """Whatever the code, the step goes on, so that the comment can say it."""
    ran = run_step("plan", "Plan", {"mlflow-reconcile": tool(code)})
    assert ran.code == 0
    assert ran.calls == ["mlflow-reconcile plan specs/prod.yaml --format markdown"]
    assert (ran.folder / "output").read_text(encoding="utf-8") == f"status={code}\n"
    assert (ran.folder / "summary").read_text(encoding="utf-8") == "## Plan é\n"
    assert "what went wrong" in ran.output


@pytest.mark.parametrize(("code", "expected"), [("0", 0), ("2", 0), ("1", 1), ("4", 4)])
def test_differences_do_not_fail_a_pull_request(run_step: Run, code: str, expected: int) -> None:
    """Exit code 2 is what reviews are for; anything else fails as it failed."""
    assert run_step("plan", "Result", {}, STATUS=code).code == expected


def commented(run_step: Run, folder: Path, existing: str, status: str, plan: str) -> tuple[list[str], str]:
    """The calls of gh, and the comment's text."""
    (folder / "plan.md").write_text(plan, encoding="utf-8")
    (folder / "plan.log").write_text("permission denied\n", encoding="utf-8")
    gh = f'if [[ "$*" == *--paginate* ]]; then printf "{existing}"; fi'
    ran = run_step("plan", "Comment", {"gh": gh}, STATUS=status, NUMBER="7", GH_TOKEN="t")
    assert ran.code == 0, ran.output
    return ran.calls, (folder / "comment.md").read_text(encoding="utf-8")


def test_the_first_plan_is_a_new_comment(run_step: Run, tmp_path: Path) -> None:
    """With a marker that the reader does not see."""
    calls, comment = commented(run_step, tmp_path, "", "2", "## Plan\n")
    assert calls[1] == "gh api --silent --method POST repos/acme/ml/issues/7/comments -F body=@comment.md"
    assert comment == "<!-- mlflow-reconcile plan of specs/prod.yaml -->\n## Plan\n"


def test_the_next_plan_replaces_the_comment(run_step: Run, tmp_path: Path) -> None:
    """The first of ours is found by its marker and its author, and no second one is made."""
    calls, _ = commented(run_step, tmp_path, "11\\n22\\n", "0", "## Plan\n")
    assert "github-actions[bot]" in calls[0]
    assert "startswith(env.marker)" in calls[0]
    assert calls[1:] == [
        "gh api --silent --method PATCH repos/acme/ml/issues/comments/11 -F body=@comment.md"
    ]


def test_a_long_plan_is_cut_between_characters_and_says_where_it_goes_on(
    run_step: Run, tmp_path: Path
) -> None:
    """GitHub refuses comments of more than 65536 characters."""
    _, comment = commented(run_step, tmp_path, "", "2", "é" * 70_000)
    assert 65_536 > len(comment) > 60_000
    assert "https://github.example/run/1" in comment


def test_without_a_plan_the_comment_says_why(run_step: Run, tmp_path: Path) -> None:
    """An old plan must not stay there as if it were still true."""
    _, comment = commented(run_step, tmp_path, "11\\n", "4", "")
    assert "exit code 4" in comment
    assert "permission denied" in comment


def test_apply_fails_with_the_commands_code(run_step: Run) -> None:
    """Through the pipe that also writes the summary."""
    ran = run_step("apply", "Apply", {"mlflow-reconcile": tool(7)})
    assert ran.code == 7
    assert ran.calls == ["mlflow-reconcile apply specs/prod.yaml --yes --format markdown"]
    assert (ran.folder / "summary").read_text(encoding="utf-8") == "## Plan é\n"


def test_verify_fails_with_the_commands_code(run_step: Run) -> None:
    """The same for the proof that a user can work."""
    assert run_step("apply", "Verify", {"mlflow-reconcile": tool(1)}).code == 1


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (2, 0), (4, 4)])
def test_drift_is_no_failure_and_blindness_is(run_step: Run, code: int, expected: int) -> None:
    """Drift opens an issue; not being able to look fails the run and touches no issue."""
    ran = run_step("drift", "Look for drift", {"mlflow-reconcile": tool(code)})
    assert ran.code == expected
    assert (ran.folder / "output").read_text(encoding="utf-8") == f"status={code}\n"


ISSUE = "Open, update or close the issue"


def issued(run_step: Run, folder: Path, existing: str, status: str) -> list[str]:
    """The calls of gh after the search for the open issue."""
    (folder / "drift.md").write_text("memory: 512Mi -> 1Gi\n", encoding="utf-8")
    gh = f'if [[ "$1 $2" == "issue list" ]]; then printf "{existing}"; fi'
    ran = run_step("drift", ISSUE, {"gh": gh}, STATUS=status, GH_TOKEN="t")
    assert ran.code == 0, ran.output
    assert ran.calls[0].startswith("gh issue list --repo acme/ml --label mlflow-drift --state open")
    return ran.calls[1:]


def test_drift_opens_one_issue(run_step: Run, tmp_path: Path) -> None:
    """With its label, made if it is missing, and the drift as its text."""
    label, create = issued(run_step, tmp_path, "", "2")
    assert label.startswith("gh label create mlflow-drift")
    assert create.startswith(
        "gh issue create --repo acme/ml --title Drift: Google Cloud is not what specs/prod.yaml"
    )
    assert "memory: 512Mi -> 1Gi" in (tmp_path / "issue.md").read_text(encoding="utf-8")


def test_drift_that_stays_updates_the_issue(run_step: Run, tmp_path: Path) -> None:
    """No second one, and no comment every morning."""
    (edit,) = issued(run_step, tmp_path, "12", "2")
    assert edit.startswith("gh issue edit 12 ")


def test_no_drift_closes_the_issue(run_step: Run, tmp_path: Path) -> None:
    """It says which run saw it."""
    (close,) = issued(run_step, tmp_path, "12", "0")
    assert close.startswith("gh issue close 12 ")
    assert "https://github.example/run/1" in close


def test_no_drift_and_no_issue_is_silence(run_step: Run, tmp_path: Path) -> None:
    """Nothing is written."""
    assert issued(run_step, tmp_path, "", "0") == []
