"""What an apply shows while it runs: a live table on a terminal, one line per event anywhere else."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from reconciler.apply import Outcome, Status, Watcher
from reconciler.change import Action, Change
from reconciler.model import Ref

if TYPE_CHECKING:
    from rich.table import Table

DOING = {
    Action.CREATE: "creating",
    Action.UPDATE: "updating",
    Action.REPLACE: "replacing",
    Action.DELETE: "deleting",
}
DID = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.REPLACE: "replaced",
    Action.DELETE: "deleted",
}
REPEAT = 15
"""Seconds after which a line-by-line log repeats a phase that has not changed, so that nobody thinks it hangs."""


class Lines:
    """One line per event, with the seconds since the start; for CI logs and pipes."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._began, self._lock = out, time.monotonic(), threading.Lock()
        self._said: dict[Ref, tuple[str, float]] = {}

    def started(self, change: Change) -> None:
        """Say that work begins."""
        self._say(change, f"{DOING[change.action]} …")

    def noted(self, change: Change, text: str) -> None:
        """Say a phase once, and again every now and then."""
        last, when = self._said.get(change.ref, ("", 0.0))
        if text != last or time.monotonic() - when > REPEAT:
            self._say(change, text)
            self._said[change.ref] = text, time.monotonic()

    def ended(self, outcome: Outcome) -> None:
        """Say how it ended."""
        self._say(outcome.change, ending(outcome))

    def _say(self, change: Change, text: str) -> None:
        with self._lock:
            print(
                f"{time.monotonic() - self._began:7.1f}s  {change.ref.address}: {text}",
                file=self._out,
                flush=True,
            )


class Live:
    """A table of what is being done right now; what has ended scrolls above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._console = Console(stderr=True)
        self._running: dict[Ref, tuple[Change, str, float]] = {}
        self._lock = threading.Lock()
        self.live = RichLive(
            get_renderable=self._table, console=self._console, refresh_per_second=4, transient=True
        )

    def started(self, change: Change) -> None:
        """Add a row."""
        with self._lock:
            self._running[change.ref] = change, DOING[change.action], time.monotonic()

    def noted(self, change: Change, text: str) -> None:
        """Change the row's phase."""
        with self._lock:
            if change.ref in self._running:
                self._running[change.ref] = change, text, self._running[change.ref][2]

    def ended(self, outcome: Outcome) -> None:
        """Take the row away, and leave a line behind."""
        with self._lock:
            self._running.pop(outcome.change.ref, None)
        from rich.text import Text

        style = "green" if outcome.status is Status.DONE else "red"
        line = Text(f"  {outcome.change.ref.address}: {ending(outcome)}", style=style)
        self._console.print(line, soft_wrap=True)

    def _table(self) -> Table:
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        with self._lock:
            for change, phase, since in self._running.values():
                table.add_row("…", change.ref.address, phase, f"{time.monotonic() - since:.0f} s")
        return table


def ending(outcome: Outcome) -> str:
    """How a change ended, in words."""
    if outcome.status is Status.DONE:
        return f"{DID[outcome.change.action]} in {outcome.seconds:.1f} s"
    return f"{outcome.status}: {outcome.error.message if outcome.error else ''}"


@contextmanager
def watching() -> Generator[Watcher]:
    """The watcher that suits where stderr goes."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield Lines(sys.stderr)
        return
    live = Live()
    with live.live:
        yield live
