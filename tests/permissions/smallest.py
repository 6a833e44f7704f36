"""The smallest set of Google's predefined roles that holds some permissions.

Smallest is: the fewest permissions that nobody asked for, counted first where they change something in a service that
is none of our business, then where they change something at all, then the others; then the fewest roles, and small
ones. Out of the question are the basic roles, those that change something in every service, and those that only
buckets or Google's agents have.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from reconciler.sandbox.iam import permissions, roles

READING = ("get", "list", "getIamPolicy", "use", "queryTestablePermissions")
CHANGE = 1000
"""How many permissions to read weigh as much as one to change something."""
ELSEWHERE = 100
"""How many times more it weighs in a service of which nothing is wanted."""


def candidates() -> tuple[str, ...]:
    """The roles that can be granted to somebody on a project."""
    return tuple(
        name
        for name in roles.ROLES
        if name not in roles.BASIC and ".legacy" not in name and not name.endswith("serviceAgent")
        if not _changes_everywhere(name)
    )


def _changes_everywhere(role: str) -> bool:
    reaching = (one for one in roles.ROLES[role].permissions if one.startswith("*"))
    return any(one.rpartition(".")[2] not in READING for one in reaching)


@cache
def universe() -> frozenset[str]:
    """Every permission that is known by name."""
    named = {one for role in roles.ROLES.values() for one in role.permissions if "*" not in one}
    beside = {one for more in permissions.BESIDES.values() for one in more}
    return frozenset(named | {one for one in permissions.PERMISSIONS.values() if one} | beside)


@cache
def held(role: str) -> frozenset[str]:
    """What *role* holds of the universe."""
    return frozenset(one for one in universe() if roles.grants(role, one))


def smallest(wanted: Iterable[str]) -> frozenset[str]:
    """The smallest set of roles that holds all of *wanted*; raises LookupError where none does."""
    needed = frozenset(wanted)
    ours = {one.partition(".")[0] for one in needed}
    useful = [role for role in candidates() if held(role) & needed]
    holders = {one: [role for role in useful if one in held(role)] for one in needed}
    if orphans := [one for one, found in holders.items() if not found]:
        raise LookupError(f"no role holds {orphans}")
    best: list[tuple[tuple[int, int, int], frozenset[str]]] = []

    def search(chosen: frozenset[str], granted: frozenset[str]) -> None:
        cost = (_weight(granted - needed, ours), len(chosen), sum(len(held(role)) for role in chosen))
        if best and cost >= best[0][0]:
            return
        left = needed - granted
        if not left:
            best[:] = [(cost, chosen)]
            return
        hardest = min(sorted(left), key=lambda one: len(holders[one]))
        for role in sorted(holders[hardest], key=lambda role: _weight(held(role) - granted - needed, ours)):
            search(chosen | {role}, granted | held(role))

    search(frozenset(), frozenset())
    return best[0][1]


def _weight(excess: Iterable[str], ours: set[str]) -> int:
    return sum(
        (1 if one.rpartition(".")[2] in READING else CHANGE)
        * (1 if one.partition(".")[0] in ours else ELSEWHERE)
        for one in excess
    )
