"""A project in a sandbox, and people in it with roles of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.sandbox import acting
from tests.sandbox.calls import Cloud
from tests.scenarios.command import ROOT, Bench, Ended

QUICKSTART = (ROOT / "specs" / "quickstart.yaml").read_text()
ALL = (
    "artifactregistry", "cloudbuild", "cloudresourcemanager", "compute", "iam", "iamcredentials", "logging", "run",
    "secretmanager", "sql-component", "sqladmin",
)  # fmt: skip
"""The APIs that a deployment enables, as far as a project has not all of them at birth."""


@dataclass
class Place:
    """A project of *bench*'s sandbox with a spec for it in *spec*."""

    bench: Bench
    project: str
    spec: Path
    tokens: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def made(cls, bench: Bench, folder: Path, project: str, name: str) -> Place:
        """A new project in which nothing is enabled."""
        spec = folder / f"{project}.yaml"
        text = QUICKSTART.replace("mlflow-sandbox", project).replace("mlflow-quickstart", name)
        spec.write_text(text)
        place = cls(bench, project, spec)
        place.owner.ok("POST", "/sandbox/v1/projects", {"projectId": project})
        return place

    @property
    def owner(self) -> Cloud:
        """The project as its owner sees it."""
        return Cloud(urlsplit(self.bench.endpoint).port or 0, self.project)

    def enable(self, apis: Sequence[str] = ALL) -> None:
        """Enable *apis*."""
        self.owner.enable(*apis)

    def switched_off(self, api: str) -> None:
        """Disable *api*."""
        service = f"/v1/projects/{{P}}/services/{api}.googleapis.com:disable"
        self.owner.wait(self.owner.ok("POST", service, {}))

    def grant(self, member: str, given: Iterable[str]) -> None:
        """Let *member* have exactly the roles *given* in the project."""
        policy = self.owner.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
        for binding in policy["bindings"]:
            binding["members"] = [one for one in binding["members"] if one != member]
        policy["bindings"] = [one for one in policy["bindings"] if one["members"]]
        policy["bindings"] += [{"role": role, "members": [member]} for role in given]
        self.owner.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": policy})

    def run(self, *arguments: str, member: str = "", timeout: float = 300) -> Ended:
        """Run `mlflow-reconcile` on the sandbox, as *member* (without one: as the owner)."""
        env = {"MLFLOW_RECONCILE_ENDPOINT": self.bench.endpoint}
        if member:
            env["MLFLOW_RECONCILE_ACCESS_TOKEN"] = self._token(member)
        return self.bench.run(*arguments, env=env, timeout=timeout)

    def _token(self, member: str) -> str:
        if member not in self.tokens:
            self.tokens[member] = acting.token(member, self.bench.home)
        return self.tokens[member]

    def asked(self, member: str) -> frozenset[str]:
        """The permissions that *member* was held against so far."""
        return frozenset(
            one["permission"] for one in acting.asked(self.bench.home) if one["member"] == member
        )

    def refused(self, member: str) -> frozenset[str]:
        """Those among them that *member* did not hold."""
        return frozenset(
            one["permission"]
            for one in acting.asked(self.bench.home)
            if one["member"] == member and not one["granted"]
        )

    def contents(self) -> list[str]:
        """What was made in the project, by name."""
        paths = {
            "/v1/projects/{P}/serviceAccounts": ("accounts", "email"),
            "/storage/v1/b?project={P}": ("items", "name"),
            "/v1/projects/{P}/secrets": ("secrets", "name"),
            "/v1/projects/{P}/instances": ("items", "name"),
            "/v1/projects/{P}/locations/europe-west1/repositories": ("repositories", "name"),
            "/v2/projects/{P}/locations/europe-west1/services": ("services", "name"),
        }
        return [
            str(one[name])
            for path, (key, name) in paths.items()
            for one in self.owner.ok("GET", path).get(key, [])
            if "compute@developer" not in str(one[name])
        ]
