"""What a refusal is about, and the lines that grant it."""

from __future__ import annotations

import pytest

from reconciler.gcp.granting import DEPLOYER, READER, lacking, lines, member_of, role_for
from reconciler.sandbox.iam import roles

CRM = "https://cloudresourcemanager.googleapis.com/v1/projects/p"
WORDS = [
    ("Permission 'run.services.get' denied on resource 'x' (or resource may not exist).", "run.services.get"),
    (
        "boss::NOT_AUTHORIZED: Not authorized. Possibly missing permission cloudsql.instances.get on resource",
        "cloudsql.instances.get",
    ),
    ("a@p.iam.gserviceaccount.com does not have storage.buckets.get access to the", "storage.buckets.get"),
    ("Permission 'iam.serviceaccounts.actAs' denied on service account x", "iam.serviceAccounts.actAs"),
    (
        "denied on resource '//artifactregistry.googleapis.com/projects/p': artifactregistry.tags.get",
        "artifactregistry.tags.get",
    ),
]
ADDRESSES = [
    (f"{CRM}:getIamPolicy?alt=json", "resourcemanager.projects.getIamPolicy"),
    (f"{CRM}:setIamPolicy?alt=json", "resourcemanager.projects.setIamPolicy"),
    (
        "https://serviceusage.googleapis.com/v1/projects/p/services:batchGet?names=x",
        "serviceusage.services.get",
    ),
    (
        "https://serviceusage.googleapis.com/v1/projects/p/services:batchEnable?alt=json",
        "serviceusage.services.enable",
    ),
    (
        "https://cloudbuild.googleapis.com/v1/projects/p/locations/l/builds?alt=json",
        "cloudbuild.builds.create",
    ),
    (
        "https://cloudbuild.googleapis.com/v1/projects/p/locations/l/builds/1?alt=json",
        "cloudbuild.builds.get",
    ),
]


@pytest.mark.parametrize(("words", "permission"), WORDS)
def test_the_permission_is_found_in_googles_words(words: str, permission: str) -> None:
    """Each API has its own way to say it; a host name is none."""
    assert lacking(words, {}, "") == (permission,)


@pytest.mark.parametrize(("address", "permission"), ADDRESSES)
def test_where_the_words_say_nothing_the_address_tells(address: str, permission: str) -> None:
    """Resource Manager, Service Usage and Cloud Build do not name what is lacking."""
    assert lacking("The caller does not have permission", {}, address) == (permission,)
    assert lacking("The caller does not have permission", {"permission": "a.b.c"}, address) == ("a.b.c",)


def test_what_nobody_tells_stays_unknown() -> None:
    """Better no name than a wrong one."""
    assert lacking("The client is not authorized to make this request.", {}, "https://x.example/v1/y") == ()


def test_who_looks_is_sent_for_a_readers_role() -> None:
    """Who changes things needs a role that may; neither is told of a role that does not hold the permission."""
    assert role_for("run.services.get", changing=False) == "roles/run.viewer"
    assert role_for("run.services.get", changing=True) == "roles/run.admin"
    assert role_for("run.services.update", changing=False) == "roles/run.admin"
    assert role_for("nothing.known.here", changing=True) == ""


def test_no_readers_role_lets_anything_be_changed_or_a_secret_be_read() -> None:
    """By the sandbox's own table of Google's roles, which knows nothing of this one."""
    harmful = (
        "secretmanager.versions.access",
        "storage.objects.get",
        "run.services.update",
        "cloudsql.users.update",
    )
    for role, _ in READER:
        assert [one for one in harmful if roles.grants(role, one)] == []
        assert role in roles.ROLES
    assert {role for role, _ in DEPLOYER} <= set(roles.ROLES)


def test_the_way_out_is_a_line_to_copy() -> None:
    """Member, permission and project in a sentence, one gcloud line a role; many permissions are counted."""
    text = lines("p", "user:a@b.example", ["run.services.get", "run.jobs.get"], changing=False)
    assert text.splitlines() == [
        "user:a@b.example lacks run.services.get, run.jobs.get. Whoever administers p grants that with:",
        "gcloud projects add-iam-policy-binding p --member=user:a@b.example --role=roles/run.viewer",
    ]
    many = lines("p", "", [f"run.x{number}.get" for number in range(9)], changing=False)
    assert many.startswith("Whoever calls lacks 9 permissions.")
    assert "--member=MEMBER" in many


class _Account:
    service_account_email = "ci@p.iam.gserviceaccount.com"


class _Person:
    service_account_email = "default"
    account = "me@acme.example"


def test_we_know_who_we_are() -> None:
    """A service account says so itself, a person's login file may; without any of it the token is asked."""
    assert member_of(_Account(), "") == "serviceAccount:ci@p.iam.gserviceaccount.com"
    assert member_of(_Person(), "") == "user:me@acme.example"
    assert member_of(object(), "http://127.0.0.1:1") == ""
