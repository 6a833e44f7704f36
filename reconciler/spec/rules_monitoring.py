"""Rules about watching: who is told, what can be asked from outside, and the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil
from typing import Final

from reconciler.server import alerts, demand, networks
from reconciler.server.prices import monthly_total
from reconciler.spec import rules_capacity
from reconciler.spec.deployment import Deployment
from reconciler.spec.finding import Problem
from reconciler.spec.ways import Way, cheapest, with_database, with_scaling

MOST_OF_A_BUDGET: Final = 5
"""Addresses; what resources/billingbudgets_budget.py sends."""
Rule = Callable[[Deployment], Iterator[Problem]]


def somebody_is_told(deployment: Deployment) -> Iterator[Problem]:
    """An alert that reaches nobody is seen by who looks at the console; and addresses without alerts get nothing."""
    watched = deployment.monitoring
    if watched.enabled and not watched.emails and not watched.channels:
        message = "true tells nobody: alerts are in the console alone"
        ways = ("monitoring.emails: [ml-oncall@acme.example]", "enabled: false")
        yield Problem(("monitoring.enabled", "monitoring.emails"), message, ways, "warning")
    if (
        watched.emails and not watched.enabled and not deployment.extends
    ):  # a base's addresses are for who turns it on
        message = "get nothing while monitoring.enabled is false"
        ways = ("monitoring.enabled: true", "remove emails")
        yield Problem(("monitoring.emails", "monitoring.enabled"), message, ways, "warning")


def channels_are_ours(deployment: Deployment) -> Iterator[Problem]:
    """A policy takes channels of its own project only."""
    for position, channel in enumerate(deployment.monitoring.channels):
        project = channel.split("/")[1]
        if project != deployment.project and not project.isdecimal():
            yield Problem(
                (f"monitoring.channels.{position}", "project"),
                f"is of project {project}, and an alert of {deployment.project} cannot use it",
                ("make such a channel in this project, and name that", "use monitoring.emails"),
            )


def addresses_differ(deployment: Deployment) -> Iterator[Problem]:
    """One mailbox written in two ways would get every mail twice."""
    seen: dict[str, str] = {}
    for position, address in enumerate(deployment.monitoring.emails):
        known = seen.setdefault(address.lower(), address)
        if known != address:
            message = f"is {known} in other letters: every mail would come twice"
            yield Problem((f"monitoring.emails.{position}",), message, ("remove it",))


def the_server_can_be_asked(deployment: Deployment) -> Iterator[Problem]:
    """Google asks from the internet, as anybody or with a token of its own agent; a login page stops both."""
    watched = deployment.monitoring
    if not (watched.enabled and watched.uptime_minutes) or alerts.caller(deployment) != "nobody":
        return
    ways = ("uptime_minutes: 0", "errors_per_minute and latency_seconds watch what users meet")
    if deployment.networking.ingress != "all":
        message = f"cannot be asked from outside with ingress {deployment.networking.ingress}: no uptime check is made"
        yield Problem(("monitoring.uptime_minutes", "networking.ingress"), message, ways, "warning")
    else:
        message = f"cannot be asked from outside with mode {deployment.auth.mode}: no uptime check is made"
        yield Problem(("monitoring.uptime_minutes", "auth.mode"), message, ways, "warning")


def connections_leave_room(deployment: Deployment) -> Iterator[Problem]:
    """A threshold that every idle server reaches, or that none can, says nothing."""
    watched = deployment.monitoring
    if not watched.enabled or not watched.database_connections_percent:
        return
    most = demand.connections(deployment.database)
    if most * watched.database_connections_percent < 100:
        message = f"{watched.database_connections_percent} % of {most} connections is not even one"
        yield Problem(("monitoring.database_connections_percent",), message, ("write 80", "0 for no alert"))


def a_budget_tells_five(deployment: Deployment) -> Iterator[Problem]:
    """Google takes no more channels for a budget; the account's administrators are told in any case."""
    watched = deployment.monitoring
    if deployment.budget.billing_account and watched.enabled and len(watched.emails) > MOST_OF_A_BUDGET:
        message = (
            f"a budget tells the first {MOST_OF_A_BUDGET} addresses of monitoring.emails, and not the others"
        )
        ways = ("put those who look after costs first", "use one address of a group")
        yield Problem(("budget.billing_account", "monitoring.emails"), message, ways, "warning")


def idle_fits_the_budget(deployment: Deployment) -> Iterator[Problem]:
    """A budget that is used up by a server which nobody uses says nothing."""
    # A warning: whoever has such a deployment may look at it and destroy it. guards.spending refuses to begin one.
    budget, total = deployment.budget, monthly_total(deployment)
    if budget.billing_account and total > budget.amount:
        message = (
            f"{budget.amount} does not hold the about ${total:.2f} a month that this costs while nobody uses it "
            "(units of the account's own currency are taken for dollars)"
        )
        ways = (f"budget.amount: {ceil(total)}", *_cheaper(deployment))
        yield Problem(("budget.amount", "budget.billing_account"), message, ways, "warning")


def _cheaper(deployment: Deployment) -> tuple[str, ...]:
    """The mildest change that the budget holds, else the one that saves most; none where nothing can be saved."""
    now = monthly_total(deployment)
    priced = [(monthly_total(way.leads_to), way) for way in _ways_to_save(deployment)]
    saving = sorted((one for one in priced if one[0] < now), key=lambda one: one[0])
    enough = [way for total, way in saving if total <= deployment.budget.amount]
    chosen = enough[-1:] or [way for _, way in saving[:1]]
    return cheapest(deployment, chosen)


def _ways_to_save(deployment: Deployment) -> Iterator[Way]:
    if deployment.database.availability == "regional":
        yield Way("database.availability: zonal", with_database(deployment, availability="zonal"))
    if deployment.scaling.min_instances:
        yield Way("scaling.min_instances: 0", with_scaling(deployment, min_instances=0))
    if networks.connected(deployment):
        direct = replace(deployment.networking, egress="direct")
        yield Way("networking.egress: direct", replace(deployment, networking=direct))
    plus = deployment.database.edition == "enterprise-plus"
    for tier in rules_capacity.ENTERPRISE_PLUS if plus else rules_capacity.ENTERPRISE:
        smaller = with_database(deployment, tier=tier)
        found = (problem for rule in rules_capacity.RULES for problem in rule(smaller))
        if not any(problem.severity == "error" for problem in found):
            yield Way(f"database.tier: {tier}", smaller)


RULES: Final[tuple[Rule, ...]] = (
    somebody_is_told,
    channels_are_ours,
    addresses_differ,
    the_server_can_be_asked,
    connections_leave_room,
    a_budget_tells_five,
    idle_fits_the_budget,
)
