"""The table of retry policies: what is asked again, what is not, and for how long. Time is made up."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import tenacity

from reconciler import errors
from reconciler.gcp import retries
from reconciler.gcp.retries import (
    ADDRESS,
    AFTER_ENABLING,
    BREAKING,
    BUILD,
    ENABLING,
    IAM,
    JUST_ENABLED,
    NEVER,
    ONCE,
    PEERING,
    READ,
    REPOSITORY,
    SPREADING,
    SQL,
    Policy,
)

BUSY_429 = errors.Unavailable("slow down", status=429)
BROKEN_500 = errors.Unavailable("oops", status=500)
BUSY_503 = errors.Unavailable("not now", status=503)
RESET = errors.Unreachable("connection reset")
MOVED = errors.VersionMoved("moved")
NEW_MEMBER = errors.Refused("Service account x does not exist.")
WRONG = errors.Refused("Invalid value")
SQL_BUSY = errors.Busy("another operation")
DISABLED = errors.ApiDisabled("disabled")
FORBIDDEN = errors.PermissionMissing("no")
TAKEN = errors.AlreadyThere("taken")
UNREAD = errors.Refused("could not resolve source: googleapi: Error 403")
ENABLING_NOW = errors.Refused("Another activation or deactivation is in progress")
NOT_YET = errors.NotYetEffective("Permission denied on secret")
PEERING_NOW = errors.OperationFailed("There is a peering operation in progress on the local or peer network.")
QUEUED = errors.VersionMoved("unable to queue the operation", status=409)
NOT_READY = errors.Refused("The resource 'a' is not ready", status=400, reason="resourceNotReady")
STRANGER = errors.CredentialsMissing("who are you", status=401)
GONE = errors.NotThere("no such thing", status=404)
FAILED = errors.OperationFailed("it did not work")
ALL = [
    PEERING_NOW,
    QUEUED,
    NOT_READY,
    STRANGER,
    GONE,
    FAILED,
    NOT_YET,
    UNREAD,
    ENABLING_NOW,
    BUSY_429,
    BROKEN_500,
    BUSY_503,
    RESET,
    MOVED,
    NEW_MEMBER,
    WRONG,
    SQL_BUSY,
    DISABLED,
    FORBIDDEN,
    TAKEN,
]

TABLE = {
    "READ": (READ, [BUSY_429, BROKEN_500, BUSY_503, RESET]),
    "ONCE": (ONCE, [BUSY_429, BUSY_503]),
    "AFTER_ENABLING": (AFTER_ENABLING, [DISABLED]),
    "BREAKING": (BREAKING, [MOVED, QUEUED]),
    "IAM": (IAM, [BUSY_429, BROKEN_500, BUSY_503, RESET, MOVED, QUEUED, NEW_MEMBER]),
    "BUILD": (BUILD, [BUSY_429, BUSY_503, NEW_MEMBER, UNREAD]),
    "ENABLING": (ENABLING, [BUSY_429, BROKEN_500, BUSY_503, RESET, ENABLING_NOW]),
    "JUST_ENABLED": (JUST_ENABLED, [DISABLED]),
    "SPREADING": (SPREADING, [NOT_YET]),
    "SQL": (SQL, [BUSY_429, BROKEN_500, BUSY_503, RESET, SQL_BUSY]),
    "PEERING": (PEERING, [BUSY_429, BROKEN_500, BUSY_503, RESET, PEERING_NOW]),
    "REPOSITORY": (REPOSITORY, [BUSY_429, BROKEN_500, BUSY_503, RESET, QUEUED]),
    "ADDRESS": (ADDRESS, [BUSY_429, BROKEN_500, BUSY_503, RESET, NOT_READY]),
}


@dataclass
class Clock:
    """A clock that only pauses move."""

    now: float = 0.0
    pauses: list[float] = field(default_factory=list[float])

    def monotonic(self) -> float:
        """The time."""
        return self.now

    def pause(self, seconds: float) -> None:
        """Let *seconds* pass at once."""
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tenacity, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def _tries(clock: Clock, policy: Policy, *failures: Exception) -> int:
    """How often a call is made that fails like this and then succeeds; raises what the policy lets through."""
    left, made = list(failures), [0]

    def call() -> int:
        made[0] += 1
        if left:
            raise left.pop(0)
        return made[0]

    return retries.persist(policy, call, clock.pause)


@pytest.mark.parametrize("name", TABLE)
def test_a_policy_asks_again_after_its_own_failures_and_no_others(clock: Clock, name: str) -> None:
    """Each row of the table, against every failure there is."""
    policy, retried = TABLE[name]
    for failure in ALL:
        if failure in retried:
            assert _tries(clock, policy, failure, failure) == 3
        else:
            with pytest.raises(type(failure)):
                _tries(clock, policy, failure)


def test_no_policy_was_forgotten() -> None:
    """The table above has every policy there is, and each says what for and by whose word."""
    policies = {name: one for name, one in vars(retries).items() if isinstance(one, Policy)}
    assert policies == {"NEVER": NEVER, **{name: policy for name, (policy, _) in TABLE.items()}}
    assert all(policy.what and policy.source for policy in policies.values())


@pytest.mark.parametrize("failure", [WRONG, STRANGER, FORBIDDEN, GONE, TAKEN, FAILED])
def test_what_is_wrong_is_never_asked_again(clock: Clock, failure: errors.ReconcileError) -> None:
    """400, 401, 403, 404 and a name that is taken: no policy repeats them."""
    for policy in (NEVER, *(policy for policy, _ in TABLE.values())):
        with pytest.raises(type(failure)):
            _tries(clock, policy, failure)
    assert clock.pauses == []


def test_an_answer_that_was_lost_is_asked_for_again_only_where_twice_is_harmless() -> None:
    """What is created under a number of Google's own is sent again only where it surely was not carried out."""
    lost = (RESET, BROKEN_500)
    assert not any(policy.again(failure) for policy in (ONCE, BUILD, NEVER) for failure in lost)
    assert all(READ.again(failure) for failure in lost)


def test_a_success_is_not_repeated(clock: Clock) -> None:
    """The first answer is the answer."""
    assert _tries(clock, READ) == 1
    assert clock.pauses == []


@pytest.mark.parametrize("name", TABLE)
def test_a_policy_gives_up_within_its_budget(clock: Clock, name: str) -> None:
    """A failure that never ends is raised as itself, after the budget and at most one more pause."""
    policy, retried = TABLE[name]
    with pytest.raises(type(retried[0])) as failure:
        _tries(clock, policy, *[retried[0]] * 100_000)
    assert failure.value is retried[0]
    assert policy.budget <= clock.now <= policy.budget + policy.longest


@pytest.mark.parametrize("name", TABLE)
def test_pauses_grow_to_the_longest_and_no_further(clock: Clock, name: str) -> None:
    """No pause is longer than the policy allows, and the late ones are longer than the first could be."""
    policy, retried = TABLE[name]
    with pytest.raises(errors.ReconcileError):
        _tries(clock, policy, *[retried[0]] * 100_000)
    assert clock.pauses[0] <= policy.first
    assert policy.first < max(clock.pauses) <= policy.longest


def test_runs_do_not_march_in_step(clock: Clock) -> None:
    """Two runs that fail at once come back at different times."""
    _tries(clock, READ, *[RESET] * 6)
    _tries(clock, READ, *[RESET] * 6)
    assert clock.pauses[:6] != clock.pauses[6:]


def test_an_interrupted_pause_ends_the_retries(clock: Clock) -> None:
    """Ctrl-C during a pause is not swallowed by the next attempt."""

    def interrupted(_seconds: float) -> None:
        raise errors.Interrupted("stop")

    def call() -> None:
        raise RESET

    with pytest.raises(errors.Interrupted):
        retries.persist(READ, call, interrupted)
    assert clock.pauses == []
