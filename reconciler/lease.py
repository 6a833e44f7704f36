"""The lease: the expiring claim that keeps two applies on one deployment apart.

It is a secret without a version, named after the deployment, whose annotations say who holds it and until when. Each
claim and each renewal is a write that demands the etag of what was read, so of two runs that want it one is refused by
Google. It is taken on the etag that the plan's own reads saw: whoever planned before another run began or ended does
not get it. It expires by itself; a holder on this very machine whose process has ended is known not to hold it.

The lease saves people from waiting for each other's half-done work. It is not what keeps data safe: writes demand the
versions that they were planned on, with and without it.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from reconciler import errors
from reconciler.claim import Standing, claimed, given_back, others_of, standing_of, turn_of
from reconciler.gcp import retries
from reconciler.gcp.cloud import Cloud
from reconciler.gcp.proto import as_json
from reconciler.resources import secretmanager_secret
from reconciler.server.naming import LEASE_SUFFIX, labels_of
from reconciler.spec.deployment import Deployment

LASTS: Final = 180.0
"""Seconds that a claim holds unrenewed. Clocks may differ by what is left of it at a renewal: two minutes."""
RENEWED: Final = 45.0
"""Seconds between two renewals, so that three may be lost."""
TIMEOUT = 60
TRIES = 3  # of taking it and giving it back, where somebody's label has moved its etag


@dataclass
class Lease:
    """One run's way to the lease of *deployment*; *seen* is the secret as the plan's reads found it, None for none.

    Use it as a context: on leaving, what was taken is given back.
    """

    cloud: Cloud
    deployment: Deployment
    seen: Mapping[str, Any] | None
    lasts: float = LASTS
    renewed: float = RENEWED
    gone: bool = False
    """Whether the secret is to go as well when the lease is given back."""
    lost: str = ""
    """Why it is not ours any more, "" while it is."""
    _run: str = field(default_factory=lambda: secrets.token_hex(8))
    _etag: str = ""
    _others: Mapping[str, str] = field(default_factory=dict[str, str])
    _taken: datetime | None = None
    _until: datetime | None = None
    _over: threading.Event = field(default_factory=threading.Event)
    _keeper: threading.Thread | None = None

    def __enter__(self) -> Lease:
        """Nothing is taken yet: that is done right before the first write."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give back what was taken; where that fails, it expires by itself."""
        self._over.set()
        if self._keeper is not None:
            self._keeper.join()
        if self._taken is not None and not self.lost:
            with contextlib.suppress(errors.ReconcileError):
                self._give_back()

    def refuse_if_held(self) -> None:
        """Raise `LeaseHeld` where another run holds it by what the plan's reads saw."""
        standing = standing_of(self.seen)
        if standing is not None and not standing.over(_now()):
            raise _held(self.deployment, standing)

    def take(self) -> None:
        """Take it, and renew it in the background from then on. Raises `LeaseHeld`, and `ApiDisabled` for a while."""
        if self._taken is not None:
            return
        self.refuse_if_held()
        now = _now()
        for left in reversed(range(TRIES)):
            try:
                self._begin(now)
                break
            except (errors.AlreadyThere, errors.VersionMoved) as error:
                found = self._look_again()
                standing = standing_of(found)
                if standing is not None and standing.run == self._run:
                    break  # it is ours: only the answer was lost
                if found is None or self.seen is None or turn_of(found) != turn_of(self.seen) or not left:
                    raise _held(self.deployment, standing) from error
                self.seen = found  # somebody has changed something else of the secret
        self._taken, self._until = now, now + timedelta(seconds=self.lasts)
        self._keeper = threading.Thread(target=self._keep, args=(now,), name="lease", daemon=True)
        self._keeper.start()

    def _begin(self, now: datetime) -> None:
        if self.seen is None:
            self._etag = self._create(now)
        else:
            self._know(self.seen)
            self._write(claimed(self._run, now, now, self.lasts))

    def _create(self, now: datetime) -> str:
        body: dict[str, Any] = {
            "replication": {"automatic": {}},
            "labels": labels_of(self.deployment),
            "annotations": claimed(self._run, now, now, self.lasts),
        }
        parent, short = f"projects/{self.deployment.project}", name_of(self.deployment).rpartition("/")[2]
        request = {"parent": parent, "secret_id": short, "secret": body}
        made = self.cloud.call(
            "taking the lease",
            lambda: self.cloud.secrets.create_secret(request=request, retry=None, timeout=TIMEOUT),
        )
        return str(made.etag)

    def _keep(self, taken: datetime) -> None:
        while not self._over.wait(self.renewed):
            try:
                self._renew(taken)
            except errors.ReconcileError:
                if self._until is not None and _now() >= self._until:
                    self._lose("it could not be renewed in time")
            if self.lost:
                return

    def _renew(self, taken: datetime) -> None:
        now = _now()
        try:
            self._write(claimed(self._run, taken, now, self.lasts))
        except (errors.VersionMoved, errors.NotThere):
            standing = standing_of(self._look_again())
            if standing is None or standing.run != self._run:
                who = f"{standing.owner} holds it now" if standing else "somebody broke it"
                self._lose(who)
                return
        self._until = now + timedelta(seconds=self.lasts)

    def _lose(self, why: str) -> None:
        self.lost = why
        self.cloud.stopped.set()  # nothing new is begun; what is in flight ends by its own versions

    def _give_back(self) -> None:
        for _ in range(TRIES):
            try:
                self._end()
                return
            except errors.VersionMoved:
                standing = standing_of(self._look_again())
                if standing is None or standing.run != self._run:
                    return

    def _end(self) -> None:
        if not self.gone:
            self._write(given_back(self._run))
            return
        request = {"name": name_of(self.deployment), "etag": self._etag}
        delete = self.cloud.secrets.delete_secret
        self.cloud.call("giving the lease back", lambda: delete(request=request, retry=None, timeout=TIMEOUT))

    def _write(self, claim: Mapping[str, str]) -> None:
        self._etag = _write(self.cloud, self.deployment, {**self._others, **claim}, self._etag)

    def _look_again(self) -> dict[str, Any] | None:
        """The secret as it is now; where we still hold it, somebody has changed something else of it."""
        found = _read(self.cloud, self.deployment)
        if found is not None:
            self._know(found)
        return found

    def _know(self, found: Mapping[str, Any]) -> None:
        self._etag, self._others = str(found["etag"]), others_of(found)


def look(cloud: Cloud, deployment: Deployment) -> Lease:
    """The lease as the reads of a moment ago saw it: right after a survey this asks for nothing."""
    try:
        seen = secretmanager_secret.read(cloud, name_of(deployment))
    except errors.ApiDisabled:
        seen = None  # it is made when the API is there
    return Lease(cloud, deployment, seen)


def name_of(deployment: Deployment) -> str:
    """The full name of the secret that is *deployment*'s lease."""
    return f"projects/{deployment.project}/secrets/{deployment.name}{LEASE_SUFFIX}"


def standing(cloud: Cloud, deployment: Deployment) -> Standing | None:
    """Who holds the lease of *deployment* now, None for nobody."""
    found = standing_of(_read(cloud, deployment))
    return None if found is None or found.over(_now()) else found


def break_it(cloud: Cloud, deployment: Deployment) -> Standing | None:
    """Take the lease from whoever holds it; who that was, None for nobody."""

    def attempt() -> Standing | None:
        found = _read(cloud, deployment)
        held = standing_of(found)
        if found is not None and held is not None:
            _write(cloud, deployment, {**others_of(found), **given_back(held.run)}, str(found["etag"]))
        return held

    return retries.persist(retries.BREAKING, attempt, cloud.pause)


def _held(deployment: Deployment, standing: Standing | None) -> errors.LeaseHeld:
    if standing is None:
        return errors.LeaseHeld(
            f"another run on {deployment.name} began or ended since this one read what is there, "
            "and nothing was written",
            way_out="Run the same command again; it plans anew.",
        )
    return errors.LeaseHeld(
        f"another apply works on {deployment.name}, and nothing was written: {standing.told(_now())}",
        way_out="Wait for it and run the same command again. If it is surely gone: "
        f"mlflow-reconcile lease break {deployment.file}",
    )


def _read(cloud: Cloud, deployment: Deployment) -> dict[str, Any] | None:
    request = {"name": name_of(deployment)}
    found = cloud.found(
        "reading the lease",
        lambda: cloud.secrets.get_secret(request=request, retry=None, timeout=TIMEOUT),
    )
    return None if found is None else as_json(found)


def _write(cloud: Cloud, deployment: Deployment, claim: Mapping[str, str], etag: str) -> str:
    """Let the lease say *claim* if it still has *etag*; the new etag."""
    secret = {"name": name_of(deployment), "annotations": dict(claim), "etag": etag}
    request = {"secret": secret, "update_mask": "annotations"}
    changed = cloud.call(
        "writing the lease",
        lambda: cloud.secrets.update_secret(request=request, retry=None, timeout=TIMEOUT),
    )
    return str(changed.etag)


def _now() -> datetime:
    return datetime.now(UTC)
