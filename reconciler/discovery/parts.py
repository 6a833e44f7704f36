"""The parts of a deployment that somebody made, as Google Cloud shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.discovery.clues import Clues
from reconciler.gcp import containers

Json = Mapping[str, Any]
EVERYBODY = "allUsers"


@dataclass(frozen=True, slots=True)
class Parts:
    """*service* is Cloud Run's v2 JSON, *instance* Cloud SQL's, *bucket* Cloud Storage's.

    *invokers* and *accessors* are the members who may call it, and who get past Identity-Aware Proxy. *shared* says
    that the bucket holds other things beside the folder. *ranges* are those of the network's peering.
    *how* says of database, user, instance and bucket how each was found.
    """

    project: str
    number: str
    service: Json
    instance: Json
    database: str
    user: str
    bucket: Json
    folder: str
    shared: bool
    invokers: tuple[str, ...]
    accessors: tuple[str, ...]
    ranges: tuple[str, ...]
    clues: Clues
    how: Mapping[str, str]

    @property
    def ids(self) -> tuple[str, str]:
        """The project as Google names it."""
        return self.project, self.number

    @property
    def name(self) -> str:
        """The service's."""
        return str(self.service["name"]).rpartition("/")[2]

    @property
    def region(self) -> str:
        """The service's."""
        return str(self.service["name"]).split("/")[3]

    @property
    def template(self) -> Json:
        """The service's newest configuration."""
        return self.service.get("template") or {}

    @property
    def container(self) -> Json:
        """The one that takes the requests."""
        return containers.serving(self.template)

    @property
    def open(self) -> bool:
        """Whether Cloud Run lets everybody in."""
        return EVERYBODY in self.invokers or bool(self.service.get("invokerIamDisabled"))

    @property
    def settings(self) -> Json:
        """The instance's."""
        return self.instance.get("settings") or {}
