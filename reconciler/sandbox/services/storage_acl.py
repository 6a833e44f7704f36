"""Cloud Storage: single entries of access control lists, of buckets, of their new objects, and of objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from reconciler.sandbox.services.storage import Function, change, served
from reconciler.sandbox.storage import acls, bucket_access, buckets, generations, objects, preconditions
from reconciler.sandbox.storage.acls import Entry
from reconciler.sandbox.storage.bucket_access import bucket_of, demand
from reconciler.sandbox.store import Body
from reconciler.sandbox.world import Answer, Method, Request, World

API: Final = "storage"
VERSIONS: Final = ("v1",)


def methods(world: World) -> dict[str, Method]:
    """The six methods of each of the three lists; PATCH and PUT of an entry both set its role."""
    functions: dict[str, Function] = {}
    for name, listing in (
        ("bucketAccessControls", _on_bucket),
        ("defaultObjectAccessControls", _on_new_objects),
        ("objectAccessControls", _on_object),
    ):
        functions |= {f"{name}.{verb}": function for verb, function in _methods(listing).items()}
    return served(world, functions)


class _List:
    """One list, read and written through whoever keeps it."""

    def __init__(
        self,
        kind: acls.Kind,
        owner: str,
        entries: list[Entry],
        keep: Callable[[list[Entry]], Body],
        show: Callable[[Body, Entry], dict[str, Any]],
        holder: Body,
    ) -> None:
        """*owner* keeps OWNER; *keep* stores the whole list and returns its changed *holder*."""
        self.kind: acls.Kind = kind
        self.owner = owner
        self.entries = entries
        self.keep = keep
        self.show = show
        self.holder = holder

    def entry(self, who: str) -> Entry:
        """The entry for an entity; raises ApiError 404."""
        found = next((one for one in self.entries if one["entity"] == who), None)
        if found is None:
            raise acls.no_entry()
        return found

    def put(self, who: str, role: str) -> dict[str, Any]:
        """Set an entity's role, and show the entry."""
        if who == self.owner and role != "OWNER":
            raise acls.owner_stays()
        fresh: Entry = {"entity": who, "role": role}
        rest = [one for one in self.entries if one["entity"] != who]
        return self.show(self.keep([*rest, fresh]), fresh)

    def drop(self, who: str) -> None:
        """Take an entity off the list; raises ApiError 404, and 403 for the owner."""
        found = self.entry(who)
        if who == self.owner:
            raise acls.owner_stays()
        self.keep([one for one in self.entries if one is not found])


_Open = Callable[[World, Request, bool], tuple[Body, _List]]
"""(world, request, whether to write) -> the bucket and the list; raises ApiError where the caller may not."""


def _methods(opened: _Open) -> dict[str, Function]:
    def get(world: World, request: Request) -> Mapping[str, Any]:
        _, listing = opened(world, request, False)
        return listing.show(listing.holder, listing.entry(_entity(world, request.params["entity"])))

    def listed(world: World, request: Request) -> Mapping[str, Any]:
        _, listing = opened(world, request, False)
        preconditions.hold(listing.holder, request.params)
        word = "bucketAccessControls" if listing.kind == "bucket" else "objectAccessControls"
        items = [listing.show(listing.holder, one) for one in listing.entries]
        return {"kind": f"storage#{word}", **({"items": items} if items else {})}

    def insert(world: World, request: Request) -> Mapping[str, Any]:
        return _put(world, request, opened, str(request.body.get("entity") or ""))

    def update(world: World, request: Request) -> Mapping[str, Any]:
        return _put(world, request, opened, request.params["entity"])

    def delete(world: World, request: Request) -> Answer:
        with world.store.transaction():
            _, listing = opened(world, request, True)
            listing.drop(_entity(world, request.params["entity"]))
        return Answer(204)

    return {"get": get, "list": listed, "insert": insert, "update": update, "patch": update, "delete": delete}


def _put(world: World, request: Request, opened: _Open, who: str) -> Mapping[str, Any]:
    with world.store.transaction():
        bucket, listing = opened(world, request, True)
        entity = _entity(world, who)
        role = acls.role(listing.kind, request.body.get("role"))
        if entity in acls.PUBLIC and bucket_access.prevented(world, bucket):
            raise bucket_access.no_public()
        return listing.put(entity, role)


def _entity(world: World, text: str) -> str:
    return acls.entity(text, lambda project: bucket_access.number_of(world, project))


def _on_bucket(world: World, request: Request, write: bool) -> tuple[Body, _List]:
    bucket = bucket_of(
        world, request, "storage.buckets.setIamPolicy" if write else "storage.buckets.getIamPolicy"
    )
    acls.demand_lists(bucket, acls.WRITE_BUCKET if write else acls.READ_BUCKET)

    def keep(entries: list[Entry]) -> Body:
        bucket_access.keep_list(world, bucket, entries)
        return change(world, bucket["name"], lambda old: buckets.bumped(old, world.clock()))

    owner, entries = bucket_access.owner_of(bucket), bucket_access.list_of(world, bucket)
    return bucket, _List("bucket", owner, entries, keep, acls.shown_on_bucket, bucket)


def _on_new_objects(world: World, request: Request, write: bool) -> tuple[Body, _List]:
    bucket = bucket_of(world, request, "storage.buckets.update" if write else "storage.buckets.get")
    acls.demand_lists(bucket, acls.WRITE_BUCKET if write else acls.READ_BUCKET)

    def keep(entries: list[Entry]) -> Body:
        def apply(old: Body) -> Body:
            return buckets.bumped({**old, "defaultObjectAcl": entries}, world.clock())

        return change(world, bucket["name"], apply)

    return bucket, _List("default", "", bucket.get("defaultObjectAcl", []), keep, acls.shown_default, bucket)


def _on_object(world: World, request: Request, write: bool) -> tuple[Body, _List]:
    bucket = bucket_access.found(world, request.params["bucket"])
    generation = request.params.get("generation")
    body = generations.find(world, bucket["name"], request.params["object"], generation)
    permission = "storage.objects.setIamPolicy" if write else "storage.objects.getIamPolicy"
    demand(world, request.caller, permission, bucket, on=body)
    acls.demand_lists(bucket, acls.WRITE_OBJECT if write else acls.READ_OBJECT)

    def keep(entries: list[Entry]) -> Body:
        fresh = objects.bumped({**body, "acl": entries}, world.clock())
        generations.change(world, body, fresh)
        return fresh

    def show(holder: Body, entry: Entry) -> dict[str, Any]:
        return acls.shown_on_object(holder, objects.link(holder), entry)

    return bucket, _List("object", body["ownerEntity"], body.get("acl", []), keep, show, body)
