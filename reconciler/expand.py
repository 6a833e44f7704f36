"""From a deployment to what is wanted of every resource. Pure but for the bytes of `image/`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from reconciler.kind import Kind
from reconciler.model import Desired, Ref
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment


def expand(deployment: Deployment, names: Names, kinds: Iterable[Kind], first: Ref) -> tuple[Desired, ...]:
    """What *deployment* wants of every resource, in the order of *kinds*; everything needs *first*, the APIs.

    What is given is looked for before anything is made.
    """
    wanted = [desired for kind in kinds for desired in kind.desired(deployment, names)]
    needs = {desired.ref: desired.needs for desired in wanted}
    given = tuple(desired.ref for desired in wanted if desired.given)

    def before(desired: Desired) -> tuple[Ref, ...]:
        if desired.ref == first:
            return ()
        return (first,) if desired.given else (first, *given, *_all_needs(desired.ref, needs))

    return tuple(replace(desired, needs=before(desired)) for desired in wanted)


def _all_needs(ref: Ref, needs: Mapping[Ref, tuple[Ref, ...]]) -> tuple[Ref, ...]:
    """What *ref* needs, and what that needs: so that an order holds across what stays as it is."""
    found: dict[Ref, None] = {}
    waiting = list(needs.get(ref, ()))
    while waiting:
        needed = waiting.pop(0)
        if needed not in found:
            found[needed] = None
            waiting += needs.get(needed, ())
    return tuple(found)


def nothing(wanted: Iterable[Desired], options: Collection[str] = ()) -> tuple[Desired, ...]:
    """The same resources with nothing wanted of them: what destroying a deployment with *options* is.

    A policy is emptied of our grants; what is part of something else goes, or stays, with that; what was given stays.
    """
    return tuple(
        _gone(desired, options) for desired in wanted if desired.part_of is None and not desired.given
    )


def _gone(desired: Desired, options: Collection[str]) -> Desired:
    if desired.empties:
        return replace(desired, body=dict.fromkeys(desired.body or {}))
    return replace(desired, body=None, permanent=desired.permanent and desired.goes_with not in options)


def let_go(wanted: Iterable[Desired], strays: tuple[Desired, ...]) -> tuple[Desired, ...]:
    """*wanted* and *strays*, these to go last: any of the others may still have a use for one.

    Among themselves, what is of a later kind uses what is of an earlier one, and goes before it.
    """
    refs = tuple(stray.ref for stray in strays)
    going = tuple(
        replace(stray, needs=tuple(ref for ref in refs[:position] if ref.kind != stray.ref.kind))
        for position, stray in enumerate(strays)
    )
    return (*(replace(desired, needs=(*desired.needs, *refs)) for desired in wanted), *going)
