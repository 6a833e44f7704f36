"""The schema is the contract: complete, valid, the only home of defaults, and in step with the types."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from reconciler.server.reserved import DERIVED
from reconciler.spec import deployment as types
from reconciler.spec.finding import Finding, Path, dotted
from reconciler.spec.schema import at, load_schema, sections

Check = Callable[[str], list[Finding]]

SCHEMA = load_schema()
KEYS = {dotted(path): inner for path, inner in sections(SCHEMA)}
NOT_IN_THE_FILE = {"file", "origins"}


def fields(kind: Any, path: Path = ()) -> dict[str, Any]:
    """Dotted field names of a dataclass and those inside it, with their types."""
    found: dict[str, Any] = {}
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if path or field.name not in NOT_IN_THE_FILE:
            here = (*path, field.name)
            found[dotted(here)] = hints[field.name]
            if dataclasses.is_dataclass(hints[field.name]):
                found.update(fields(hints[field.name], here))
    return found


FIELDS = fields(types.Deployment)


def test_the_schema_is_a_schema() -> None:
    """It is valid JSON Schema of the 2020-12 draft."""
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_schema_and_types_have_the_same_keys_in_the_same_order() -> None:
    """Key by key, whatever the depth: an editor, the loader and the code see the same spec."""
    assert list(KEYS) == list(FIELDS)


@pytest.mark.parametrize("key", list(KEYS))
def test_schema_and_types_agree_on_a_key(key: str) -> None:
    """A choice in the schema is the same choice in the type, and a number a number."""
    inner, kind = KEYS[key], FIELDS[key]
    if typing.get_origin(kind) is typing.Literal:
        assert list(typing.get_args(kind)) == inner["enum"]
        return
    expected: dict[Any, str] = {str: "string", int: "integer", bool: "boolean", tuple: "array"}
    kind = typing.get_origin(kind) or kind
    wanted = expected.get(kind, "object")
    assert wanted in (inner["type"] if isinstance(inner["type"], list) else [inner["type"]])


@pytest.mark.parametrize("key", list(KEYS))
def test_every_key_explains_itself(key: str) -> None:
    """Title, description, examples that are valid, and a valid default unless the key is required."""
    inner = KEYS[key]
    validator: Any = jsonschema.Draft202012Validator(inner)
    assert inner["title"]
    assert inner["description"].endswith(".")
    assert inner["examples"]
    for example in inner["examples"]:
        validator.validate(example)
    assert ("default" in inner) != (key in SCHEMA["required"])
    if "default" in inner:
        validator.validate(inner["default"])
    if "properties" in inner:
        assert inner["additionalProperties"] is False
    if "pattern" in inner:
        assert inner["patternErrorMessage"]
        assert inner["pattern"].startswith("^")
        assert inner["pattern"].endswith("$")


def test_no_default_lives_in_the_types() -> None:
    """A default that is not in the schema would be an opinion that nobody declared."""
    kinds = [kind for kind in vars(types).values() if dataclasses.is_dataclass(kind)]
    assert len(kinds) >= 11
    for kind in kinds:
        for field in dataclasses.fields(kind):
            assert field.default is dataclasses.MISSING
            assert field.default_factory is dataclasses.MISSING


def test_what_a_derived_variable_is_derived_from_exists() -> None:
    """The way out for a variable that is derived names a key of the spec."""
    assert set(DERIVED.values()) <= set(KEYS)


def test_the_longest_names_fit_into_google_clouds_limits() -> None:
    """Every name that grows from name, project and region is within its limit at the schema's own limits."""
    from reconciler.server.naming import Names

    name, project = (
        "n" * SCHEMA["properties"]["name"]["maxLength"],
        "p" * SCHEMA["properties"]["project"]["maxLength"],
    )
    longest = Names(project, "1" * 13, "northamerica-northeast1", name, "", name, "", "")
    assert len(longest.service_account.partition("@")[0]) <= 30
    assert len(longest.host.partition(".")[0]) <= 63
    assert len(longest.service.rpartition("/")[2]) <= 49
    assert len(longest.job.rpartition("/")[2]) <= 49
    assert len(longest.repository.rpartition("/")[2]) <= 63
    assert len(longest.build_bucket) <= 63
    assert len(f"{project}:{name}") <= 98
    assert len(f"/cloudsql/{longest.connection_name}/.s.PGSQL.5432") <= 107


FAULTS = [
    # text after the four lines, line, column, key, part of the message, part of the way out
    ("memroy: 1Gi\n", 5, 1, "memroy", "not a key", "did you mean memory?"),
    (
        "scaling: {minInstances: 1}\n",
        5,
        11,
        "scaling.minInstances",
        "not a key",
        "did you mean min_instances?",
    ),
    (
        "scaling: {max-instances: 1}\n",
        5,
        11,
        "scaling.max-instances",
        "not a key",
        "did you mean max_instances?",
    ),
    ("tier: db-f1-micro\n", 5, 1, "tier", "not a key", "did you mean database.tier?"),
    ("scaling: {zzzz: 1}\n", 5, 11, "scaling.zzzz", "not a key", "known here: min_instances"),
    ("auth: {mode: baisc}\n", 5, 14, "auth.mode", "not one of none, basic, mlflow", "did you mean basic?"),
    ("auth: {mode: sso}\n", 5, 14, "auth.mode", "not one of", "choose one of none, basic, mlflow"),
    ("database: {version: 9}\n", 5, 21, "database.version", "not one of 14", "choose one of"),
    ("memory: 2G\n", 5, 9, "memory", "whole number followed by Mi or Gi", '"2Gi"'),
    ("memory: 512 MB\n", 5, 9, "memory", "whole number followed by Mi or Gi", '"512Mi"'),
    ("memory: 512\n", 5, 9, "memory", "a number (512) where text", "512Mi"),
    ("memory: |\n  1Gi\n", 5, 9, "memory", "Mi or Gi", '"1Gi"'),
    ("cpu: 3\n", 5, 6, "cpu", "1, 2, 4, 6, 8", "for example"),
    ("cpu: 0.01\n", 5, 6, "cpu", "1, 2, 4, 6, 8", "for example"),
    ("cpu: true\n", 5, 6, "cpu", "a boolean (true)", "quote it"),
    ("scaling: {max_instances: 0}\n", 5, 26, "scaling.max_instances", "too small", "at least 1"),
    ("scaling: {timeout: 7200}\n", 5, 20, "scaling.timeout", "too large", "at most 3600"),
    ('scaling: {timeout: "60"}\n', 5, 20, "scaling.timeout", "text", "write 60, without quotes"),
    ("scaling: {timeout: 1.5}\n", 5, 20, "scaling.timeout", "a number (1.5) where a whole", "for example"),
    ('scaling: {startup_boost: "true"}\n', 5, 26, "scaling.startup_boost", "text", "write true, without"),
    (
        "auth: {invokers: ada@acme.example}\n",
        5,
        18,
        "auth.invokers",
        "a list belongs",
        '["ada@acme.example"]',
    ),
    ("auth: {invokers: [1]}\n", 5, 19, "auth.invokers.0", "a number (1) where text", "quote it"),
    (
        "auth: {mode: iam, invokers: [domain:b.io, domain:b.io]}\n",
        5,
        29,
        "auth.invokers",
        "same entry twice",
        "one",
    ),
    ("auth: {username: 'a:b'}\n", 5, 18, "auth.username", "no colon", '"a-b"'),
    ("auth: basic\n", 5, 7, "auth", "a section belongs", "mode, acknowledge_public"),
    ("auth: [basic]\n", 5, 7, "auth", "a list", "indented"),
    ("labels: {Team: x}\n", 5, 10, "labels.Team", "a label's key", "rename it"),
    ("labels: {team: ML Platform}\n", 5, 16, "labels.team", "a label's value", '"ml-platform"'),
    ("server: {env: {A-B: x}}\n", 5, 16, "server.env.A-B", "variable's name", "rename it"),
    ("server: {pool_overflow: 0}\n", 5, 25, "server.pool_overflow", "too small", "at least 1"),
    ("server: {version: latest}\n", 5, 19, "server.version", "three numbers", "3.17.2"),
    ("server: {version: v3.17.2}\n", 5, 19, "server.version", "three numbers", '"3.17.2"'),
    ("database: {backups: {start_time: '3:00'}}\n", 5, 34, "database.backups.start_time", "HH:MM", '"03:00"'),
    ("database: {tier: db-n1-standard-1}\n", 5, 18, "database.tier", "db-f1-micro", "for example"),
    ("artifacts: {bucket: gs://my-bucket}\n", 5, 21, "artifacts.bucket", "without gs://", '"my-bucket"'),
    ("artifacts: {folder: /mlflow/}\n", 5, 21, "artifacts.folder", "single slashes", '"mlflow"'),
    ("image: {digest: 'gcr.io/a/b:latest'}\n", 5, 17, "image.digest", "a tag", "for example"),
]


@pytest.mark.parametrize(("text", "line", "column", "key", "message", "way_out"), FAULTS)
def test_a_fault_is_one_finding_at_its_place(
    check_with: Check, text: str, line: int, column: int, key: str, message: str, way_out: str
) -> None:
    """One mistake is one finding: place, key, reason and the nearest valid key or value."""
    (found,) = check_with(text)
    assert (found.line, found.column, found.key, found.severity) == (line, column, key, "error")
    assert message in found.message
    assert way_out in found.way_out


HEAD_FAULTS = [
    ("version: 2", 1, 10, "version", "only 1 is", "write 1"),
    ("name: MLflow_Prod", 2, 7, "name", "lower-case letters", '"mlflow-prod"'),
    ("name: 1mlflow", 2, 7, "name", "a letter first", "for example"),
    ("name: ab", 2, 7, "name", "too short", "at least 3"),
    (f"name: {'a' * 25}", 2, 7, "name", "25 characters", "at most 24"),
    ("project: 123456789012", 3, 10, "project", "a number (123456789012)", "acme-ml"),
    ("project: Acme-ML", 3, 10, "project", "a project id", '"acme-ml"'),
    ("region: europe-west1-b", 4, 9, "region", "not a zone", '"europe-west1"'),
    ("region: EU", 4, 9, "region", "multi-region", "for example"),
    ("regoin: europe-west1", 4, 1, "regoin", "not a key", "did you mean region?"),
]


@pytest.mark.parametrize(("line_text", "line", "column", "key", "message", "way_out"), HEAD_FAULTS)
def test_a_fault_in_the_first_four_lines_is_one_finding(
    check_text: Check, line_text: str, line: int, column: int, key: str, message: str, way_out: str
) -> None:
    """The same for what every spec must say; a misspelt required key is not also reported as missing."""
    lines = ["version: 1", "name: mlflow-test", "project: acme-ml", "region: europe-west1"]
    lines[line - 1] = line_text
    (found,) = check_text("\n".join(lines))
    assert (found.line, found.column, found.key) == (line, column, key)
    assert message in found.message
    assert way_out in found.way_out


def test_a_missing_key_says_what_to_add(check_text: Check) -> None:
    """It is shown at the beginning of what it is missing from."""
    (found,) = check_text("version: 1\nname: mlflow-test\nproject: acme-ml\n")
    assert (found.line, found.column, found.key) == (1, 1, "region")
    assert found.way_out == "add region: europe-west1"


def test_everything_is_reported_at_once_and_once(check_text: Check) -> None:
    """Traps of YAML, faults of the schema and problems of the rules, in the file's order, one per mistake."""
    found = check_text(
        "version: 1\nname: M\nproject: acme-ml\nregion: europe-west1\n"
        "labels: {env: no, managed-by: me}\nmemory: 2G\nscaling: {min_instances: 5, max_instances: 2}\n"
        "auth: {mode: iam}\ndatabase: {teir: x, disk_gb: big}\n"
    )
    assert [finding.key for finding in found] == [
        *("name", "labels.env", "labels.managed-by", "memory", "scaling.min_instances", "auth.mode"),
        *("database.teir", "database.disk_gb"),
    ]
    assert [finding.line for finding in found] == sorted(finding.line for finding in found)


def test_findings_are_capped_and_counted(check_with: Check) -> None:
    """A file that is something else altogether does not fill the screen."""
    found = check_with("".join(f"key{number}: 1\n" for number in range(3000)))
    assert len(found) == 101
    assert found[-1].message == "2900 more findings follow"


def test_the_value_of_an_environment_variable_is_never_repeated(check_with: Check) -> None:
    """Somebody may have put a secret there: no finding may print it."""
    found = check_with(
        "server: {env: {A: 12345678, DB_PASSWORD: hunter2, PORT: hunter2, B: {hunter2: hunter2}, C: 0177}}\n"
    )
    assert [finding.key.rpartition(".")[2] for finding in found] == ["A", "DB_PASSWORD", "PORT", "B", "C"]
    text = "\n".join(map(str, found))
    assert "hunter2" not in text
    assert "12345678" not in text
    assert "0177" not in text


@pytest.mark.parametrize(
    ("text", "cpu"),
    [
        ("cpu: 2\n", "2"),
        ("cpu: 1.0\n", "1"),
        ("cpu: 0.5\nscaling: {concurrency: 1}\n", "0.5"),
        ('cpu: "4"\nmemory: 2Gi\n', "4"),
    ],
)
def test_cpu_has_one_form(load_with: Callable[[str], types.Deployment], text: str, cpu: str) -> None:
    """Number or text, whole or not: the deployment knows one spelling."""
    assert load_with(text).cpu == cpu


def test_a_number_is_a_whole_number_if_it_is_one(load_with: Callable[[str], types.Deployment]) -> None:
    """2.0 instances are 2, as an int."""
    most = load_with("scaling: {max_instances: 2.0}\n").scaling.max_instances
    assert (most, type(most)) == (2, int)


def test_defaults_fill_what_the_spec_leaves_out(load_with: Callable[[str], types.Deployment]) -> None:
    """Every default of the schema arrives, and says where it comes from."""
    deployment = load_with("database: {tier: db-g1-small}\n")
    for key, inner in KEYS.items():
        if "properties" in inner or key in SCHEMA["required"] or key == "database.tier":
            continue
        value: Any = deployment
        for part in key.split("."):
            value = getattr(value, part)
        assert value == (tuple(inner["default"]) if inner["type"] == "array" else inner["default"]), key
        assert str(deployment.origin(key)) == f"default of {key}"
    assert deployment.database.tier == "db-g1-small"
    assert deployment.origin("database.tier").line == 5


def test_origins_name_lines(load_with: Callable[[str], types.Deployment]) -> None:
    """Keys, entries of maps and items of lists know their line."""
    deployment = load_with("labels:\n  a: b\nauth:\n  mode: iam\n  invokers:\n    - user:a@b.example\n")
    lines = {
        key: deployment.origin(key).line for key in ("labels", "labels.a", "auth.mode", "auth.invokers.0")
    }
    assert lines == {"labels": 5, "labels.a": 6, "auth.mode": 8, "auth.invokers.0": 10}


def test_a_path_is_followed_through_lists_and_maps() -> None:
    """The schema of a list's item and of a map's value is found; of what is unknown there is none."""
    assert at(SCHEMA, ("auth", "invokers", 3))["title"] == "An IAM member"
    assert at(SCHEMA, ("labels", "team"))["title"] == "Value of a label"
    assert at(SCHEMA, ("nothing", "here")) == {}
    assert re.fullmatch(at(SCHEMA, ("memory",))["pattern"], "1Gi")
