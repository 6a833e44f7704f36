"""Two applies on one deployment at once, as real processes: one wins, the other says who, nothing is damaged."""

from __future__ import annotations

import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.scenarios.command import RECONCILE, ROOT, Bench, sandbox

SPEC = (ROOT / "specs" / "quickstart.yaml").read_text().replace("mlflow-quickstart", "mlflow-raced")
ROUNDS = 8
"""How many races are run; each is another schedule."""


@pytest.fixture(scope="module", name="raced")
def _raced(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Bench, Path]]:
    """A sandbox in which the deployment is applied."""
    spec = tmp_path_factory.mktemp("raced") / "spec.yaml"
    spec.write_text(SPEC)
    with sandbox() as bench:
        applied = bench.run("apply", "--sandbox", "--yes", str(spec), timeout=600)
        assert applied.code == 0, applied.said
        yield bench, spec


def _both(bench: Bench, *specs: Path) -> list[tuple[int, str]]:
    """How two applies that start together end: exit code, and what was said."""
    runs = [
        subprocess.Popen(
            [RECONCILE, "apply", "--sandbox", "--yes", str(spec)],
            env=bench.env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for spec in specs
    ]  # fmt: skip
    said = [run.communicate(timeout=300)[0] for run in runs]
    return [(run.returncode, text) for run, text in zip(runs, said, strict=True)]


def test_of_two_applies_one_works_and_the_other_is_told(raced: tuple[Bench, Path], tmp_path: Path) -> None:
    """Two specs that want different things: each race has a winner, and what is there is what a winner wanted.

    Who comes second is refused with exit 6, or starts when the other one has ended and then simply is the next.
    """
    bench, first = raced
    second = tmp_path / "second.yaml"
    refused = 0
    for number in range(ROUNDS):
        first.write_text(SPEC + f"labels: {{round: first-{number}}}\n")
        second.write_text(SPEC + f"labels: {{round: second-{number}}}\n")
        ends = _both(bench, first, second)
        codes = sorted(code for code, _ in ends)
        assert codes in ([0, 0], [0, 6]), ends
        if codes == [0, 6]:
            refused += 1
            loser = next(text for code, text in ends if code == 6)
            assert "nothing was written" in loser
        settled = [bench.run("plan", "--sandbox", str(spec)).code for spec in (first, second)]
        assert sorted(settled) == [0, 2], "what is there is not what one of them wanted"
    assert refused, "the two never met"


def test_two_first_applies_make_one_deployment(tmp_path: Path) -> None:
    """In an empty project, where even the lease cannot be taken before an API is enabled."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    with sandbox() as bench:
        ends = _both(bench, spec, spec)
        assert sorted(code for code, _ in ends) in ([0, 0], [0, 6]), ends
        assert bench.run("plan", "--sandbox", str(spec)).code == 0
