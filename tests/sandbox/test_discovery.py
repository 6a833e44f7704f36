"""Routing and checking by Google's documents."""

from __future__ import annotations

from typing import Any, cast

import proto  # pyright: ignore[reportMissingTypeStubs] -- ships no types
import pytest
from google.cloud import run_v2, secretmanager_v1

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.web.answers import misfit
from reconciler.sandbox.web.discovery import Catalog, Described, api_of_host, load
from reconciler.sandbox.web.validation import check_answer, check_body, check_parameters, enum_name

SERVED = (
    ("secretmanager", "v1"),
    ("iam", "v1"),
    ("storage", "v1"),
    ("run", "v2"),
    ("cloudresourcemanager", "v1"),
)


def method(api: str, version: str, method_id: str) -> Described:
    """One method of a document."""
    return next(one for one in load(api, version).methods if one.method_id == method_id)


@pytest.mark.parametrize(
    ("http_method", "path", "method_id", "params"),
    [
        ("GET", "/v1/projects/p/secrets/s", "projects.secrets.get", {"name": "projects/p/secrets/s"}),
        (
            "GET",
            "/v1/projects/p/secrets/s/versions/latest:access",
            "projects.secrets.versions.access",
            {"name": "projects/p/secrets/s/versions/latest"},
        ),
        ("POST", "/v1/projects/p:getIamPolicy", "projects.getIamPolicy", {"resource": "p"}),
        (
            "DELETE",
            "/v1/projects/-/serviceAccounts/a%40p.iam.gserviceaccount.com",
            "projects.serviceAccounts.delete",
            {"name": "projects/-/serviceAccounts/a@p.iam.gserviceaccount.com"},
        ),
        ("GET", "/storage/v1/b/x/o/a%2Fb%20c", "objects.get", {"bucket": "x", "object": "a/b c"}),
        ("GET", "/download/storage/v1/b/x/o/a/b.txt", "objects.get", {"bucket": "x", "object": "a/b.txt"}),
        ("GET", "/download/storage/v1/b/x/o/a%2Fb.txt", "objects.get", {"bucket": "x", "object": "a/b.txt"}),
        ("PUT", "/upload/storage/v1/b/x/o", "objects.insert", {"bucket": "x"}),
    ],
)
def test_paths_become_methods(http_method: str, path: str, method_id: str, params: dict[str, str]) -> None:
    """A path leads to its method, with its parameters decoded."""
    found = Catalog(SERVED).route(http_method, path, "127.0.0.1")
    assert [(one.method.method_id, one.params) for one in found] == [(method_id, params)]


def test_the_host_decides_between_apis() -> None:
    """A path that two APIs share goes to the one whose host was asked."""
    catalog = Catalog((*SERVED, ("artifactregistry", "v1"), ("cloudbuild", "v1")))
    path = "/v1/projects/p/locations/l/operations/o"
    asked = {
        host: [one.method.api for one in catalog.route("GET", path, host)]
        for host in ("127.0.0.1", "cloudbuild.googleapis.com")
    }
    assert asked == {
        "127.0.0.1": ["artifactregistry", "cloudbuild"],
        "cloudbuild.googleapis.com": ["cloudbuild"],
    }


@pytest.mark.parametrize(
    ("host", "api"),
    [
        ("europe-west9-run.googleapis.com", "run"),
        ("run.europe-west9.rep.googleapis.com", "run"),
        ("storage.googleapis.com", "storage"),
        ("www.googleapis.com", ""),
        ("127.0.0.1", ""),
    ],
)
def test_hosts_name_their_api(host: str, api: str) -> None:
    """Regional hosts belong to the API they are regions of."""
    assert api_of_host(host) == api


def complaint(
    body: Any, api: str = "secretmanager", version: str = "v1", name: str = "projects.secrets.create"
) -> str:
    """What Google's front end would say about *body*."""
    with pytest.raises(ApiError) as raised:
        check_body(method(api, version, name), body)
    assert raised.value.status == 400
    return raised.value.message


def test_unknown_fields_are_refused_in_googles_words() -> None:
    """The message names the field and where it stands, in the spelling of the protocol buffers."""
    text = "Invalid JSON payload received. Unknown name \"automattic\" at 'secret.replication': Cannot find field."
    assert complaint({"replication": {"automattic": {}}}) == text
    sql = complaint({"settings": {"tierr": "x"}}, "sqladmin", "v1beta4", "instances.insert")
    assert (
        sql == "Invalid JSON payload received. Unknown name \"tierr\" at 'body.settings': Cannot find field."
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"labels": {"a": 1}}, "Invalid value at 'secret.labels[\"a\"]' (TYPE_STRING), 1"),
        (
            {"ttl": "5m"},
            "Invalid value at 'secret.ttl' (type.googleapis.com/google.protobuf.Duration), \"5m\"",
        ),
        ({"expireTime": "now"}, "Timestamp"),
        ({"topics": {}}, "Invalid value at 'secret.topics' (list)"),
        ({"versionAliases": {"a": "x"}}, "TYPE_INT64"),
    ],
)
def test_wrong_types_are_refused(body: dict[str, Any], said: str) -> None:
    """Each kind of value is held against its type."""
    assert said in complaint(body)


def test_output_only_fields_are_dropped_in_silence() -> None:
    """gcloud sends back what it has read; Google ignores what is the server's to say."""
    sent = {"name": "projects/p/secrets/s", "createTime": "2026-01-01T00:00:00Z", "labels": {"a": "b"}}
    kept = check_body(method("secretmanager", "v1", "projects.secrets.patch"), sent)
    assert "createTime" not in kept
    assert kept["labels"] == {"a": "b"}


def test_both_spellings_and_enum_forms_are_taken() -> None:
    """snake_case names, enum numbers and enums in other letters arrive as the document has them."""
    repository = method("artifactregistry", "v1", "projects.locations.repositories.create")
    assert check_body(repository, {"cleanup_policy_dry_run": True, "format": "docker", "mode": 1}) == {
        "cleanupPolicyDryRun": True,
        "format": "DOCKER",
        "mode": "STANDARD_REPOSITORY",
    }


def test_null_deletes_for_storage_and_is_nothing_elsewhere() -> None:
    """Only Cloud Storage gives null a meaning."""
    bucket = method("storage", "v1", "buckets.patch")
    assert check_body(bucket, {"lifecycle": None, "labels": {"a": None}}) == {
        "lifecycle": None,
        "labels": {"a": None},
    }
    assert check_body(method("secretmanager", "v1", "projects.secrets.create"), {"labels": None}) == {}


def test_unknown_parameters_are_refused() -> None:
    """A query parameter that the document does not know is a 400; the global ones are known."""
    document, found = load("secretmanager", "v1"), method("secretmanager", "v1", "projects.secrets.list")
    path = {"parent": "projects/p"}
    params = check_parameters(document, found, path, [("pageSize", "3"), ("$alt", "json;enum-encoding=int")])
    assert params["pageSize"] == 3
    with pytest.raises(ApiError, match="Field 'pagesizes' could not be found in request message"):
        check_parameters(document, found, path, [("pagesizes", "3")])


def test_our_own_answers_are_held_against_the_document() -> None:
    """An answer with a field or type that Google does not have is found."""
    found = method("secretmanager", "v1", "projects.secrets.get")
    assert check_answer(found, {"name": "x", "createTime": "2026-01-01T00:00:00.5Z"}) == []
    assert len(check_answer(found, {"nome": "x", "labels": "y"})) == 2


def test_enum_numbers_are_googles() -> None:
    """The numbers that Google's Python clients send mean the same names here."""
    lists: dict[frozenset[str], list[str]] = {}

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            schema = cast("dict[str, Any]", node)
            if "enum" in schema and "description" in schema and not schema.get("readOnly"):
                lists[frozenset(schema["enum"])] = schema["enum"]
            for below in schema.values():
                collect(below)

    for api, version in (("run", "v2"), ("secretmanager", "v1")):
        collect(load(api, version).schemas)
    seen = 0
    libraries: Any = (run_v2, secretmanager_v1)
    for module in (library.types for library in libraries):
        for one in cast("dict[str, Any]", vars(module)).values():
            for inner in [one, *vars(one).values()] if isinstance(one, type) else []:
                if isinstance(inner, type) and issubclass(inner, proto.Enum):
                    names = lists.get(frozenset(member.name for member in inner))
                    for member in inner if names else ():
                        assert enum_name(names or [], int(member)) == member.name
                        seen += 1
    assert seen > 30


def test_our_answers_are_held_to_the_spelling_of_answers() -> None:
    """What a request may be lenient about an answer may not: int64 are strings, enums exact, messages of their type."""
    instance = method("sqladmin", "v1", "instances.get")
    assert check_answer(instance, {"currentDiskSize": "10", "state": "RUNNABLE"}) == []
    for wrong in (
        {"currentDiskSize": 10},
        {"state": "runnable"},
        {"state": 1},
        {"settings": {"collation": 1}},
    ):
        assert check_answer(instance, wrong), wrong
    network = next(m for m in load("compute", "v1", ("networks",)).methods if m.method_id == "networks.get")
    assert check_answer(network, {"name": "default"}) == []
    assert check_answer(network, {"name": "Default"})
    job = "type.googleapis.com/google.cloud.run.v2.Job"
    operation = method("run", "v2", "projects.locations.operations.get")
    assert check_answer(operation, {"metadata": {"@type": job, "generation": "1"}}) == []
    assert check_answer(operation, {"metadata": {"@type": job, "colour": "red"}})


def test_errors_are_held_to_googles_envelope() -> None:
    """An error has a code that is its status, a message, and nothing that no API of Google's has."""
    good: dict[str, dict[str, Any]] = {"error": {"code": 404, "message": "no", "status": "NOT_FOUND"}}
    assert misfit(None, 404, good) == []
    wrong: dict[str, Any] = {"code": 400, "message": None, "status": "LOST", "colour": "red", "details": [{}]}
    for name, value in wrong.items():
        assert misfit(None, 404, {"error": {**good["error"], name: value}}), name
