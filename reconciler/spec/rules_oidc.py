"""Rules about logins at an OpenID Connect provider."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from reconciler.server import versions
from reconciler.spec.deployment import Deployment
from reconciler.spec.finding import Problem

WITHOUT_GROUPS = {"accounts.google.com": "Google"}
"""Providers whose identity tokens never list groups, by host."""
OLDEST = "3.16.0"
"""The oldest MLflow that the plugin is made for, by its own metadata."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
NEEDED = {
    "discovery_url": "where the provider describes itself",
    "client_id": "what the provider calls this server",
    "client_secret": "where Secret Manager keeps what the provider gave with the client id",
}


def provider_is_named(deployment: Deployment) -> Iterator[Problem]:
    """Mode oidc needs a provider, a client and its secret."""
    if deployment.auth.mode != "oidc":
        return
    for key, meaning in NEEDED.items():
        if not getattr(deployment.auth.oidc, key):
            yield Problem(
                (f"auth.oidc.{key}", "auth.mode"),
                f"mode oidc cannot work without it: {meaning}",
                (f"write it below oidc, as in {key}: {_EXAMPLES[key]}", "choose mode iap or mlflow"),
            )


_EXAMPLES = {
    "discovery_url": "https://login.acme.example/.well-known/openid-configuration",
    "client_id": "mlflow",
    "client_secret": "mlflow-oidc-client:1",
}


def provider_names_groups(deployment: Deployment) -> Iterator[Problem]:
    """A login that depends on groups needs a token that lists them."""
    auth = deployment.auth
    if auth.mode != "oidc":
        return
    oidc = auth.oidc
    using = [key for key in ("groups_claim", "users", "administrators") if getattr(oidc, key)]
    vendor = WITHOUT_GROUPS.get(urlsplit(oidc.discovery_url).hostname or "")
    for key in using if vendor else ():
        yield Problem(
            (f"auth.oidc.{key}", "auth.oidc.discovery_url"),
            f"{vendor}'s tokens list no groups, so nobody would ever be found in one",
            (
                "remove it: everybody may log in whom the client's consent screen admits",
                "choose mode iap, which knows groups",
            ),
        )
    for key in ("users", "administrators"):
        if key in using and not oidc.groups_claim and not vendor:
            yield Problem(
                (f"auth.oidc.{key}", "auth.oidc.groups_claim"),
                "groups mean nothing before it is known which claim of the token lists them",
                ("groups_claim: groups, as most providers call it", f"{key}: []"),
            )


def provider_is_reached_safely(deployment: Deployment) -> Iterator[Problem]:
    """The keys that logins are checked with come from the provider's address: nobody on the way may change them."""
    auth = deployment.auth
    url = urlsplit(auth.oidc.discovery_url)
    if auth.mode != "oidc" or url.scheme != "http":
        return
    if url.hostname in LOOPBACK:
        message = f"{url.hostname} is the server's own container on Cloud Run: this works in the sandbox only"
        yield Problem(("auth.oidc.discovery_url",), message, ("the provider's https:// address",), "warning")
    else:
        yield Problem(
            ("auth.oidc.discovery_url",),
            "http:// lets whoever is on the way hand out keys of his own, and log in as anybody with them",
            ("the provider's https:// address", "choose mode iap or mlflow"),
        )


def provider_can_be_reached(deployment: Deployment) -> Iterator[Problem]:
    """Cloud Run reaches the internet by itself, but not once all of its traffic goes through a network."""
    networking = deployment.networking
    if deployment.auth.mode == "oidc" and networking.private and networking.vpc_egress == "all-traffic":
        yield Problem(
            ("networking.vpc_egress", "networking.database_ip", "auth.mode"),
            "all-traffic sends the server's questions to the provider through the network: without Cloud NAT there, "
            "nobody can log in",
            ("vpc_egress: private-ranges-only", "see to Cloud NAT in that network"),
            "warning",
        )


def somebody_administers(deployment: Deployment) -> Iterator[Problem]:
    """Without administrators nobody can help those who locked themselves out."""
    auth = deployment.auth
    if auth.mode == "oidc" and not auth.oidc.administrators:
        yield Problem(
            ("auth.oidc.administrators", "auth.mode"),
            "is empty: everybody manages what is his own, and nobody manages permissions for others",
            ("groups_claim: groups, and administrators: [GROUP]", "leave it so where nobody needs to"),
            "warning",
        )


def oidc_stands_alone(deployment: Deployment) -> Iterator[Problem]:
    """A browser that follows the provider's redirect brings no Google token with it."""
    auth = deployment.auth
    if auth.mode == "oidc" and auth.behind_iam:
        yield Problem(
            ("auth.behind_iam", "auth.mode"),
            "no browser passes: Google's front door wants a token in a header, and the provider's login page sends the "
            "browser back without one",
            ("behind_iam: false", "choose mode iap: Google's own login page"),
        )


def plugin_fits(deployment: Deployment) -> Iterator[Problem]:
    """The plugin is made for newer versions of MLflow than others need."""
    version = deployment.server.version
    if deployment.auth.mode != "oidc" or versions.objection(version):
        return
    if versions.numbers(version) < versions.numbers(OLDEST):
        yield Problem(
            ("server.version", "auth.mode"),
            f"{version} is older than {OLDEST}, the first that mlflow-oidc-auth works with",
            (f'write "{versions.NEWEST}"', "choose mode iap or mlflow"),
        )


def jobs_log_in(deployment: Deployment) -> Iterator[Problem]:
    """MLflow's background jobs call the server that they run beside, and nobody logs in for them."""
    if deployment.auth.mode == "oidc" and deployment.server.job_runner:
        yield Problem(
            ("server.job_runner", "auth.mode"),
            "jobs call the server without a login, and in mode oidc nobody gets in without one",
            ("job_runner: false", "choose mode iap or basic"),
        )


def oidc_is_in_use(deployment: Deployment) -> Iterator[Problem]:
    """Keys of a mode that is not chosen have no effect."""
    auth = deployment.auth
    named = next((key for key in NEEDED if getattr(auth.oidc, key)), "")
    if auth.mode != "oidc" and named:
        yield Problem(
            (f"auth.oidc.{named}", "auth.mode"),
            f"means nothing with mode {auth.mode}",
            ("choose mode oidc", "remove oidc"),
            "warning",
        )


RULES = (
    provider_is_named,
    provider_names_groups,
    provider_is_reached_safely,
    provider_can_be_reached,
    somebody_administers,
    oidc_stands_alone,
    plugin_fits,
    jobs_log_in,
    oidc_is_in_use,
)
