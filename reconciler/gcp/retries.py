"""What is asked again, how long, and why: the one table of retry policies.

Never asked again: what is wrong (400), who is not known or may not (401, 403), what is not there (404), what is taken
(409 without "busy"), and, after an answer that was lost, whatever would be done twice.
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
    """Ask again while *again* says so, for at most *budget* seconds, waiting *first* to *longest* in between.

    *what* is asked again so, and the *source* that says that it has to be, or may be.
    """

    again: Callable[[BaseException], bool]
    budget: float
    first: float
    longest: float
    what: str
    source: str


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
    busy = isinstance(error, errors.Refused | errors.OperationFailed)
    return (busy and "peering operation in progress" in str(error)) or _transient(error)


def _repository_busy(error: BaseException) -> bool:
    """Artifact Registry refuses a second operation on a repository: 409 "unable to queue the operation"."""
    busy = isinstance(error, errors.VersionMoved) and "unable to queue" in error.message
    return busy or _transient(error)


def _address_busy(error: BaseException) -> bool:
    """Compute Engine refuses a second operation on a resource: 400 resourceNotReady (recorded)."""
    busy = isinstance(error, errors.Refused) and error.reason == "resourceNotReady"
    return busy or _transient(error)


READ = Policy(
    _transient, budget=120, first=0.2, longest=15,
    what="reads, and writes that may be sent twice, because name or version make the second one harmless",
    source="429, 500, 502, 503, 504 and broken connections are retried by Google's own clients and by Terraform's",
)  # fmt: skip
ONCE = Policy(
    _rejected_before_it_ran, budget=60, first=0.5, longest=8,
    what="writes that would do it twice (a secret's version, a job's execution): only what surely was not carried out",
    source="google.aip.dev/194: UNAVAILABLE is what to retry; a quota's 429 comes before any work, a 500 may not",
)  # fmt: skip
NEVER = Policy(
    lambda _error: False, budget=0, first=0, longest=0,
    what="calls inside something that is retried as a whole, after a look at what is there",
    source="none is needed",
)  # fmt: skip
BREAKING = Policy(
    _moved, budget=30, first=0.1, longest=2,
    what="taking the lease from a holder who may renew it between our read and our write",
    source="Secret Manager's etag, which the lease is made of",
)  # fmt: skip
ENABLING = Policy(
    _enabling_elsewhere, budget=300, first=2, longest=15,
    what="enabling APIs: one such change at a time per project",
    source='400 "Another activation or deactivation is in progress", as Terraform meets and retries it',
)  # fmt: skip
AFTER_ENABLING = Policy(
    _not_yet_enabled, budget=300, first=0.5, longest=15,
    what="a whole change of an API that this run enabled, usable seconds to minutes later; its calls have policies too",
    source='recorded 403: "If you enabled this API recently, wait a few minutes"',
)  # fmt: skip
JUST_ENABLED = Policy(
    _not_yet_enabled, budget=60, first=0.5, longest=8,
    what="reads of an API that Service Usage calls enabled and that refuses all the same",
    source='recorded 403: "If you enabled this API recently, wait a few minutes"',
)  # fmt: skip
IAM = Policy(
    _member_not_yet_known, budget=180, first=0.3, longest=10,
    what="read, merge and write an IAM policy: again when the etag moved or a new member is not known yet",
    source='recorded: an account is found and lost again for a minute; 409 "retry the whole read-modify-write"',
)  # fmt: skip
SPREADING = Policy(
    _spreading, budget=420, first=2, longest=20,
    what="what failed because a grant of this very run is not seen everywhere yet",
    source='Google\'s page "Access change propagation": two minutes as a rule, seven or more at times',
)  # fmt: skip
BUILD = Policy(
    _source_not_yet_readable, budget=420, first=2, longest=20,
    what="a build's creation: until the builder's grant on the source is seen",
    source='Google\'s page "Access change propagation"; the build resolves its source before it begins',
)  # fmt: skip
SQL = Policy(
    _sql_busy, budget=1800, first=1, longest=20,
    what="writes to a Cloud SQL instance, which waits its turn behind other people's operations",
    source="409 operationInProgress; apache/airflow#68040: whoever polls first still races",
)  # fmt: skip
PEERING = Policy(
    _peering_busy, budget=600, first=1, longest=20,
    what="changes of a network's peering, which wait their turn behind other people's",
    source='400 "There is a peering operation in progress", hashicorp/terraform-provider-google#3026',
)  # fmt: skip
REPOSITORY = Policy(
    _repository_busy, budget=600, first=1, longest=15,
    what="creating or deleting a repository while another operation on it runs, such as one of a run that was killed",
    source='409 "unable to queue the operation", which Terraform\'s provider retries',
)  # fmt: skip
ADDRESS = Policy(
    _address_busy, budget=600, first=1, longest=15,
    what="writes to an address while another operation on it runs",
    source="recorded 400 resourceNotReady, and then success",
)  # fmt: skip


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
