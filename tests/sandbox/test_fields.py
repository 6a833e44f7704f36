"""The table of required and of fixed fields: it speaks of fields that there are, and the sandbox keeps to it."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.sandbox.errors import ApiError
from reconciler.sandbox.web import field_table
from reconciler.sandbox.web.discovery import load
from reconciler.sandbox.web.fields import changeable, check_change, check_required
from tests.sandbox.calls import Cloud
from tests.sandbox.services.networked import make_network

VERSIONS = {
    "artifactregistry": "v1", "cloudbuild": "v1", "compute": "v1", "iam": "v1", "monitoring": "v3",
    "secretmanager": "v1", "sqladmin": "v1", "storage": "v1", "vpcaccess": "v1",
}  # fmt: skip
NETWORKS = ("networks", "subnetworks")
"""The part of Compute Engine's document that is read."""
LINES = (*field_table.FIXED, *field_table.OPEN)


@pytest.mark.parametrize("line", field_table.REQUIRED, ids=lambda line: f"{line.method} {line.field}")
def test_a_required_field_is_one_of_its_methods_body(line: field_table.Required) -> None:
    """The method takes such a field, a body without it is refused in the line's words, and the line has a source."""
    api, _, method_id = line.method.partition(".")
    method = next(one for one in load(api, VERSIONS[api], NETWORKS).methods if one.method_id == method_id)
    schema = method.schemas[method.request]
    for name in line.field.split("."):
        schema = schema["properties"][name]
        schema = method.schemas[schema["$ref"]] if "$ref" in schema else schema
    others = [one for one in field_table.REQUIRED if one.method == line.method and one is not line]
    body: dict[str, Any] = {one.field: "there" for one in others} | {"description": "there"}
    with pytest.raises(ApiError) as refused:
        check_required(method, body | ({"name": "there"} if line.field != "name" else {}))
    assert (refused.value.message, bool(line.source)) == (line.message, True)


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.schema} {line.fields}")
def test_a_line_speaks_of_fields_that_there_are(line: field_table.Fixed | field_table.Open) -> None:
    """Google's document has each field under that schema, and the line has a source."""
    api, _, schema = line.schema.partition(".")
    known = load(api, VERSIONS[api], NETWORKS).schemas[schema]["properties"]
    assert [name for name in line.fields.split() if name not in known] == []
    assert line.source


@pytest.mark.parametrize("line", field_table.FIXED, ids=lambda line: f"{line.schema} {line.fields}")
def test_a_fixed_field_can_stay_but_not_change(line: field_table.Fixed) -> None:
    """Sent as it is, it is no change; sent otherwise, it is refused in its API's words."""
    for name in line.fields.split():
        assert not changeable(line.schema, name)
        check_change(line.schema, {name: "old"}, {name: "old"})
        with pytest.raises(ApiError) as refused:
            check_change(line.schema, {name: "old"}, {name: "new"})
        assert refused.value.status == 400


def test_a_schema_with_open_fields_has_no_others(cloud: Cloud) -> None:
    """What the table does not open cannot be changed, and Compute Engine names it in brackets."""
    cloud.enable("compute")
    make_network(cloud, "one")
    path = "/compute/v1/projects/{P}/global/networks/one"
    refused = cloud.call("PATCH", path, {"description": "new"})
    assert refused.status == 400
    assert "cannot be modified: [description]" in refused.error["message"]
    assert cloud.call("PATCH", path, {"autoCreateSubnetworks": False}).status == 200


@pytest.mark.parametrize(
    ("body", "missing"),
    [({}, "resource"), ({"description": "x"}, "resource.name")],
    ids=["empty", "without name"],
)
def test_compute_engine_requires_what_its_document_annotates(cloud: Cloud, body: Any, missing: str) -> None:
    """An empty body is no resource; a field that is missing is named."""
    cloud.enable("compute")
    refused = cloud.post("/compute/v1/projects/{P}/global/networks", body)
    assert refused.error["message"] == f"Required field '{missing}' not specified"
    assert refused.error["errors"][0]["reason"] == "required"
