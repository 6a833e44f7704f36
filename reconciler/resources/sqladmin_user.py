"""The database user that the server logs in as.

Google never tells a password, so which version of the secret was set last, and for which user, is noted on the secret,
as an annotation: what Google's documents name annotations for. Another note, made before and taken away after, says
which operation was the newest then: whoever comes after a run that was killed sees by it whether that run got through.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from reconciler import errors
from reconciler.gcp import operations, retries, sql_work
from reconciler.gcp.cloud import Cloud
from reconciler.model import Desired, Observed, Ref
from reconciler.resources import (
    artifactregistry_image,
    secretmanager_secret,
    secretmanager_version,
    sqladmin_instance,
)
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

ANNOTATION = "mlflow-reconcile-password-set"
BEGUN = "mlflow-reconcile-password-begun"
"""While it is being set: the version, and the instance's newest operation before that."""
GIVES = ("CREATE_USER", "UPDATE_USER")
"""The operations that set a password."""
TIMEOUT = 60


class User:
    """`sqladmin.user`; its field `password` names the secret version that holds it, never the password."""

    name: str = "sqladmin.user"
    api: str = "sqladmin.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """One user, whose password is the pinned version of the database's secret."""
        yield Desired(
            ref(names),
            {"password": secretmanager_version.pinned(names.database_secret)},
            # A user that exists gets another password: not before all is ready for the server that knows it.
            needs=(
                sqladmin_instance.ref(names),
                secretmanager_version.ref(names.database_secret),
                *artifactregistry_image.needs(deployment, names),
            ),
            holds_data=True,
            lane=sqladmin_instance.lane(names),
            part_of=sqladmin_instance.ref(names),
            effects={
                "password": "running servers keep the old password until they are replaced, in this same apply"
            },
            origins={"": deployment.origin("database")},
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """Whether it is there, and which version of the secret it was given last."""
        request = _users(cloud).get(project=cloud.project, instance=_instance(ref), name=ref.short)
        about = f"reading database user {ref.short}"
        found = sql_work.answered(cloud, _instance(ref), lambda: cloud.found(about, request.execute))
        if found is None:
            return None
        secret = _secret(cloud.project, ref)
        annotations: dict[str, str] = (secretmanager_secret.read(cloud, secret) or {}).get(
            "annotations"
        ) or {}
        number, _, whose = annotations.get(ANNOTATION, "").partition(" ")
        return Observed(ref, {"password": f"{secret}/versions/{number}" if whose == _whose(ref) else None})

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Create the user with the secret's value; one that is there already is given it."""
        about = f"creating database user {desired.ref.short}"
        body = {"name": desired.ref.short, "password": _password(cloud, desired)}
        request = _users(cloud).insert(project=cloud.project, instance=_instance(desired.ref), body=body)
        try:
            _give(cloud, desired, about, request)
        except (errors.AlreadyThere, errors.Refused, errors.OperationFailed):
            if self.observe(cloud, desired.ref) is None:
                raise
            self._set_password(cloud, desired)

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """Give the user the password of the pinned version."""
        self._set_password(cloud, desired)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Nothing: the user owns MLflow's tables and goes with its instance."""

    def _set_password(self, cloud: Cloud, desired: Desired) -> None:
        about = f"setting the password of database user {desired.ref.short}"
        body = {"name": desired.ref.short, "password": _password(cloud, desired)}
        request = _users(cloud).update(
            project=cloud.project, instance=_instance(desired.ref), name=desired.ref.short, body=body
        )
        _give(cloud, desired, about, request)


def ref(names: Names) -> Ref:
    """The server's database user; a name of ours, with the secret that says which password it was given."""
    secret = names.database_secret.rpartition("/")[2]
    return Ref(User.name, f"{names.instance}/secrets/{secret}/users/{names.database_user}")


def _instance(ref: Ref) -> str:
    return ref.name.split("/")[3]


def _whose(ref: Ref) -> str:
    """Which user of which instance a note is about: a spec may come to name another one."""
    return f"{_instance(ref)}/{ref.short}"


def _secret(project: str, ref: Ref) -> str:
    return f"projects/{project}/secrets/{ref.name.split('/')[5]}"


def _users(cloud: Cloud) -> Any:
    return cloud.api("sqladmin", "v1").users()


def _password(cloud: Cloud, desired: Desired) -> str:
    return secretmanager_version.value_of(cloud, str((desired.body or {})["password"]))


def _give(cloud: Cloud, desired: Desired, about: str, request: Any) -> None:
    """Have *request* set the password, unless that is done or going on already; note which version it is."""
    secret, number = str((desired.body or {})["password"]).split("/versions/")
    instance = _instance(desired.ref)

    def attempt() -> None:
        sql_work.settle(cloud, instance)
        live = _live(cloud, secret)
        told = f"{number} {_whose(desired.ref)}"
        if not _given(cloud, instance, live.annotations.get(BEGUN, ""), told):
            last = sql_work.newest(cloud, instance)
            live = _noted(cloud, live, {**live.annotations, BEGUN: f"{told} {last}"})
            operations.sql_done(cloud, about, cloud.call(about, request.execute, retries.NEVER))
        notes = {key: value for key, value in live.annotations.items() if key != BEGUN}
        _noted(cloud, live, {**notes, ANNOTATION: told})

    retries.persist(retries.SQL, attempt, cloud.pause)


def _given(cloud: Cloud, instance: str, begun: str, told: str) -> bool:
    """Whether what was noted as *begun* got through, and gave this user this version."""
    noted, _, last = begun.rpartition(" ")
    return noted == told and sql_work.done_since(cloud, instance, last, *GIVES)


def _live(cloud: Cloud, secret: str) -> Any:
    about = f"reading the notes on {secret.rsplit('/', 1)[-1]}"
    return cloud.call(about, lambda: cloud.secrets.get_secret(name=secret, retry=None, timeout=TIMEOUT))


def _noted(cloud: Cloud, live: Any, annotations: Mapping[str, str]) -> Any:
    """The secret *live* with these annotations, on its etag."""
    about = f"noting the password's version on {live.name.rsplit('/', 1)[-1]}"
    message = {"name": live.name, "annotations": dict(annotations), "etag": live.etag}
    request = {"secret": message, "update_mask": "annotations"}
    return cloud.call(
        about, lambda: cloud.secrets.update_secret(request=request, retry=None, timeout=TIMEOUT)
    )
