"""Deletes the runs that are old and that nothing names, with their files; safe to end anywhere and to repeat.

`mlflow gc` is not used: it takes all that is in the trash, whether or not the registry names it, and every deleted
experiment. What is done to one run is the same: its files first, then its rows, so that what could not be deleted is
still there to be tried again.
"""

import importlib
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from . import records, schema
from .environment import BAD_SCHEMA, NO_DATABASE, PART_DIED, Retention
from .retention import Decision, Facts, Model, Run, decide
from .schema import NoDatabase

_DATABASE_SECONDS: Final = 60
_LOCK: Final = 0x72657461696E
"""The advisory lock's key: "retain" in ASCII. Any number would do that nobody else uses in this database."""
_FRESH_SECONDS: Final = 20
"""How old what we know may get before it is read again: somebody may be registering a model."""


def run(settings: Retention) -> int:
    """Do what *settings* ask for and return the exit code."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        connection = schema.connect(settings.database, _DATABASE_SECONDS, _say)
    except NoDatabase as error:
        _say(str(error))
        return NO_DATABASE
    try:
        if complaint := schema.complaint(schema.found(connection), schema.wanted()):
            _say(complaint)
            return BAD_SCHEMA
        if not _lock(connection):
            _say("another execution is at work; this one leaves it to that")
            return 0
        if settings.dry_run:
            return _list(settings, connection)
        return _Work(settings, connection).run()
    finally:
        connection.close()  # and with it goes the lock


def _list(settings: Retention, connection: Any) -> int:
    decision = decide(records.read(connection, settings), settings)
    _say("dry run: nothing is changed")
    _report(settings, decision)
    for one, why in decision.to_trash:
        _say(f"would move to the trash {_called(one)}: {why}")
    for one, why in (*decision.runs, *decision.models):
        _say(f"would delete for good {_called(one)}: {why}")
    for one in decision.experiments:
        _say(f"would delete for good experiment {one}: in the trash, and empty")
    _say(
        f"dry run: {len(decision.to_trash)} runs would be moved to the trash; {len(decision.runs)} runs, "
        f"{len(decision.models)} logged models and {len(decision.experiments)} experiments deleted for good"
    )
    return 0


class _Work:
    """One execution: looks, does, and looks again until there is nothing left to do."""

    def __init__(self, settings: Retention, connection: Any) -> None:
        self._settings = settings
        self._connection = connection
        self._tried: set[str] = set()
        self._failed = 0
        self._counts = {"trash": 0, "run": 0, "model": 0, "experiment": 0}
        tracking: Any = importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
        self._store = tracking.SqlAlchemyStore(schema.uri(settings.database), "mlflow-artifacts:/")

    def run(self) -> int:
        """Do it all. Returns the exit code."""
        facts = self._look()
        decision = decide(facts, self._settings)
        _report(self._settings, decision)
        while steps := self._steps(facts, decision):
            end = time.monotonic() + _FRESH_SECONDS
            for what, step in steps:
                self._try(what, step)
                if time.monotonic() > end:
                    break
            facts = self._look()
            decision = decide(facts, self._settings)
        done = self._counts
        _say(
            f"done: {done['trash']} runs moved to the trash; {done['run']} runs, {done['model']} logged models and "
            f"{done['experiment']} experiments deleted for good; {self._failed} failed"
        )
        return PART_DIED if self._failed else 0

    def _look(self) -> Facts:
        return records.read(self._connection, self._settings)

    def _steps(self, facts: Facts, decision: Decision) -> list[tuple[str, Callable[[], None]]]:
        """What is left to do; nothing is tried twice, should it fail or somebody restore it meanwhile."""
        steps: list[tuple[str, Callable[[], None]]] = []
        made: dict[str, list[Model]] = {}
        for model in facts.models.values():
            made.setdefault(model.run, []).append(model)
        for one, why in decision.to_trash:
            steps.append((f"move run {one.id}", lambda one=one, why=why: self._move(one, why)))
        for one, why in decision.runs:
            own = made.get(one.id, [])
            steps.append(
                (f"delete run {one.id}", lambda one=one, own=own, why=why: self._delete(one, own, why))
            )
        for model, why in decision.models:
            what = f"delete logged model {model.id}"
            steps.append((what, lambda model=model, why=why: self._delete_model(model, why)))
        for one in decision.experiments:
            steps.append((f"delete experiment {one}", lambda one=one: self._delete_experiment(one)))
        return [(what, step) for what, step in steps if what not in self._tried]

    def _try(self, what: str, step: Callable[[], None]) -> None:
        self._tried.add(what)
        try:
            step()
        except Exception as error:
            self._failed += 1
            _say(f"could not {what}, which is tried again next time: {error}")

    def _move(self, one: Run, why: str) -> None:
        self._store.delete_run(one.id)
        self._counts["trash"] += 1
        _say(f"moved to the trash {_called(one)}: {why}")

    def _delete(self, one: Run, models: list[Model], why: str) -> None:
        for model in models:
            self._delete_model(model, f"run {one.id} goes")
        _delete_files(one.place)
        self._store._hard_delete_run(one.id)
        self._counts["run"] += 1
        _say(f"deleted for good {_called(one)}: {why}")

    def _delete_model(self, model: Model, why: str) -> None:
        _delete_files(model.place)
        self._store._hard_delete_logged_model(model.id)
        self._counts["model"] += 1
        _say(f"deleted for good {_called(model)}: {why}")

    def _delete_experiment(self, experiment: str) -> None:
        self._store._hard_delete_experiment(experiment)
        self._counts["experiment"] += 1
        _say(f"deleted for good experiment {experiment}: in the trash, and empty")


def _delete_files(place: str) -> None:
    registry: Any = importlib.import_module("mlflow.store.artifact.artifact_repository_registry")
    registry.get_artifact_repository(place).delete_artifacts()


def _report(settings: Retention, decision: Decision) -> None:
    _say(f"{decision.young} runs were seen in the last {settings.after_days} days, and are kept")
    for one, why in decision.kept:
        _say(f"keeps {_called(one)}: {why}")


def _called(thing: Run | Model) -> str:
    if isinstance(thing, Model):
        return f"logged model {thing.id} (experiment {thing.experiment})"
    name = f"{thing.name}, " if thing.name else ""
    return f"run {thing.id} ({name}experiment {thing.experiment})"


def _lock(connection: Any) -> bool:
    """Take the lock, which lasts as long as the connection."""
    with connection, connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", (_LOCK,))
        return bool(cursor.fetchone()[0])


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(128 + number)


def _say(text: str) -> None:
    sys.stderr.write(f"retain: {' '.join(text.split())}\n")
    sys.stderr.flush()
