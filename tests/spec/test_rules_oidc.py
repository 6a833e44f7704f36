"""Logins at an OpenID Connect provider: what no provider can serve is refused, what may be meant is said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.spec.deployment import Deployment
from reconciler.spec.finding import Finding

Check = Callable[[str], list[Finding]]
URL = "https://login.acme.example/.well-known/openid-configuration"
GOOGLE = "https://accounts.google.com/.well-known/openid-configuration"
GROUPS = "groups_claim: groups, administrators: [ml-admins]"


def spec(url: str = URL, client_id: str = "mlflow", kept: str = "oidc-client:1", more: str = GROUPS) -> str:
    """The lines of a spec in mode oidc."""
    oidc = f"discovery_url: '{url}', client_id: '{client_id}', client_secret: '{kept}'"
    return f"auth:\n  mode: oidc\n  oidc: {{{oidc}{', ' if more else ''}{more}}}\n"


REFUSED = [
    (spec(url=""), "discovery_url", "cannot work without it", "openid-configuration"),
    (spec(client_id=""), "client_id", "cannot work without it", "client_id: mlflow"),
    (spec(kept=""), "client_secret", "cannot work without it", "mlflow-oidc-client:1"),
    (spec(url="http" + URL[5:]), "discovery_url", "keys of his own", "https://"),
    (spec(more="administrators: [a]"), "administrators", "which claim", "groups_claim: groups"),
    (spec(more="users: [a], " + GROUPS.replace("groups_claim: groups, ", "")), "users", "which claim", "users: []"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "message", "way_out"), REFUSED)
def test_a_provider_that_cannot_be_asked_is_refused(
    check_with: Check, text: str, key: str, message: str, way_out: str
) -> None:
    """Each with its key, the reason, and what to write instead."""
    found = next(one for one in check_with(text) if one.key == f"auth.oidc.{key}" and one.severity == "error")
    assert message in found.message
    assert way_out in found.way_out


@pytest.mark.parametrize("key", ["groups_claim: groups", "users: [ml]", "administrators: [ml-admins]"])
def test_google_names_no_groups(check_with: Check, key: str) -> None:
    """Whatever depends on groups is refused with Google as the provider, and once."""
    (found,) = [one for one in check_with(spec(url=GOOGLE, more=key)) if one.severity == "error"]
    assert found.key == f"auth.oidc.{key.partition(':')[0]}"
    assert "Google's tokens list no groups" in found.message
    assert "iap" in found.way_out


def test_google_without_groups_is_accepted(check_with: Check) -> None:
    """Everybody may log in, and it is said that nobody administers."""
    (found,) = check_with(spec(url=GOOGLE, more=""))
    assert (found.key, found.severity) == ("auth.oidc.administrators", "warning")


def test_a_provider_with_groups_is_accepted(
    load_with: Callable[[str], Deployment], check_with: Check
) -> None:
    """Nothing is left to say."""
    assert check_with(spec(more="users: [ml], " + GROUPS)) == []
    assert load_with(spec()).auth.oidc.administrators == ("ml-admins",)


def test_no_browser_passes_iam_before_the_login(check_with: Check) -> None:
    """The redirect back from the provider carries no Google token."""
    text = spec().replace(
        "mode: oidc\n", "mode: oidc\n  behind_iam: true\n  invokers: ['user:a@b.example']\n"
    )
    found = next(one for one in check_with(text) if one.key == "auth.behind_iam")
    assert "no browser passes" in found.message
    assert "behind_iam: false" in found.way_out


@pytest.mark.parametrize(
    ("more", "key", "message"),
    [
        ("server: {version: 3.15.2}\n", "server.version", "older than 3.16.0"),
        ("server: {job_runner: true}\n", "server.job_runner", "without a login"),
    ],
)
def test_what_the_plugin_cannot_do_is_refused(check_with: Check, more: str, key: str, message: str) -> None:
    """Older versions of MLflow, and jobs that nobody logs in."""
    found = [one for one in check_with(spec() + more) if one.key == key and one.severity == "error"]
    assert any(message in one.message for one in found)


def test_connections_for_users_are_counted(check_with: Check) -> None:
    """Three more for each worker: what fits without them is refused with them, and its way out fits."""
    sizes = "scaling: {max_instances: 2}\nserver: {workers: 1, pool_size: 3, pool_overflow: 1}\n"
    sizes += "database: {tier: db-f1-micro}\n"
    assert not [one for one in check_with(sizes) if one.severity == "error"]
    (found,) = check_with(spec() + sizes)
    assert (
        "(workers 1 × (2 engines × (pool_size 3 + pool_overflow 1) + 3 for users)) + 3 for jobs"
        in found.message
    )
    assert found.way_out.startswith("server.pool_size: 2 and server.pool_overflow: 1")
    assert check_with(spec() + sizes.replace("pool_size: 3", "pool_size: 2")) == []


WARNED = [
    (spec(url="http://127.0.0.1:8080/.well-known/openid-configuration"), "discovery_url", "in the sandbox only"),
    (spec(more=""), "administrators", "nobody manages permissions"),
    (spec().replace("mode: oidc", "mode: basic"), "discovery_url", "means nothing with mode basic"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "message"), WARNED)
def test_what_may_be_meant_is_said(check_with: Check, text: str, key: str, message: str) -> None:
    """A warning at its key; the spec still loads."""
    (found,) = check_with(text)
    assert (found.key, found.severity) == (f"auth.oidc.{key}", "warning")
    assert message in found.message


def test_all_traffic_through_a_network_may_cut_the_provider_off(check_with: Check) -> None:
    """Without Cloud NAT the server cannot ask the provider anything."""
    network = "networking: {database_ip: private, vpc_egress: all-traffic, network: ml}\n"
    found = [one for one in check_with(network + spec()) if one.key == "networking.vpc_egress"]
    assert any("nobody can log in" in one.message for one in found)
