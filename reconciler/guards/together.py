"""Every guard at once: one round of questions before the first write, one refusal that lists whatever it finds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain

from reconciler import errors
from reconciler.change import Change
from reconciler.gcp.cloud import Cloud
from reconciler.guards import lacking, organisation, quotas, spending, tiers
from reconciler.guards.obstacle import Obstacle, Question
from reconciler.plan import Plan
from reconciler.spec.deployment import Deployment

_HEAD = "refused, and no resource was touched:\n"
AT_ONCE = 8
"""Questions in flight; hardly a plan has more."""


def refuse(cloud: Cloud, deployment: Deployment, changes: Collection[Change], *, checked: bool) -> None:
    """Raise where something stands in the way of *changes*; what we may do is only asked where that is *checked*.

    `PermissionMissing` where nothing but permissions is missing, else `Protected`; `ApiDisabled` where nothing is known
    to stand in the way and something cannot be told before the APIs are enabled.
    """
    may = (lacking.questions(cloud, changes), organisation.questions(cloud, changes)) if checked else ()
    obstacles = _answers(cloud, [*chain(*may), *_others(cloud, deployment, changes)])
    if obstacles:
        raise _refusal(obstacles)


def refuse_blocked(cloud: Cloud, deployment: Deployment, plan: Plan, *, checked: bool) -> None:
    """Raise where *plan* is blocked or something stands in its way, with all of it; before anybody is asked to agree.

    What cannot be told before the APIs are enabled is left to `refuse`, which asks for nothing again that is known.
    """
    try:
        plan.refuse_if_blocked()
    except errors.Protected as blocked:
        raise _with(blocked, _refused(cloud, deployment, plan, checked=checked)) from None
    if found := _refused(cloud, deployment, plan, checked=checked):
        raise found


def foreseen(cloud: Cloud, deployment: Deployment, plan: Plan) -> Plan:
    """*plan* with what stands in its way whoever carries it out: not their permissions, as reviewers have fewer."""
    asked = (organisation.questions(cloud, plan.wanted), _others(cloud, deployment, plan.wanted))
    try:
        obstacles = _answers(cloud, list(chain(*asked)))
    except errors.ApiDisabled:
        return plan
    return replace(plan, obstacles=tuple(str(one) for one in obstacles))


def _others(cloud: Cloud, deployment: Deployment, changes: Collection[Change]) -> Iterator[Question]:
    """What is not a matter of being allowed."""
    return chain(
        quotas.questions(cloud, changes),
        tiers.questions(cloud, changes),
        spending.questions(deployment, changes),
    )


def _refused(
    cloud: Cloud, deployment: Deployment, plan: Plan, *, checked: bool
) -> errors.PermissionMissing | errors.Protected | None:
    try:
        refuse(cloud, deployment, plan.wanted, checked=checked)
    except (errors.PermissionMissing, errors.Protected) as error:
        return error
    except errors.ApiDisabled:
        return None
    return None


def _answers(cloud: Cloud, questions: Collection[Question]) -> list[Obstacle]:
    """What *questions* find, in their order. Raises `ApiDisabled` where that is all that one of them found."""
    if not questions:
        return []
    pool = ThreadPoolExecutor(min(len(questions), AT_ONCE), thread_name_prefix="ask")
    unknown: errors.ApiDisabled | None = None
    obstacles: list[Obstacle] = []
    try:
        for future in [pool.submit(_answer, question) for question in questions]:
            try:
                obstacles += future.result()
            except errors.ApiDisabled as error:
                unknown = unknown or error
    except KeyboardInterrupt:
        cloud.stopped.set()  # ends every wait before a further attempt
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if unknown is not None and not obstacles:
        raise unknown
    return obstacles


def _answer(question: Question) -> list[Obstacle]:
    try:
        return list(question())
    except (errors.PermissionMissing, errors.Refused, errors.NotThere):
        return []  # asking is a courtesy: Google's own refusal comes later


def _refusal(obstacles: list[Obstacle]) -> errors.PermissionMissing | errors.Protected:
    permissions = tuple(chain(*(one.permissions for one in obstacles)))
    if len(obstacles) == 1 and permissions:
        error = errors.PermissionMissing(obstacles[0].says, way_out=obstacles[0].way_out)
        error.permissions = permissions
        return error
    return errors.Protected(
        f"{_HEAD}{_listed(one.says for one in obstacles)}",
        way_out="\n".join(dict.fromkeys(one.way_out for one in obstacles)),
    )


def _with(blocked: errors.Protected, also: errors.ReconcileError | None) -> errors.Protected:
    """*blocked* with what else stands in the way."""
    if also is None:
        return blocked
    more = also.message if isinstance(also, errors.Protected) else _listed([also.message])
    return errors.Protected(
        f"{blocked.message}\n{more.removeprefix(_HEAD)}",
        way_out="\n".join(filter(None, (blocked.way_out, also.way_out))),
    )


def _listed(sentences: Iterable[str]) -> str:
    """One line each; what a sentence lists itself stands below it."""
    return "\n".join("- " + sentence.replace("\n", "\n  ") for sentence in sentences)
