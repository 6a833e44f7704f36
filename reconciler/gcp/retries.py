"""What is asked again, how long, and why: the one table of retry policies.

Delays in seconds. Growth is exponential with jitter, so that several runs do not march in step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from reconciler import errors

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Policy:
    """Ask again while *again* says so, for at most *budget* seconds, waiting *first* to *longest* in between."""

    again: Callable[[BaseException], bool]
    budget: float
    first: float
    longest: float


def _transient(error: BaseException) -> bool:
    return isinstance(error, errors.Unavailable | errors.Unreachable)


def _rejected_before_it_ran(error: BaseException) -> bool:
    return isinstance(error, errors.Unavailable) and error.status in {429, 503}


def _not_yet_enabled(error: BaseException) -> bool:
    return isinstance(error, errors.ApiDisabled)


def _member_not_yet_known(error: BaseException) -> bool:
    """A service account is visible to IAM policies some seconds after it was created (recorded: up to a minute)."""
    unknown = isinstance(error, errors.Refused) and "does not exist" in error.message
    return _transient(error) or unknown or isinstance(error, errors.VersionMoved)


def _moved(error: BaseException) -> bool:
    return isinstance(error, errors.VersionMoved)


def _source_not_yet_readable(error: BaseException) -> bool:
    """Cloud Build resolves a build's source at once, with the builder's grant of a moment ago; nothing has run yet."""
    words = ("could not resolve source", "does not exist")
    refused = isinstance(error, errors.Refused) and any(word in error.message for word in words)
    return refused or _rejected_before_it_ran(error)


def _spreading(error: BaseException) -> bool:
    return isinstance(error, errors.NotYetEffective)


def _enabling_elsewhere(error: BaseException) -> bool:
    busy = isinstance(error, errors.Refused) and "Another activation or deactivation" in error.message
    return busy or _transient(error)


def _sql_busy(error: BaseException) -> bool:
    """Cloud SQL runs one operation at a time per instance and answers 409 operationInProgress meanwhile."""
    return _transient(error) or isinstance(error, errors.Busy)


def _peering_busy(error: BaseException) -> bool:
    """A network takes one change of its peerings at a time."""
    busy = isinstance(error, errors.Refused) and "peering operation in progress" in error.message
    return busy or _transient(error)


READ = Policy(_transient, budget=120, first=0.2, longest=15)
"""Reads, and writes that may be sent twice because name or version make the second one harmless."""

ONCE = Policy(_rejected_before_it_ran, budget=60, first=0.5, longest=8)
"""Writes that would do it twice (a secret version, a job's execution): only what surely was not carried out."""

BREAKING = Policy(_moved, budget=30, first=0.1, longest=2)
"""Taking the lease from a holder who may renew it between our read and our write."""

AFTER_ENABLING = Policy(_not_yet_enabled, budget=300, first=0.5, longest=15)
"""A whole change of an API that this run enabled, usable seconds to minutes later; its calls have policies too."""

NEVER = Policy(lambda _error: False, budget=0, first=0, longest=0)
"""Calls inside something that is retried as a whole."""

IAM = Policy(_member_not_yet_known, budget=180, first=0.3, longest=10)
"""Read, merge and write an IAM policy: again when the etag moved or a new member is not known yet."""

BUILD = Policy(_source_not_yet_readable, budget=420, first=2, longest=20)
"""A build's creation: until the builder's grant on the source is seen, up to seven minutes."""

ENABLING = Policy(_enabling_elsewhere, budget=300, first=2, longest=15)
"""Enabling APIs: one such change at a time per project."""

JUST_ENABLED = Policy(_not_yet_enabled, budget=60, first=0.5, longest=8)
"""Reads of an API that Service Usage calls enabled and that refuses all the same: it was enabled moments ago."""

SPREADING = Policy(_spreading, budget=420, first=2, longest=20)
"""What failed because a grant of this very run is not seen everywhere yet."""

SQL = Policy(_sql_busy, budget=1800, first=1, longest=20)
"""Writes to a Cloud SQL instance, which waits its turn behind other people's operations."""

PEERING = Policy(_peering_busy, budget=600, first=1, longest=20)
"""Changes of a network's peering, which wait their turn behind other people's."""


def persist(policy: Policy, call: Callable[[], T], pause: Callable[[float], None]) -> T:
    """The result of *call*, asked again as *policy* says; *pause* waits, and may raise to give up early."""
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(policy.again),
        stop=tenacity.stop_after_delay(policy.budget),
        wait=tenacity.wait_random_exponential(multiplier=policy.first, max=policy.longest),
        sleep=pause,
        reraise=True,
    )
    return retrying(call)
