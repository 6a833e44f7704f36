"""Projects: id, number, and which APIs are enabled in them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.sandbox.store import Body, Exists, Store

KIND: Final = "project"
ENABLED: Final = "serviceusage.enabled"
PROJECT_ID: Final = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")

INITIAL_SERVICES: Final = (
    # What Google's documentation lists as enabled in a new project (Service Usage, "Services enabled by default"),
    # without sql-component: projects where it was missing are on record, so nobody may count on it.
    "analyticshub.googleapis.com",
    "bigquery.googleapis.com",
    "bigqueryconnection.googleapis.com",
    "bigquerydatapolicy.googleapis.com",
    "bigquerymigration.googleapis.com",
    "bigqueryreservation.googleapis.com",
    "bigquerystorage.googleapis.com",
    "cloudapis.googleapis.com",
    "cloudtrace.googleapis.com",
    "dataform.googleapis.com",
    "dataplex.googleapis.com",
    "datastore.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "servicemanagement.googleapis.com",
    "serviceusage.googleapis.com",
    "storage-api.googleapis.com",
    "storage-component.googleapis.com",
    "storage.googleapis.com",
    "telemetry.googleapis.com",
)


@dataclass(frozen=True)
class Project:
    """One project. *number* is a string of 12 digits; times are RFC 3339."""

    project_id: str
    number: str
    created: str
    updated: str
    name: str
    """What a person reads; the id where nobody chose one."""
    labels: Mapping[str, str]
    parent: Mapping[str, str]
    """{"type": "folder" or "organization", "id"}, or nothing."""
    deleted_at: str = ""

    @property
    def deleted(self) -> bool:
        """Whether it is to be deleted in 30 days, and of no use meanwhile."""
        return bool(self.deleted_at)

    @property
    def compute_account(self) -> str:
        """The e-mail of the default compute service account, which Cloud Run falls back to."""
        return f"{self.number}-compute@developer.gserviceaccount.com"


class Projects:
    """The projects of this sandbox."""

    def __init__(self, store: Store, now: Callable[[], str]) -> None:
        self._store = store
        self._now = now

    def create(self, project_id: str) -> Project:
        """Make the project with the APIs a new project has; the existing one where there is one.

        Raises ValueError for an id that Google would refuse.
        """
        if PROJECT_ID.fullmatch(project_id) is None:
            raise ValueError(
                f"{project_id!r} is no project id: 6 to 30 lowercase letters, digits and hyphens, a letter first"
            )
        number = number_of(project_id)
        body: Body = {"projectId": project_id, "number": number, "created": self._now()}
        with self._store.transaction():
            try:
                self._store.create(KIND, project_id, body)
            except Exists:
                body = self._store.get(KIND, project_id) or body
            else:
                for service in INITIAL_SERVICES:
                    self._store.put(ENABLED, f"{project_id}/{service}", {})
        return _project(body)

    def get(self, id_or_number: str) -> Project | None:
        """The project by id or number, or None where there is none that can be used."""
        project = self.find(id_or_number)
        return None if project is None or project.deleted else project

    def find(self, id_or_number: str) -> Project | None:
        """The project by id or number, deleted or not; or None."""
        body = self._store.get(KIND, id_or_number)
        if body is None and id_or_number.isdigit():
            body = next((one for _, one in self._store.list(KIND) if one["number"] == id_or_number), None)
        return None if body is None else _project(body)

    def list(self, *, deleted: bool = False) -> list[Project]:
        """All of them, by id; those that were deleted where they are asked for."""
        found = (_project(body) for _, body in self._store.list(KIND))
        return [one for one in found if deleted or not one.deleted]

    def change(self, project_id: str, fields: Mapping[str, Any]) -> Project:
        """Set "name", "labels", "parent", "updated" or "deleted" (a time, or "")."""
        return _project(self._store.update(KIND, project_id, lambda old: {**old, **fields}))

    def enabled(self, project_id: str, service: str) -> bool:
        """Whether *service* ("run.googleapis.com") is enabled."""
        return self._store.get(ENABLED, f"{project_id}/{service}") is not None

    def usable(self, project_id: str, service: str, lag: float, now: datetime) -> bool:
        """Whether *service* is enabled and, where this was done since, *lag* seconds have passed."""
        found = self._store.get(ENABLED, f"{project_id}/{service}")
        if found is None or not lag or not found.get("since"):
            return found is not None
        return datetime.fromisoformat(found["since"]) + timedelta(seconds=lag) <= now

    def enabled_services(self, project_id: str) -> list[str]:
        """The enabled services, by name."""
        return [name.partition("/")[2] for name, _ in self._store.list(ENABLED, f"{project_id}/")]

    def enable(self, project_id: str, services: Iterable[str]) -> None:
        """Enable *services*; those already enabled stay so."""
        with self._store.transaction():
            for service in services:
                if not self.enabled(project_id, service):
                    self._store.put(ENABLED, f"{project_id}/{service}", {"since": self._now()})

    def disable(self, project_id: str, service: str) -> None:
        """Disable an enabled service; raises store.Missing where it is not."""
        self._store.delete(ENABLED, f"{project_id}/{service}")


def number_of(project_id: str) -> str:
    """The project's number: 12 digits, derived from the id so that it survives a reset."""
    digest = hashlib.sha256(project_id.encode()).digest()
    return str(100_000_000_000 + int.from_bytes(digest[:8], "big") % 900_000_000_000)


def _project(body: Body) -> Project:
    return Project(
        project_id=body["projectId"],
        number=body["number"],
        created=body["created"],
        updated=body.get("updated", body["created"]),
        name=body.get("name") or body["projectId"],
        labels=body.get("labels", {}),
        parent=body.get("parent", {}),
        deleted_at=body.get("deleted", ""),
    )
