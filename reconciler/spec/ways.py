"""Ways out of a problem: what each would cost, the cheapest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from reconciler.server.prices import monthly_difference
from reconciler.spec.deployment import Deployment

MOST = 2
"""More to choose from is no help."""
CENT = 0.01


@dataclass(frozen=True, slots=True)
class Way:
    """A way out: what to write, and the deployment that this would be."""

    text: str
    leads_to: Deployment


def cheapest(deployment: Deployment, ways: Iterable[Way]) -> tuple[str, ...]:
    """The cheapest ways out of *deployment*'s problem, each with its price; ways of one price stay in order.

    Raises ValueError for a way to a database tier that nobody knows.
    """
    priced = sorted(
        ((monthly_difference(deployment, way.leads_to), way.text) for way in ways),
        key=lambda pair: round(pair[0], 2),
    )
    return tuple(f"{text} ({_price(usd)})" for usd, text in priced[:MOST])


def _price(usd: float) -> str:
    if abs(usd) < CENT:
        return "at no cost"
    return f"${usd:.2f} a month more" if usd > 0 else f"${-usd:.2f} a month less"


def with_database(deployment: Deployment, **changes: Any) -> Deployment:
    """*deployment* with other settings of its database."""
    return replace(deployment, database=replace(deployment.database, **changes))


def with_scaling(deployment: Deployment, **changes: Any) -> Deployment:
    """*deployment* with another scaling."""
    return replace(deployment, scaling=replace(deployment.scaling, **changes))


def with_server(deployment: Deployment, **changes: Any) -> Deployment:
    """*deployment* with other settings of the server."""
    return replace(deployment, server=replace(deployment.server, **changes))
