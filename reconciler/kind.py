"""The contract of a kind: one module in `resources/` per kind of Google Cloud resource."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from reconciler import errors
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Ref
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment


class Kind(Protocol):
    """One kind of resource: what a spec wants of it, and the five verbs.

    Every verb may raise `reconciler.errors.ReconcileError`; none may print, prompt or sleep without a condition.
    """

    @property
    def name(self) -> str:
        """`<service>.<resource>`, like `storage.bucket`; also the module's name with an underscore."""
        ...

    @property
    def api(self) -> str:
        """The API that must be enabled before anything of this kind can exist: `storage.googleapis.com`."""
        ...

    @property
    def tells(self) -> bool:
        """Whether other resources wait for a value that only this one's `observe` can tell (`model.Pending`)."""
        ...

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """What *deployment* wants. Pure. The same refs whatever the options: what is off is wanted absent."""
        ...

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """What is there, in the terms of `desired`; None when it does not exist. Never writes."""
        ...

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Make it, and return when it is usable. Idempotent: an earlier attempt that got through is a success."""
        ...

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Write *fields* and no others, on the version observed; what we do not declare stays as it is.

        Without fields, something is going on with it (`Observed.busy`): wait for that to end.
        """
        ...

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Remove it. Already gone is not an error."""
        ...


def refuse_foreign(desired: Desired, found: Observed | None) -> None:
    """Raise `Protected` where what was *found* in place of a creation is not ours: it came after the plan was made."""
    if found is not None and not desired.owns(found):
        raise errors.Protected(
            f"{desired.ref.address} exists by now and is not ours, and nothing of it was changed",
            way_out="Plan again: that says whose it is, and how to adopt it.",
        )


def delete_ours(kind: Kind, cloud: Cloud, ref: Ref, desired: Desired | None) -> None:
    """`Kind.delete` of what still carries our mark; `Protected` where somebody has taken it off since the plan.

    A deletion names no version in most of Google's APIs, so this looks once more right before it.
    """
    if desired is not None and desired.mark:
        cloud.forget()
        found = kind.observe(cloud, ref)
        if found is not None and not desired.owns(found):
            raise errors.Protected(
                f"{ref.address} is not ours any more, and was not deleted: {desired.mark[0]} was taken off it",
                way_out="Plan again: what is not ours is left alone.",
            )
    kind.delete(cloud, ref)


class Owner(Protocol):
    """A kind whose resources carry our label and are found by it, those too that the spec no longer speaks of."""

    @property
    def api(self) -> str:
        """The API without which there is nothing to find."""
        ...

    def strays(self, cloud: Cloud, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """What is *deployment*'s and not among what it wants, each wanted absent. Never writes."""
        ...
