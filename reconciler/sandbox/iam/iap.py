"""Identity-Aware Proxy: what it protects, who it lets pass, and which credentials it takes.

After "Programmatic authentication" and "Managing access" of its documentation. The sentences of its refusals are those
that public reports of services with Google's own OAuth client quote.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.sandbox.iam import accounts, identities, oauth
from reconciler.sandbox.seeding import account_exists
from reconciler.sandbox.world import Visit, World

SETTINGS: Final = "iap.settings"
"""The store's kind of what updateIapSettings keeps, by the resource's name with the project's id."""
ACCESS: Final = "iap.webServiceVersions.accessViaIAP"
CLIENT: Final = "369001918367-sandbox.apps.googleusercontent.com"
"""The OAuth client that Google manages. It lies in a project of Google's, and tokens for it are not taken."""
LONGEST: Final = 3600
SKEW: Final = 300
_NAME: Final = re.compile(
    r"projects/(?P<project>[^/]+)/iap_web(?:/cloud_run-(?P<region>[a-z0-9-]+)(?:/services/(?P<service>[a-z0-9-]+))?)?"
)


@dataclass
class Refused(Exception):
    """IAP does not take what it was given; *text* is its body's end."""

    text: str


@dataclass(frozen=True)
class Place:
    """What a policy or settings are about: a service, all services of a region, or everything of a project."""

    project: str
    region: str = ""
    service: str = ""

    @property
    def run_name(self) -> str:
        """The Cloud Run service's own name, "" where it is about more than one."""
        if not self.service:
            return ""
        return f"projects/{self.project}/locations/{self.region}/services/{self.service}"

    @property
    def above(self) -> list[str]:
        """The resource's name, and the names of everything that it lies in."""
        web = f"projects/{self.project}/iap_web"
        regional = [f"{web}/cloud_run-{self.region}"] if self.region else []
        own = [f"{regional[0]}/services/{self.service}"] if self.service else []
        return [*own, *regional, web, f"projects/{self.project}"]


def place_of(name: str, project: str) -> Place | None:
    """The place that a resource's name means, in the project with the id; None where Cloud Run has none such."""
    found = _NAME.fullmatch(name)
    return Place(project, found["region"] or "", found["service"] or "") if found else None


def place_of_service(name: str) -> Place:
    """The place of the Cloud Run service "projects/P/locations/R/services/S"."""
    _, project, _, region, _, service = name.split("/")
    return Place(project, region, service)


def passes(world: World, place: Place, email: str) -> bool:
    """Whether whoever has the address may pass. Owning the project is not enough."""
    return world.policies.allowed(world.identities.member_of_email(email), ACCESS, place.above)


def programmatic_clients(world: World, place: Place) -> frozenset[str]:
    """The OAuth clients whose ID tokens are taken: those that somebody has put on the list."""
    found: set[str] = set()
    for name in place.above:
        settings: Mapping[str, Any] = world.store.get(SETTINGS, name) or {}
        found.update(
            settings.get("accessSettings", {}).get("oauthSettings", {}).get("programmaticClients", ())
        )
    return frozenset(found)


def forget(world: World, place: Place) -> None:
    """Drop the policy and the settings of a service that was deleted."""
    name = place.above[0]
    world.policies.forget(name)
    if world.store.get(SETTINGS, name) is not None:
        world.store.delete(SETTINGS, name)


def bearer(visit: Visit) -> str | None:
    """The bearer token that a program sent, None where there is none: `Proxy-Authorization` goes first."""
    for header in ("Proxy-Authorization", "Authorization"):
        kind, _, token = (visit.header(header) or "").partition(" ")
        if kind.lower() == "bearer":
            return token.strip()
    return None


def email_of(world: World, place: Place, token: str, url: str) -> str:
    """Whose a program's token is, for a request of *url* (without its query). Raises Refused."""
    unverified = identities.claims_of(token) if token.count(".") == 2 else {}
    if not unverified:
        raise Refused("Unable to parse JWT")
    if unverified.get("iss") == identities.ISSUER:
        return _of_id_token(world, place, token)
    return _of_account(world, token, str(unverified.get("iss", "")), url)


def _of_id_token(world: World, place: Place, token: str) -> str:
    claims = world.identities.verify_jwt("google", token)
    if claims is None:
        raise Refused("JWT signature is invalid")
    if claims.get("aud") not in programmatic_clients(world, place):
        raise Refused("Invalid bearer token. Invalid JWT audience.")
    if world.identities.verify_id_token(token) is None:
        raise Refused("Expired JWT")
    return str(claims["email"])


def _of_account(world: World, token: str, email: str, url: str) -> str:
    """A service account's own JWT: "Authenticate with a service account JWT"."""
    if not account_exists(world.store, email) or not accounts.works(world.store, f"serviceAccount:{email}"):
        raise Refused("JWT signature is invalid")
    claims, disabled = oauth.verified(world, email, token)
    claims = claims or world.identities.verify_jwt(email, token)
    if claims is None or disabled:
        raise Refused("JWT signature is invalid")
    issued, expires = claims.get("iat", 0), claims.get("exp", 0)
    if claims.get("sub") != email or not _addressed(str(claims.get("aud", "")), url):
        raise Refused("Invalid bearer token. Invalid JWT audience.")
    if not issued - SKEW <= world.clock().timestamp() < expires or expires - issued > LONGEST:
        raise Refused("Expired JWT")
    return email


def _addressed(audience: str, url: str) -> bool:
    """A JWT is for one URL exactly, or with /* at the end for all that begin so."""
    return url.startswith(audience[:-1]) if audience.endswith("/*") else url == audience
