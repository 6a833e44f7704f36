"""Plain HTTP calls to a sandbox, for tests that look at statuses and bodies."""

from __future__ import annotations

import http.client
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import google_crc32c

NUMBERS = itertools.count(1)
APIS = (
    "artifactregistry", "cloudresourcemanager", "iam", "iamcredentials", "run", "secretmanager", "sqladmin",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer: *status*, *headers* with lower-case names, and the raw *body*."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The `error` of the body."""
        return cast("dict[str, Any]", self.json["error"])


@dataclass(frozen=True, slots=True)
class Cloud:
    """A sandbox seen by one caller (the operator, or the bearer of *token*), with one *project* to work in."""

    port: int
    project: str = ""
    number: str = ""
    token: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """One request; *body* goes as JSON, *raw* as it is. P stands for the project in *path*."""
        sent = {**self.headers, **(headers or {})}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path.replace("{P}", self.project), content, sent)
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answered(answer.status, named, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **options: Any) -> Answered:
        """GET."""
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answered:
        """POST."""
        return self.call("POST", path, body if body is not None or "raw" in options else {}, **options)

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer that must be a 200."""
        answered = self.call(method, path, body)
        assert answered.status == 200, answered.body
        return answered.json

    def enable(self, *apis: str) -> None:
        """Enable APIs ("run", "secretmanager") and wait for the operation."""
        services = [f"{api}.googleapis.com" for api in apis]
        done = self.ok("POST", "/v1/projects/{P}/services:batchEnable", {"serviceIds": services})
        self.wait(done)

    def wait(self, operation: Mapping[str, Any]) -> dict[str, Any]:
        """The operation once it is done."""
        current = dict(operation)
        while not current.get("done"):
            current = self.ok("GET", f"/v1/{operation['name']}")
        return current

    def account(self, name: str) -> str:
        """The e-mail of a new service account."""
        return self.ok("POST", "/v1/projects/{P}/serviceAccounts", {"accountId": name})["email"]

    def bearer(self, email: str) -> Cloud:
        """The same sandbox, seen by a service account."""
        path = f"/v1/projects/-/serviceAccounts/{email}:generateAccessToken"
        scope = ["https://www.googleapis.com/auth/cloud-platform"]
        token = self.ok("POST", path, {"scope": scope})["accessToken"]
        return Cloud(self.port, self.project, self.number, token)


def new_project(port: int, *apis: str, project: str = "") -> Cloud:
    """A project of a test's own (or *project*, made where it is missing) in a sandbox, with *apis* enabled."""
    cloud = Cloud(port)
    project = project or f"test-project-{next(NUMBERS)}"
    made = cloud.ok("POST", "/sandbox/v1/projects", {"projectId": project})
    own = Cloud(port, project, made["projectNumber"])
    if apis:
        own.enable(*apis)
    return own


def crc32c(data: bytes) -> int:
    """Castagnoli's checksum."""
    library: Any = google_crc32c
    return int(library.value(data))
