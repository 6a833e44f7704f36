"""What can go wrong, in the words and exit codes that a user meets.

One class per reason that somebody treats differently; the exit code travels on the class (README, "Exit codes").
The library's own error is always the `__cause__`. `way_out` is the sentence that says what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """The process's exit codes; fixed, so that scripts may rely on them."""

    OK = 0
    UNCLASSIFIED = 1
    DIFFERENCES = 2
    SPEC = 3
    CREDENTIALS = 4
    PROTECTED = 5
    STALE = 6
    PARTIAL = 7
    INTERRUPTED = 8
    TIMEOUT = 9


class ReconcileError(Exception):
    """Anything we can explain: *message* says what, where and why; *way_out* says what to do.

    *status* (HTTP) and *reason* (Google's machine-readable word) are set where an API's answer is the cause.
    """

    exit_code: ClassVar[Exit] = Exit.UNCLASSIFIED

    def __init__(self, message: str, *, way_out: str = "", status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.way_out = way_out
        self.status = status
        self.reason = reason


class SpecInvalid(ReconcileError):
    """The spec is wrong; the message holds every finding."""

    exit_code = Exit.SPEC


class Unreachable(ReconcileError):
    """No answer from the other side: network, DNS, proxy."""


class Unavailable(ReconcileError):
    """The other side answers, but not now: 429, 500, 502, 503, 504."""


class CredentialsMissing(ReconcileError):
    """There is no usable identity on this machine."""

    exit_code = Exit.CREDENTIALS


class PermissionMissing(ReconcileError):
    """Google Cloud refused the caller; *permissions* are those that were lacking, as far as that is known."""

    exit_code = Exit.CREDENTIALS
    permissions: tuple[str, ...] = ()


class ProjectMissing(PermissionMissing):
    """The project does not exist, or the caller may not see it: Google answers both alike."""


class ApiDisabled(ReconcileError):
    """The API is not enabled in the project, or was enabled too recently."""

    exit_code = Exit.CREDENTIALS


class NotThere(ReconcileError):
    """The resource does not exist."""


class AlreadyThere(ReconcileError):
    """The name is taken."""


class Busy(ReconcileError):
    """Another operation runs on the same resource."""


class VersionMoved(ReconcileError):
    """The resource changed between our read and our write."""

    exit_code = Exit.STALE


class NotYetEffective(ReconcileError):
    """A grant that was made moments ago is not seen everywhere yet; minutes later it is."""


class PlanStale(ReconcileError):
    """A sealed plan no longer describes what is there."""

    exit_code = Exit.STALE


class LeaseHeld(ReconcileError):
    """Another run works on the deployment, or has done so since we looked."""

    exit_code = Exit.STALE


class Refused(ReconcileError):
    """Google Cloud called the request wrong; asking again will not help."""


class OperationFailed(ReconcileError):
    """A long-running operation ended with an error."""


class Protected(ReconcileError):
    """A guard stands in the way, on purpose."""

    exit_code = Exit.PROTECTED


class PartlyApplied(ReconcileError):
    """Some changes are made, some are not; the next run continues."""

    exit_code = Exit.PARTIAL


class Interrupted(ReconcileError):
    """Ctrl-C or SIGTERM."""

    exit_code = Exit.INTERRUPTED


class StoppedBefore(Interrupted):
    """The same, before a request was sent: nothing of it is going on."""


class OutOfTime(ReconcileError):
    """Something took longer than it may."""

    exit_code = Exit.TIMEOUT


def interrupted(counts: str, flight: Mapping[str, float]) -> Interrupted:
    """What an interrupted run says: *counts*, what is in *flight* for how many seconds, and what the next run does."""
    listed = ", ".join(f"{address} (for {seconds:.0f} s)" for address, seconds in flight.items())
    told = f"; in flight, and going on in Google Cloud: {listed}" if flight else ""
    waits = "it waits for what is in flight, and does what is left" if flight else "it does what is left"
    return Interrupted(f"interrupted: {counts}{told}", way_out=f"Run the same command again: {waits}.")
