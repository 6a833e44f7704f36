"""A kind whose resources get their ids from the server and are found again by our labels.

One list of the project's resources answers every question: which of them is which, which the spec no longer wants, and
which were made twice because an answer was lost. A name of ours stands for each: PARENT/COLLECTION/DEPLOYMENT/KEY.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from reconciler import errors
from reconciler.gcp import fields as flat
from reconciler.gcp import retries
from reconciler.gcp.cloud import Cloud
from reconciler.model import Body, Desired, Json, Observed, Ref
from reconciler.server.naming import DEPLOYMENT_LABEL, Names
from reconciler.spec.deployment import Deployment

LABELS = "userLabels"
PAGE = 1000
Live = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LabelledKind:
    """Fulfils `kind.Kind` and `kind.Owner` for a *collection* of Cloud Monitoring, such as `alertPolicies`.

    *wanted* says what a spec asks for, and nothing where it is off: what is off is found by its label. *key_of* tells
    which of a deployment's resources a live one is. *shown* puts a live one into the spec's terms; *message* is its
    JSON with a body's fields in it, laid over the live one ({} for a new one).
    """

    name: str
    collection: str
    noun: str
    wanted: Callable[[Deployment, Names], Iterable[Desired]]
    key_of: Callable[[Live], str]
    shown: Callable[[Cloud, Live], Mapping[str, Json]]
    message: Callable[[Cloud, Body, Live], dict[str, Any]]
    parent: str = "name"
    """What the API calls the project that a list or a creation is in."""
    api: str = "monitoring.googleapis.com"
    tells: bool = False

    def ref(self, names: Names, key: str) -> Ref:
        """The deployment's resource *key*."""
        return Ref(self.name, f"projects/{names.project}/{self.collection}/{names.name}/{key}")

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """What *deployment* wants of this kind."""
        return self.wanted(deployment, names)

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """The oldest resource that stands under *ref*; a second one is a stray."""
        found = self._under(cloud, ref)
        return Observed(ref, self.shown(cloud, found[0])) if found else None

    def strays(self, cloud: Cloud, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """What carries this deployment's label beyond what it wants, and what was made twice.

        Where nothing is wanted, whoever may not look is taken for somebody who never made anything.
        """
        wanted = {desired.ref for desired in self.desired(deployment, names)}
        try:
            live = self.live(cloud)
        except errors.PermissionMissing:
            if wanted:
                raise
            return
        seen: set[Ref] = set()
        for one in live:
            if owner_of(one) != names.name:
                continue
            ref = self.ref(names, self.key_of(one))
            if ref in seen:
                yield Desired(Ref(self.name, str(one["name"])), None)
            elif ref not in wanted:
                yield Desired(ref, None)
            seen.add(ref)

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Create it, unless an attempt whose answer was lost has done so."""
        cloud.forget()
        if self._under(cloud, desired.ref):
            cloud.note("it exists already")
            return
        body = self.message(cloud, desired.body or {}, {})
        request = self._service(cloud).create(**{self.parent: f"projects/{cloud.project}"}, body=body)
        cloud.call(f"creating {self.noun} {desired.ref.short}", request.execute, retries.ONCE)

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """PATCH with a mask of the top-level fields concerned, laid over what is there now."""
        del observed  # the API has no version to hold a change to
        cloud.forget()
        found = self._under(cloud, desired.ref)
        if not found:
            raise errors.VersionMoved(f"updating {self.noun} {desired.ref.short}: it is gone")
        whole = self.message(cloud, {field: (desired.body or {})[field] for field in fields}, found[0])
        mask = sorted({field.partition(".")[0] for field in fields})
        request = self._service(cloud).patch(
            name=found[0]["name"],
            updateMask=",".join(mask),
            body={key: whole[key] for key in mask if key in whole},
        )
        cloud.call(f"updating {self.noun} {desired.ref.short}", request.execute)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Delete everything that stands under *ref*."""
        cloud.forget()
        for one in self._under(cloud, ref):
            request = self._service(cloud).delete(name=one["name"])
            cloud.found(f"deleting {self.noun} {ref.short}", request.execute)

    def live(self, cloud: Cloud) -> list[Live]:
        """Every resource of the project, the oldest of ours first; asked once for all who want to know."""
        return cloud.once((self.api, self.collection), lambda: self._list(cloud))

    def _list(self, cloud: Cloud) -> list[Live]:
        found: list[Live] = []
        service = self._service(cloud)
        request = service.list(**{self.parent: f"projects/{cloud.project}"}, pageSize=PAGE)
        while request is not None:
            answer = cloud.call(f"reading the {self.noun} list of {cloud.project}", request.execute)
            found += answer.get(self.collection, [])
            request = service.list_next(request, answer)
        return sorted(
            found, key=lambda one: (str(flat.at(one, "creationRecord.mutateTime")), str(one["name"]))
        )

    def _under(self, cloud: Cloud, ref: Ref) -> list[Live]:
        *_, owner, key = ref.name.split("/")
        return [
            one
            for one in self.live(cloud)
            if one["name"] == ref.name or (owner_of(one) == owner and self.key_of(one) == key)
        ]

    def _service(self, cloud: Cloud) -> Any:
        return getattr(cloud.api("monitoring", "v3").projects(), self.collection)()


def owner_of(live: Live) -> str:
    """The deployment whose label it carries, "" for nobody's."""
    return labels_on(live).get(DEPLOYMENT_LABEL, "")


def labels_on(live: Live) -> dict[str, str]:
    """Its user labels."""
    return cast("dict[str, str]", live.get(LABELS) or {})


def labelled(body: Body, live: Live) -> dict[str, Any]:
    """The labels of *live* with those that *body* has an opinion on: other people's stay."""
    return flat.with_map(labels_on(live), flat.under(LABELS, body))
