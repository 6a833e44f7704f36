"""Cloud Run's template with one container, flat and back; what others put there stays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.gcp.containers import ENV, FILES, LEFT_OUT, PORTS, SOCKETS, flattened, write

IDS = ("acme-ml", "123456789012")
NAMES = st.text("ABCDEF_", min_size=1, max_size=6)
SECRETS = st.builds(
    "projects/acme-ml/secrets/{}/versions/{}".format, st.sampled_from("ab"), st.integers(1, 99)
)
VALUES = st.text(max_size=20) | SECRETS
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "serviceAccount": st.just("x@acme-ml.iam.gserviceaccount.com"),
        "executionEnvironment": st.just("EXECUTION_ENVIRONMENT_GEN2"),
        "timeout": st.just("300s"),
        "containers.image": st.just("host/server@sha256:1"),
        "containers.args": st.lists(st.text(max_size=5)),
        "containers.command": st.lists(st.text(max_size=5)),
        "containers.resources.limits.cpu": st.sampled_from(["1", "2", "0.5"]),
        "containers.resources.limits.memory": st.sampled_from(["512Mi", "1Gi"]),
        "containers.resources.cpuIdle": st.booleans(),
        "containers.resources.startupCpuBoost": st.booleans(),
        PORTS: st.lists(st.sampled_from(["h2c:8080", "http1:80"]), max_size=1),
        "containers.startupProbe.tcpSocket.port": st.integers(1, 9000),
        "containers.startupProbe.periodSeconds": st.integers(1, 9),
        "containers.startupProbe.failureThreshold": st.integers(1, 240),
        SOCKETS: st.lists(st.sampled_from(["p:r:a", "p:r:b"]), unique=True).map(sorted),
    },
)
ENVIRONMENTS = st.dictionaries(NAMES.map(ENV.__add__), VALUES, max_size=5)
MOUNTED = st.dictionaries(
    st.sampled_from([f"{FILES}/secrets/a/x.pem", f"{FILES}/secrets/b_c/y", f"{FILES}/secrets/d/z.txt"]),
    SECRETS,
)


def _template(*env: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"containers": [{"image": "i", "env": list(env)}], **more}


def _secret(name: str, secret: str, version: str = "1") -> dict[str, Any]:
    return {"name": name, "valueSource": {"secretKeyRef": {"secret": secret, "version": version}}}


@given(BODIES, ENVIRONMENTS, MOUNTED)
def test_what_is_written_is_what_is_read(
    body: dict[str, Any], environment: dict[str, str], files: dict[str, str]
) -> None:
    """Every field that a spec can set is observed as it was set: no permadiff."""
    wanted = {**body, **environment, **files}
    template: dict[str, Any] = {}
    write(template, wanted, wanted)
    found = flattened(template, IDS)
    assert {field: found.get(field) for field in wanted} == wanted


@given(BODIES, ENVIRONMENTS)
def test_writing_what_is_there_changes_nothing(body: dict[str, Any], environment: dict[str, str]) -> None:
    """A second write of the same finds the same."""
    wanted = {**body, **environment}
    template: dict[str, Any] = {}
    write(template, wanted, wanted)
    before = flattened(template, IDS)
    write(template, wanted, wanted)
    assert flattened(template, IDS) == before


def test_other_peoples_variables_stay() -> None:
    """Setting one variable, and removing another, leaves a third as it was, secret or not."""
    theirs = _secret("THEIRS", "projects/other/secrets/x")
    template = _template({"name": "OURS", "value": "1"}, {"name": "OLD", "value": "2"}, theirs)
    write(template, {f"{ENV}OURS": "3"}, [f"{ENV}OURS", f"{ENV}OLD"])
    assert template["containers"][0]["env"] == [{"name": "OURS", "value": "3"}, theirs]


def test_other_peoples_volumes_and_mounts_stay() -> None:
    """Our sockets come beside a volume that somebody else mounts."""
    theirs = {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}
    template = _template(volumes=[theirs])
    template["containers"][0]["volumeMounts"] = [{"name": "scratch", "mountPath": "/scratch"}]
    write(template, {SOCKETS: ["p:r:i"]}, [SOCKETS])
    assert template["volumes"] == [theirs, {"name": "cloudsql", "cloudSqlInstance": {"instances": ["p:r:i"]}}]
    assert [mount["mountPath"] for mount in template["containers"][0]["volumeMounts"]] == [
        "/scratch",
        "/cloudsql",
    ]


def test_sockets_that_are_not_wanted_go_with_their_mount() -> None:
    """No volume without a mount is left, and no mount without a volume."""
    template = _template()
    write(template, {SOCKETS: ["p:r:i"]}, [SOCKETS])
    write(template, {SOCKETS: None}, [SOCKETS])
    assert (template["volumes"], template["containers"][0]["volumeMounts"]) == ([], [])


def test_sockets_under_another_name_are_recognised() -> None:
    """What counts is what is mounted at /cloudsql, not what the volume is called."""
    template = _template(volumes=[{"name": "db", "cloudSqlInstance": {"instances": ["b", "a"]}}])
    template["containers"][0]["volumeMounts"] = [{"name": "db", "mountPath": "/cloudsql"}]
    assert flattened(template, IDS)[SOCKETS] == ["a", "b"]


def test_sockets_that_are_not_mounted_do_not_count() -> None:
    """A volume that no container sees connects nothing."""
    template = _template(volumes=[{"name": "cloudsql", "cloudSqlInstance": {"instances": ["a"]}}])
    assert flattened(template, IDS)[SOCKETS] == []


def test_other_fields_and_containers_stay() -> None:
    """A sidecar, an annotation, a node selector: none of ours, none touched."""
    sidecar = {"name": "agent", "image": "theirs"}
    template = _template(annotations={"a": "b"}, containers=[{"image": "i", "workingDir": "/w"}, sidecar])
    write(template, {"containers.image": "j", "timeout": "9s"}, ["containers.image", "timeout"])
    assert template == {
        "containers": [{"image": "j", "workingDir": "/w"}, sidecar], "annotations": {"a": "b"}, "timeout": "9s",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("secret", "version", "read"),
    [
        ("projects/acme-ml/secrets/s", "3", "projects/acme-ml/secrets/s/versions/3"),
        ("projects/123456789012/secrets/s", "3", "projects/acme-ml/secrets/s/versions/3"),
        ("s", "3", "projects/acme-ml/secrets/s/versions/3"),
        ("s", "latest", "projects/acme-ml/secrets/s/versions/latest"),
        ("projects/other/secrets/s", "3", "projects/other/secrets/s/versions/3"),
    ],
)
def test_a_secret_is_named_alike_however_google_spells_it(secret: str, version: str, read: str) -> None:
    """By id, by number, by short name: one spelling; another project's secret stays another's."""
    assert flattened(_template(_secret("P", secret, version)), IDS)[f"{ENV}P"] == read


def test_a_value_that_only_looks_like_a_secret_is_a_value() -> None:
    """A reference is a whole name of a version, nothing more and nothing less."""
    template = _template()
    write(template, {f"{ENV}A": "see projects/p/secrets/s/versions/1"}, [f"{ENV}A"])
    assert template["containers"][0]["env"] == [{"name": "A", "value": "see projects/p/secrets/s/versions/1"}]


BARE: list[dict[str, Any]] = [{}, {"containers": []}, {"containers": [{}]}]


@pytest.mark.parametrize("template", BARE)
def test_an_empty_template_has_empty_fields(template: dict[str, Any]) -> None:
    """Absent booleans are false, absent lists empty, absent values not set."""
    found = flattened(template, IDS)
    assert (found["containers.resources.cpuIdle"], found["containers.args"]) == (False, [])
    assert found["containers.image"] is None


def test_a_variable_without_a_value_is_empty() -> None:
    """Google leaves an empty string out."""
    assert flattened(_template({"name": "A"}), IDS)[f"{ENV}A"] == ""


def test_a_file_that_is_no_longer_wanted_goes_and_others_volumes_stay() -> None:
    """The sockets' volume and somebody else's are as they were; the version of the other file changes in place."""
    template: dict[str, Any] = {"volumes": [{"name": "scratch", "emptyDir": {}}], "containers": [{"volumeMounts": [
        {"name": "scratch", "mountPath": "/scratch"}]}]}  # fmt: skip
    first = {
        SOCKETS: ["p:r:a"],
        f"{FILES}/secrets/a/x": "projects/acme-ml/secrets/s/versions/1",
        f"{FILES}/secrets/b/y": "projects/acme-ml/secrets/s/versions/1",
    }
    write(template, first, first)
    second = {f"{FILES}/secrets/a/x": "projects/acme-ml/secrets/s/versions/2", f"{FILES}/secrets/b/y": None}
    write(template, second, second)
    found = {
        key: value for key, value in flattened(template, IDS).items() if key.startswith((FILES, SOCKETS))
    }
    assert found == {
        SOCKETS: ["p:r:a"],
        f"{FILES}/secrets/a/x": "projects/acme-ml/secrets/s/versions/2",
    }
    assert {"name": "scratch", "emptyDir": {}} in template["volumes"]
    assert len(template["volumes"]) == len(template["containers"][0]["volumeMounts"]) == 3


def test_a_secrets_volume_without_items_shows_the_newest_version() -> None:
    """As Cloud Run mounts it where somebody made it by hand."""
    template = _template(volumes=[{"name": "v", "secret": {"secret": "projects/123456789012/secrets/s"}}])
    template["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": "/secrets/a"}]
    assert flattened(template, IDS)[f"{FILES}/secrets/a/s"] == "projects/acme-ml/secrets/s/versions/latest"


def test_a_probe_asks_in_one_way() -> None:
    """Cloud Run refuses two: what somebody else's asked by goes when ours is set."""
    template = {"containers": [{"startupProbe": {"httpGet": {"path": "/health"}, "periodSeconds": 9}}]}
    write(
        template, {"containers.startupProbe.tcpSocket.port": 80}, ["containers.startupProbe.tcpSocket.port"]
    )
    assert template["containers"][0]["startupProbe"] == {"tcpSocket": {"port": 80}, "periodSeconds": 9}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_the_image_does_without_is_seen_and_taken_away(name: str) -> None:
    """Meant for another image, it would end this one, or keep it from starting."""
    template = _template() | {"containers": [{"image": "i", name: "theirs"}]}
    field = f"containers.{name}"
    assert flattened(template, IDS)[field] == "theirs"
    write(template, {field: None}, [field])
    assert template["containers"] == [{"image": "i"}]


def test_the_container_that_takes_the_requests_is_ours() -> None:
    """One that stands before it has no port, and stays."""
    beside: dict[str, Any] = {"image": "proxy"}
    template = {"containers": [beside, {"image": "old", "ports": [{"containerPort": 80}]}]}
    assert flattened(template, IDS)["containers.image"] == "old"
    write(template, {"containers.image": "new"}, ["containers.image"])
    assert [one["image"] for one in template["containers"]] == ["proxy", "new"]
