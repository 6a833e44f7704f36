"""`vpcAccess` of a Cloud Run template, flat and back: the way of its containers into a VPC network."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from reconciler.gcp import fields as flat
from reconciler.model import Json

PREFIX = "vpcAccess."
CONNECTOR, EGRESS, INTERFACE = f"{PREFIX}connector", f"{PREFIX}egress", f"{PREFIX}networkInterfaces"
NOWHERE: dict[str, Json] = {CONNECTOR: None, EGRESS: None, INTERFACE: None}


def flattened(template: Mapping[str, Any], region: str, project_ids: Collection[str]) -> dict[str, Json]:
    """Connector, egress and the one interface's subnet, as full names by project id; None where there is none.

    *project_ids* are the project's id first and its number: Google names things by either.
    """
    access: dict[str, Any] = template.get("vpcAccess") or {}
    home = next(iter(project_ids))
    connector = access.get("connector")
    subnets = [
        _full(one.get("subnetwork") or one.get("network"), f"regions/{region}/subnetworks", home, project_ids)
        for one in flat.items(access, "networkInterfaces")
    ]
    return {
        CONNECTOR: _full(connector, f"locations/{region}/connectors", home, project_ids)
        if connector
        else None,
        EGRESS: access.get("egress"),
        INTERFACE: subnets[0] if subnets else None,
    }


def write(template: dict[str, Any], body: Mapping[str, Any], fields: Iterable[str]) -> None:
    """Set those of *fields* that are about it in *template*, in place; without a way there is no `vpcAccess`."""
    chosen = {field.removeprefix(PREFIX): body.get(field) for field in fields if field.startswith(PREFIX)}
    if not chosen:
        return
    access: dict[str, Any] = template.get("vpcAccess") or {}
    for field, value in chosen.items():
        if value is None:
            access.pop(field, None)
        elif field == "networkInterfaces":
            tags = [one["tags"] for one in flat.items(access, field) if one.get("tags")]
            access[field] = [{"subnetwork": value, **({"tags": tags[0]} if tags else {})}]
        else:
            access[field] = value
    if access.get("connector") or access.get("networkInterfaces"):
        template["vpcAccess"] = access
    else:
        template.pop("vpcAccess", None)


def relative(link: str) -> str:
    """ "projects/P/…" of a full or a relative link."""
    return f"projects/{link.rpartition('projects/')[2]}" if "projects/" in link else link


def _full(reference: Any, collection: str, home: str, project_ids: Collection[str]) -> str:
    text = str(reference or "")
    if "projects/" not in text:
        return f"projects/{home}/{collection}/{text.rpartition('/')[2]}"
    _, project, rest = relative(text).split("/", 2)
    return f"projects/{home if project in project_ids else project}/{rest}"
