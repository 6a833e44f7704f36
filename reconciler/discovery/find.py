"""Looking for the parts: from the Cloud Run service to its database and its bucket."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler import errors
from reconciler.discovery import clues
from reconciler.discovery.choosing import only
from reconciler.discovery.clues import Clues
from reconciler.discovery.find_database import find_database, find_instance, find_ranges, find_user
from reconciler.discovery.parts import Parts
from reconciler.gcp import containers
from reconciler.gcp import fields as flat
from reconciler.gcp.cloud import Cloud
from reconciler.model import Ref
from reconciler.policy_kind import PolicyKind
from reconciler.resources import iap_web_iam, run_service_iam, serviceusage_services
from reconciler.server.naming import MANAGED_BY

_OF_CLIENTS = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)
_EXPERIMENT = re.compile(r"\d+|models|traces")
"""What MLflow itself puts at the root of its artifacts."""
_GOOGLES_BUCKETS = ("gcf-", "run-sources-", "artifacts.", "staging.")


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look: a *project*, and in it *region* and *service* where these are known. Written with slashes."""

    project: str
    region: str = ""
    service: str = ""


def find(cloud: Cloud, place: Place, *, instance: str = "", bucket: str = "") -> Parts:
    """The parts of the MLflow server at *place*; *instance* and *bucket* where the user knows better.

    Raises `NotThere` where a part is missing, or where several could be it: with their names, and how to say which.
    """
    cloud.project_number = serviceusage_services.project_number(cloud)
    service = _service(cloud, place)
    template: Mapping[str, Any] = service.get("template") or {}
    told = clues.read(containers.serving(template))
    how: dict[str, str] = {}
    live = find_instance(cloud, template, told, instance, how)
    database, user = find_database(cloud, live, told, how), find_user(cloud, live, told, how)
    kept = _bucket(cloud, told, bucket, how)
    folder = told.folder if kept["name"] == told.bucket else ""
    return Parts(
        cloud.project, cloud.project_number, service, live, database, user, kept, folder, _shared(cloud, kept, folder),
        _members(cloud, run_service_iam.SERVICE_IAM, service["name"], run_service_iam.INVOKER),
        _accessors(cloud, service), find_ranges(cloud, live), told, how,
    )  # fmt: skip


def _run(cloud: Cloud) -> Any:
    return cloud.api("run", "v2").projects().locations().services()


def _service(cloud: Cloud, place: Place) -> dict[str, Any]:
    if place.service:
        name = f"projects/{place.project}/locations/{place.region}/services/{place.service}"
        found = cloud.found(f"reading service {place.service}", _run(cloud).get(name=name).execute)
        if found is None:
            raise errors.NotThere(
                f"there is no service {place.service} in {place.region} of {place.project}",
                way_out=f"See what there is: gcloud run services list --project {place.project}",
            )
        return found
    listed = _listed(cloud)
    likely = [_place_of(one) for one in listed if _looks_like_it(one)]
    region, name = only(
        likely or [_place_of(one) for one in listed],
        "Cloud Run service that looks like MLflow, and is not adopted yet",
        lambda one: f"--from {place.project}/{one[0]}/{one[1]}",
        f"Name it: --from {place.project}/REGION/SERVICE.",
    )
    return _service(cloud, Place(place.project, region, name))


def _place_of(service: Mapping[str, Any]) -> tuple[str, str]:
    labels = flat.section(service, "metadata.labels")
    return str(labels["cloud.googleapis.com/location"]), str(service["metadata"]["name"])


def _looks_like_it(service: Mapping[str, Any]) -> bool:
    """By its name, its image's, or what it is told; a client that is told where MLflow is does not count."""
    words = [str(service["metadata"]["name"])]
    for container in flat.items(service, "spec.template.spec.containers"):
        words.append(str(container.get("image", "")).rpartition("/")[2])
        words += [*flat.words(container, "command"), *flat.words(container, "args")]
        words += [name for name in clues.environment(container) if name not in _OF_CLIENTS]
    return any("mlflow" in word.lower() for word in words)


def _listed(cloud: Cloud) -> list[dict[str, Any]]:
    """Of all regions, which only the first version of the API tells in one answer; not what this tool made."""
    services = cloud.api("run", "v1").projects().locations().services()
    parent = f"projects/{cloud.project}/locations/-"
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        more = {"continue_": after} if after else {}
        answer: Any = cloud.found("listing services", services.list(parent=parent, **more).execute) or {}
        found += flat.items(answer, "items")
        after = flat.at(answer, "metadata.continue") or ""
        if not after:
            break
    return [one for one in found if flat.section(one, "metadata.labels").get(MANAGED_BY[0]) != MANAGED_BY[1]]


def _bucket(cloud: Cloud, told: Clues, chosen: str, how: dict[str, str]) -> dict[str, Any]:
    name = chosen or told.bucket
    how["bucket"] = "as you said" if chosen else told.by("bucket")
    if not name:
        buckets = cloud.call(
            "listing buckets", lambda: list(cloud.storage.list_buckets(retry=None, timeout=60))
        )
        names = [str(one.name) for one in buckets if not str(one.name).startswith(_GOOGLES_BUCKETS)]
        names = [one for one in names if not one.endswith("_cloudbuild")]
        likely = [one for one in names if "mlflow" in one or "artifact" in one]
        how["bucket"] = "by its name" if likely else "the only one in the project"
        name = only(
            likely or names,
            "bucket that could hold its artifacts",
            lambda one: f"--bucket {one}",
            "Name it: --bucket NAME.",
        )
    bucket = cloud.storage.bucket(name)
    reading = cloud.found(f"reading bucket {name}", lambda: bucket.reload(retry=None, timeout=60) or bucket)
    if reading is None:
        raise errors.NotThere(
            f"there is no bucket {name}, {how['bucket']}",
            way_out="Name the one that there is: --bucket NAME.",
        )
    return dict(reading._properties)


def _shared(cloud: Cloud, bucket: Mapping[str, Any], folder: str) -> bool:
    """Whether the bucket is not only MLflow's: another project's, or something lies in it outside the folder."""
    if str(bucket.get("projectNumber", cloud.project_number)) != cloud.project_number:
        return True
    above = ""
    for step in folder.split("/") if folder else ():
        if _inside(cloud, bucket, above) - {step}:
            return True
        above += f"{step}/"
    return not folder and any(not _EXPERIMENT.fullmatch(name) for name in _inside(cloud, bucket, ""))


def _inside(cloud: Cloud, bucket: Mapping[str, Any], prefix: str) -> set[str]:
    """The names right below *prefix*, of objects and of folders."""
    pages = cloud.storage.list_blobs(
        bucket["name"], prefix=prefix, delimiter="/", max_results=1000, retry=None, timeout=60
    )
    objects = cloud.call("listing the bucket", lambda: [str(blob.name) for blob in pages])
    return {name.removeprefix(prefix).rstrip("/") for name in (*objects, *pages.prefixes)} - {""}


def _members(cloud: Cloud, kind: PolicyKind, name: str, role: str) -> tuple[str, ...]:
    """Who has *role* in the policy of *name*."""
    found = kind.observe(cloud, Ref(kind.name, name))
    start = f"{role} "
    return tuple(
        sorted(
            field.removeprefix(start) for field in (found.body if found else ()) if field.startswith(start)
        )
    )


def _accessors(cloud: Cloud, service: Mapping[str, Any]) -> tuple[str, ...]:
    if not service.get("iapEnabled"):
        return ()
    _, _, _, region, _, name = str(service["name"]).split("/")
    resource = f"projects/{cloud.project_number}/iap_web/cloud_run-{region}/services/{name}"
    return _members(cloud, iap_web_iam.WEB_IAM, resource, iap_web_iam.ACCESSOR)
