"""The deletion of old runs, against a real PostgreSQL and real files."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.image.machine import ENTRYPOINT, Postgres, environment, until

MAKE = """
import json, sys, time
from mlflow.entities import RunTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

uri, folder, *places = sys.argv[1:]
store = SqlAlchemyStore(uri, "mlflow-artifacts:/")
past = int((time.time() - 200 * 86400) * 1000)
made = []
for place in places:
    experiment = store.create_experiment(place, artifact_location=place)
    run = store.create_run(experiment, "ada", past, [], "run")
    store.update_run_info(run.info.run_id, 3, past + 1, "run")
    made.append([experiment, run.info.run_id])
json.dump(made, sys.stdout)
"""


@dataclass(frozen=True)
class Place:
    """A database with MLflow's schema, and a folder for artifacts."""

    postgres: Postgres
    path: str
    database: str
    folder: Path

    def retain(self, **settings: str) -> tuple[int, str]:
        """Run it. Its exit code and what it said."""
        given = {
            "PATH": self.path,
            **self.postgres.variables(self.database),
            "MLFLOW_ARTIFACTS_DESTINATION": f"file://{self.folder}",
            "RETAIN_AFTER_DAYS": "90",
            "RETAIN_RESTORABLE_DAYS": "0",
            "RETAIN_KEEP_TAG": "keep",
            "NO_GCE_CHECK": "true",  # nobody is asked for a Google account
            **settings,
        }
        ended = subprocess.run(
            [ENTRYPOINT, "retain"], env=given, capture_output=True, text=True, timeout=300, check=False
        )
        return ended.returncode, ended.stderr

    def make(self, *places: str) -> list[tuple[str, str]]:
        """An old run in an experiment that keeps its files at each of *places*: (experiment, run)."""
        variables = self.postgres.variables(self.database)
        uri = f"postgresql+psycopg2://{variables['MLFLOW_DB_USER']}@/{self.database}?host={self.postgres.folder}"
        made = subprocess.run(
            [environment() / "bin" / "python", "-c", MAKE, uri, self.folder, *places],
            env={"PATH": self.path, "PGPASSWORD": variables["MLFLOW_DB_PASSWORD"]},
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        return [(str(experiment), str(run)) for experiment, run in json.loads(made.stdout)]

    def stage(self, run: str) -> str:
        """The run's lifecycle stage, "" where it is no more."""
        rows = self.postgres.sql("select run_uuid, lifecycle_stage from runs", self.database)
        return dict(row.split("|") for row in rows.splitlines()).get(run, "")

    def files(self, experiment: str, run: str) -> Path:
        """The run's folder, with a file in it."""
        folder = self.folder / experiment / run / "artifacts"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weights").write_text("w")
        return folder


@pytest.fixture(name="place")
def _place(
    postgres: Postgres,
    search_path: str,
    pristine: str,
    new_database: Callable[[str | None], str],
    tmp_path: Path,
) -> Place:
    return Place(postgres, search_path, new_database(pristine), tmp_path)


def test_a_run_waits_in_the_trash_before_it_goes_for_good(place: Place) -> None:
    """Restorable with its files for so many days; then rows and files go, and nothing is left to do."""
    ((experiment, run),) = place.make("mlflow-artifacts:/own")
    files = place.files("own", run)
    code, said = place.retain(RETAIN_RESTORABLE_DAYS="7")
    assert (code, place.stage(run), files.exists()) == (0, "deleted", True), said
    assert f"moved to the trash run {run} (run, experiment {experiment}): last seen 200 days ago" in said
    code, said = place.retain(RETAIN_RESTORABLE_DAYS="7")
    assert "done: 0 runs moved to the trash; 0 runs" in said
    place.postgres.sql("update runs set deleted_time = deleted_time - 7 * 86400000", place.database)
    code, said = place.retain(RETAIN_RESTORABLE_DAYS="7")
    assert (code, place.stage(run), files.exists()) == (0, "", False), said


def test_what_cannot_be_deleted_is_said_and_holds_up_nothing_else(place: Place) -> None:
    """Its rows stay for the next time, and the execution fails."""
    (_, far), (_, near) = place.make("gs://no-such-bucket-of-ours/x", "mlflow-artifacts:/own")
    files = place.files("own", near)
    code, said = place.retain()
    assert code == 70
    assert f"could not delete run {far}, which is tried again next time" in said
    assert "2 runs moved to the trash; 1 runs" in said
    assert "1 failed" in said
    assert (place.stage(far), place.stage(near), files.exists()) == ("deleted", "", False)


def test_a_deleted_experiment_goes_when_it_is_empty(place: Place) -> None:
    """After its runs; a name that is free again."""
    ((experiment, _),) = place.make("mlflow-artifacts:/own")
    place.postgres.sql(
        "update experiments set lifecycle_stage = 'deleted' where experiment_id <> 0;"
        "update runs set lifecycle_stage = 'deleted', deleted_time = 1",
        place.database,
    )
    code, said = place.retain()
    assert code == 0, said
    assert f"deleted for good experiment {experiment}" in said
    assert place.postgres.sql("select count(*) from experiments", place.database) == "1"


def test_one_at_a_time(place: Place) -> None:
    """A second execution leaves the work to the first."""
    ((_, run),) = place.make("mlflow-artifacts:/own")
    first = subprocess.Popen(
        [place.postgres.programs / "psql", "-XAtq", "-h", place.postgres.folder, "-U", "postgres", place.database],
        env={"PATH": place.path, "PGPASSWORD": place.postgres.variables("x")["MLFLOW_DB_PASSWORD"]},
        stdin=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert first.stdin is not None
    first.stdin.write(f"select pg_advisory_lock({0x72657461696E});\n")
    first.stdin.flush()
    held = "select count(*) from pg_locks where locktype = 'advisory'"
    until(lambda: place.postgres.sql(held, place.database) == "1", 10)
    code, said = place.retain()
    first.stdin.close()
    first.wait(10)
    assert (code, place.stage(run)) == (0, "active")
    assert "another execution is at work" in said


def test_a_schema_that_is_not_this_mlflows_is_left_alone(
    place: Place, postgres: Postgres, new_database: Callable[[str | None], str]
) -> None:
    """Nothing is deleted that is not understood."""
    empty = Place(postgres, place.path, new_database(None), place.folder)
    code, said = empty.retain()
    assert code == 65
    assert "the database has no MLflow schema" in said


def test_settings_are_checked_together() -> None:
    """Every finding on a line of its own."""
    ended = subprocess.run(
        [ENTRYPOINT, "retain"], env={"RETAIN_DRY_RUN": "maybe"}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 64
    for name in ("MLFLOW_DB_HOST", "MLFLOW_ARTIFACTS_DESTINATION", "RETAIN_AFTER_DAYS", "RETAIN_KEEP_TAG"):
        assert f"{name} is " in ended.stderr
    assert "RETAIN_DRY_RUN is 'maybe'" in ended.stderr
