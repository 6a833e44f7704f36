"""One run over a set of recordings: which rows are replayed, and the figures that come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tests.conformance import excuses
from tests.conformance.cloud import Sandbox
from tests.conformance.excuses import Excuse
from tests.conformance.recordings import Row, Take, takes
from tests.conformance.replay import replay
from tests.conformance.report import Figures


def _nobody(line: str) -> None:
    del line


@dataclass(frozen=True)
class Choice:
    """Which rows count; the others of their takes are replayed for what they bring about."""

    service: str | None = None
    kind: str | None = None
    case: str | None = None
    """A part of the case's name."""
    on_its_day: bool = True
    """Whether the sandbox's clock shows the day on which a take was recorded, or today."""

    def wants(self, row: Row) -> bool:
        """Whether a row counts."""
        pairs = ((self.service, row.service), (self.kind, row.kind))
        exact = all(asked in (None, had) for asked, had in pairs)
        return exact and (self.case is None or self.case in row.case)

    @property
    def everything(self) -> bool:
        """Whether nothing was left away."""
        return replace(self, on_its_day=True) == Choice()


def run(
    sandbox: Sandbox,
    rows: Sequence[Row],
    choice: Choice,
    *,
    tell: Callable[[str], None] = _nobody,
    excused: Sequence[Excuse] = excuses.EXCUSES,
    left_out: Mapping[str, str] = excuses.LEFT_OUT,
) -> Figures:
    """Replay every take that has a chosen row; *tell* hears of each precondition and difference."""
    figures = Figures(excused)
    groups = takes(rows)
    for take in groups:
        if any(choice.wants(row) and not excuses.left_out(left_out, row) for row in take.rows):
            _take(sandbox, take, groups, choice, figures, left_out, tell)
        else:
            for row in filter(choice.wants, take.rows):
                figures.leave_out(row)
    return figures


def _take(
    sandbox: Sandbox,
    take: Take,
    groups: Sequence[Take],
    choice: Choice,
    figures: Figures,
    left_out: Mapping[str, str],
    tell: Callable[[str], None],
) -> None:
    others = [one for one in groups if one.case == take.case and one is not take]
    for compared in replay(sandbox, take, others, on_its_day=choice.on_its_day):
        if not choice.wants(compared.row):
            continue
        if excuses.left_out(left_out, compared.row):
            figures.leave_out(compared.row)
            continue
        if compared.given:
            tell(f"given before {compared.row}: {'; '.join(compared.given)}")
        before, excused_before = len(figures.lines), len(figures.excused)
        figures.add(compared)
        for line in (*figures.lines[before:], *figures.excused[excused_before:]):
            tell(line)
