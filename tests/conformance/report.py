"""The figures: per API and kind, how many pairs were compared, and how they came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.conformance.causes import STAND_IN
from tests.conformance.excuses import Excuse, excuse
from tests.conformance.recordings import Row
from tests.conformance.replay import Compared

EQUAL, EXCUSED, DIFFERENT, LEFT_OUT = "equal", "excused", "different", "left out"


@dataclass
class Figures:
    """What came of every row."""

    excuses: Sequence[Excuse]
    counts: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    cases: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    used: set[Excuse] = field(default_factory=set[Excuse])
    causes: Counter[str] = field(default_factory=Counter[str])
    """Of what sort the reasons of excused pairs are."""
    lines: list[str] = field(default_factory=list[str])
    """Every difference without an excuse, one a line."""
    excused: list[str] = field(default_factory=list[str])
    """Every difference with one."""

    def add(self, compared: Compared) -> str:
        """Count one row; how it came out."""
        row = compared.row
        self.cases.setdefault(row.api, set()).add(row.case)
        outcome, causes = EQUAL, set[str]()
        for difference in compared.differences:
            found = excuse(self.excuses, row, difference)
            if found is None:
                outcome = DIFFERENT
                self.lines.append(f"{row}: {difference}")
            else:
                self.used.add(found)
                causes.add(found.cause)
                self.excused.append(f"{row}: {difference} (excused: {found.reason})")
                outcome = EXCUSED if outcome == EQUAL else outcome
        self.counts.setdefault(row.api, Counter())[outcome] += 1
        if outcome == EXCUSED:
            # A pair that a stand-in answered is no witness at all, whatever else is to be said of it.
            self.causes[STAND_IN if STAND_IN in causes else min(causes)] += 1
        return outcome

    def leave_out(self, row: Row) -> None:
        """Count one row that is not compared."""
        self.cases.setdefault(row.api, set()).add(row.case)
        self.counts.setdefault(row.api, Counter())[LEFT_OUT] += 1

    def unused(self) -> list[Excuse]:
        """Excuses that excused nothing: they are to go."""
        return [one for one in self.excuses if one not in self.used]

    @property
    def total(self) -> Counter[str]:
        """Over every kind."""
        return sum(self.counts.values(), Counter[str]())


def table(figures: Figures) -> list[str]:
    """The figures as lines of text."""
    form = "{:<36}{:>7}{:>8}{:>8}{:>9}{:>11}{:>10}"
    lines = [form.format("API and kind", "cases", "pairs", "equal", "excused", "different", "left out")]
    for api in sorted(figures.counts):
        lines.append(form.format(api, len(figures.cases[api]), *_numbers(figures.counts[api])))
    cases: set[str] = set[str]().union(*figures.cases.values())
    lines.append(form.format("total", len(cases), *_numbers(figures.total)))
    compared = _compared(figures.total)
    if compared:
        parts = [f"{figures.total[what]} {what} ({figures.total[what] / compared:.1%})" for what in _OUTCOMES]
        lines.append(f"Of {compared} pairs compared: {', '.join(parts)}.")
        lines += [f"  {count} excused: {cause}" for cause, count in sorted(figures.causes.items())]
        genuine = compared - figures.causes[STAND_IN]
        if genuine != compared:
            share = figures.total[EQUAL] / genuine
            lines.append(f"Of the {genuine} that Google itself answered, {share:.1%} are equal.")
    return lines


_OUTCOMES = (EQUAL, EXCUSED, DIFFERENT)


def _compared(counts: Counter[str]) -> int:
    return sum(counts[outcome] for outcome in _OUTCOMES)


def _numbers(counts: Counter[str]) -> tuple[int, ...]:
    return (_compared(counts), *(counts[outcome] for outcome in _OUTCOMES), counts[LEFT_OUT])
