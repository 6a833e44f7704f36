"""What is walked through: start states of a sandbox, kept as copies of its folder, and the one command from there."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.gcp.cloud import Cloud
from tests.laws.forks import Forks
from tests.sandbox.calls import new_project
from tests.scenarios.command import ROOT, Bench, Ended, free_port, plain_env
from tests.standin import deploy

PROJECT, NAME, REGION = "acme-ml", "mlflow-prod", "europe-west9"
TRAINER = "trainer"
"""The service account that specs/private.yaml lets in; it is somebody else's, and there."""
_HEAD = f"version: 1\nextends: prod.yaml\nname: {NAME}\nproject: {PROJECT}\nregion: {REGION}\n"
SPECS = {
    "open": "networking: {database_ip: public}\ndatabase: {deletion_protection: false}\n",
    "closed": "database: {deletion_protection: false}\n",
    "changed": """
memory: 4Gi
labels: {team: another}
scaling: {max_instances: 3, concurrency: 30}
lifecycle: {nearline_after_days: 40, delete_noncurrent_after_days: 20, soft_delete_days: 14}
database:
  tier: db-custom-4-15360
  disk_gb: 30
  flags: {log_min_duration_statement: "1000"}
  query_insights: true
monitoring: {emails: [somebody-else@acme.example]}
""",
    "tuned": """
networking: {database_ip: public}
lifecycle: {nearline_after_days: 40}
database: {deletion_protection: false, disk_gb: 30, flags: {log_min_duration_statement: "1000"}}
monitoring: {emails: [somebody-else@acme.example]}
""",
}


@dataclass(frozen=True, slots=True)
class Walk:
    """One *command* on the spec *spec*, from a project to which the spec *before* was applied ("" for none)."""

    name: str
    before: str
    spec: str
    command: tuple[str, ...] = ("apply", "--yes")
    settled: tuple[str, ...] = ("plan",)
    """What must find nothing left to do afterwards."""


_DESTROY = ("destroy", "--delete-data", "--confirm", NAME)
WALKS = (
    Walk("first", "", "prod"),
    Walk("update", "prod", "changed"),
    Walk("private-to-public", "closed", "open"),
    Walk("public-to-private", "open", "closed"),
    Walk("destroy", "closed", "closed", _DESTROY, ("destroy", "--delete-data", "--dry-run")),
)
SMALL = Walk("small", "open", "tuned")
"""An update without a new revision, which takes a second: for the tests that everybody runs."""


@dataclass(frozen=True, slots=True)
class Forked(Bench):
    """A bench whose commands are forked off, and deploy what its ground deploys."""

    forks: Forks = field(kw_only=True, repr=False)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 300) -> Ended:
        """Run `mlflow-reconcile` with *arguments*, without a terminal."""
        return self.forks.run(*arguments, env={**self.env, **(env or {})}).wait(timeout)


@dataclass(slots=True)
class Ground:
    """A folder with the specs and the start states that were made so far; the states are made when first needed."""

    folder: Path
    forks: Forks
    made: dict[str, Path] = field(default_factory=dict[str, Path])

    def __post_init__(self) -> None:
        for name in ("prod", "private"):
            shutil.copy(ROOT / "specs" / f"{name}.yaml", self.folder)
        for name, text in SPECS.items():
            self.spec(name).write_text(_HEAD + text)

    def spec(self, name: str) -> Path:
        """The file of a spec."""
        return self.folder / f"{name}.yaml"

    def state(self, before: str) -> Path:
        """The home of a sandbox that is stopped, in which *before* was applied."""
        if before not in self.made:
            with bench(self, self.state("") if before else None) as made:
                if before:
                    spec = str(self.spec(before))
                    applied = made.run("apply", "--sandbox", "--yes", spec, timeout=600)
                    assert applied.code == 0, applied.said
                else:
                    _prepare(made)
                made.run("sandbox", "stop")
                self.made[before] = _copy(made.home, self.folder / f"state-{before or 'prepared'}")
        return self.made[before]


@contextmanager
def ground(*, real: bool = False) -> Generator[Ground]:
    """A ground of one's own, gone afterwards, on which MLflow is deployed where it is *real*, else its stand-in."""
    folder = Path(tempfile.mkdtemp(prefix="laws-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        deployed = ROOT / "image" if real else deploy.standin(folder / "image")
        with deploy.used(deployed), Forks(deployed) as forks:
            yield Ground(folder, forks)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def bench(ground: Ground, state: Path | None) -> Generator[Bench]:
    """A sandbox of one's own that begins with a copy of *state*, or with nothing."""
    folder = Path(tempfile.mkdtemp(prefix="mr-", dir="/tmp"))
    folder.chmod(0o755)
    home = folder / "s"
    if state is not None:
        _move_in(_copy(state, home))
    env = {**plain_env(), "MLFLOW_RECONCILE_SANDBOX_HOME": str(home)}
    made = Forked(f"http://127.0.0.1:{free_port()}", home, env, forks=ground.forks)
    started = made.run("sandbox", "start", "--port", made.endpoint.rpartition(":")[2])
    assert started.code == 0, started.said
    try:
        yield made
    finally:
        made.run("sandbox", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _copy(home: Path, to: Path) -> Path:
    """A copy with owners and modes: PostgreSQL insists on its own."""
    subprocess.run(["cp", "-a", str(home), str(to)], check=True)
    return to


def _move_in(home: Path) -> None:
    """Let the databases of a copied sandbox have their sockets in *home*: their settings name the folder in full."""
    for file in home.rglob("sandbox.conf"):
        file.write_text(re.sub(r"/[\w/]+/mr-[^/]+/s(?=/)", str(home), file.read_text()))


def _prepare(made: Bench) -> None:
    """The project, its network, and who is not ours to make."""
    own = new_project(int(made.endpoint.rpartition(":")[2]), project=PROJECT)
    own.enable("compute", "servicenetworking", "vpcaccess", "iam")
    own.account(TRAINER)
    body = {"name": "ml", "autoCreateSubnetworks": False}
    Cloud(PROJECT, made.endpoint).api("compute", "v1").networks().insert(project=PROJECT, body=body).execute()
