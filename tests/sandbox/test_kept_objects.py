"""Cloud Storage: what keeps objects: holds, retention, versions, soft delete."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox import control
from reconciler.sandbox.control import Running
from tests.sandbox.calls import Cloud
from tests.sandbox.gcs import element, listed, made, put, refusal


def later(**delta: int) -> str:
    """A time from now, as it is sent."""
    return (datetime.now(UTC) + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


def deleted(cloud: Cloud, path: str) -> list[dict[str, Any]]:
    """The soft-deleted objects of a bucket."""
    return cloud.ok("GET", f"{path}/o?softDeleted=true").get("items", [])


@pytest.mark.parametrize(
    ("field", "word"), [("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based")]
)
def test_a_held_object_stays_until_it_is_released(cloud: Cloud, field: str, word: str) -> None:
    """Neither deleted nor overwritten nor moved; its metadata may change; a condition is looked at first."""
    name = made(cloud, "held")
    path = f"/storage/v1/b/{name}/o/x"
    put(cloud, name, "x")
    assert cloud.ok("PATCH", path, {field: True})[field] is True
    text = (
        f"Object '{name}/x' is under active {word} hold and cannot be deleted, overwritten or archived until hold is "
        "removed."
    )
    move = cloud.post(f"{path.removesuffix('/x')}/x/moveTo/o/y")
    for refused in (cloud.call("DELETE", path), put(cloud, name, "x", b"new"), move):
        assert refusal(refused) == (403, "forbidden", text)
    assert cloud.call("DELETE", f"{path}?ifGenerationMatch=1").status == 412
    cloud.ok("PATCH", path, {"metadata": {"a": "b"}})
    assert cloud.ok("PATCH", path, {field: False})[field] is False
    assert cloud.call("DELETE", path).status == 204


def test_a_buckets_policy_keeps_every_object_its_period(cloud: Cloud) -> None:
    """From its making, or from the release of its event-based hold; the expiration is shown."""
    name = made(cloud, "kept", retentionPolicy={"retentionPeriod": "3600"})
    path = f"/storage/v1/b/{name}/o/x"
    shown = put(cloud, name, "x").json
    made_at, until = (
        datetime.fromisoformat(shown[key]) for key in ("timeCreated", "retentionExpirationTime")
    )
    assert until - made_at == timedelta(hours=1)
    status, reason, message = refusal(cloud.call("DELETE", path))
    assert (status, reason) == (403, "retentionPolicyNotMet")
    assert message.startswith(
        f"Object '{name}/x' is subject to bucket's retention policy or object retention and cannot be deleted or "
        "overwritten until "
    )
    held = cloud.ok("PATCH", path, {"eventBasedHold": True})
    assert "retentionExpirationTime" not in held
    released = cloud.ok("PATCH", path, {"eventBasedHold": False})
    assert released["retentionExpirationTime"] > shown["retentionExpirationTime"]
    cloud.ok("PATCH", f"/storage/v1/b/{name}", {"retentionPolicy": None})
    assert cloud.call("DELETE", path).status == 204


def test_with_versions_a_retained_object_may_be_replaced(cloud: Cloud) -> None:
    """The old generation stays, and cannot be deleted."""
    settings: dict[str, Any] = {
        "retentionPolicy": {"retentionPeriod": "3600"},
        "versioning": {"enabled": True},
    }
    name = made(cloud, "both", **settings)
    first = put(cloud, name, "x").json
    assert put(cloud, name, "x", b"second").status == 200
    old = f"/storage/v1/b/{name}/o/x?generation={first['generation']}"
    assert "timeDeleted" in cloud.ok("GET", old)
    assert refusal(cloud.call("DELETE", old))[:2] == (403, "retentionPolicyNotMet")


def test_an_objects_own_retention_extends_freely(cloud: Cloud) -> None:
    """Less of it needs to be asked for in full words; a locked one only grows; the bucket must allow it."""
    plain = made(cloud, "plain")
    put(cloud, plain, "x")
    wish = {"retention": {"mode": "Unlocked", "retainUntilTime": later(hours=2)}}
    assert refusal(cloud.call("PATCH", f"/storage/v1/b/{plain}/o/x", wish))[2] == (
        "Object retention is not enabled on the bucket."
    )
    name = made(cloud, "own", "&enableObjectRetention=true")
    path = f"/storage/v1/b/{name}/o/x"
    assert cloud.ok("GET", f"/storage/v1/b/{name}")["objectRetention"] == {"mode": "Enabled"}
    put(cloud, name, "x")
    cloud.ok("PATCH", path, wish)
    assert refusal(cloud.call("DELETE", path))[1] == "retentionPolicyNotMet"
    shorter = {"retention": {"mode": "Unlocked", "retainUntilTime": later(hours=1)}}
    assert refusal(cloud.call("PATCH", path, shorter))[:2] == (403, "forbidden")
    cloud.ok("PATCH", f"{path}?overrideUnlockedRetention=true", shorter)
    assert cloud.call("PATCH", path, {"retention": None}).status == 403
    locked = {"retention": {"mode": "Locked", "retainUntilTime": later(hours=1)}}
    assert cloud.call("PATCH", path, locked).status == 403
    assert (
        cloud.ok("PATCH", f"{path}?overrideUnlockedRetention=true", locked)["retention"]["mode"] == "Locked"
    )
    assert cloud.call("PATCH", f"{path}?overrideUnlockedRetention=true", {"retention": None}).status == 403
    past = {"retention": {"mode": "Locked", "retainUntilTime": later(hours=-1)}}
    assert refusal(cloud.call("PATCH", path, past))[2] == "Retain until time cannot be in the past."
    half = {"retention": {"mode": "Locked"}}
    assert refusal(cloud.call("PATCH", path, half))[2].startswith("Missing retain until time.")


def test_a_deleted_object_can_be_restored(cloud: Cloud) -> None:
    """As a new generation with the old one's metadata; the old one stays restorable, and is read by number only."""
    name = made(cloud, "soft")
    path = f"/storage/v1/b/{name}"
    first = put(cloud, name, "x", b"old").json
    put(cloud, name, "x", b"new")
    assert cloud.call("DELETE", f"{path}/o/x").status == 204
    kept = deleted(cloud, path)
    assert [one["generation"] for one in kept] == sorted(one["generation"] for one in kept)
    assert (len(kept), kept[0]["generation"]) == (2, first["generation"])
    lasting = datetime.fromisoformat(kept[0]["hardDeleteTime"]) - datetime.fromisoformat(
        kept[0]["softDeleteTime"]
    )
    assert lasting == timedelta(days=7)
    assert cloud.get(f"{path}/o/x?softDeleted=true").status == 400
    by_number = f"{path}/o/x?softDeleted=true&generation={first['generation']}"
    assert cloud.ok("GET", by_number)["contentType"] == "text/plain"
    back = cloud.ok("POST", f"{path}/o/x/restore?generation={first['generation']}")
    assert (back["metageneration"], back["generation"] > kept[1]["generation"]) == ("1", True)
    assert cloud.get(f"{path}/o/x?alt=media").body == b"old"
    again = f"{path}/o/x/restore?generation={first['generation']}&ifGenerationMatch=0"
    assert refusal(cloud.post(again))[:2] == (412, "conditionNotMet")
    live = cloud.post(f"{path}/o/x/restore?generation={back['generation']}")
    assert refusal(live) == (404, "notFound", f"No such object: {name}/x")
    assert cloud.get(f"{path}/o?softDeleted=true&versions=true").status == 400


def test_without_soft_delete_nothing_is_kept(cloud: Cloud, running: Running) -> None:
    """Restores and lists of what was deleted are refused; no file is left."""
    name = made(cloud, "hard", softDeletePolicy={"retentionDurationSeconds": "0"})
    path = f"/storage/v1/b/{name}"
    put(cloud, name, "x")
    cloud.call("DELETE", f"{path}/o/x")
    assert list((Path(running.home) / "objects" / name).iterdir()) == []
    for refused in (cloud.get(f"{path}/o?softDeleted=true"), cloud.post(f"{path}/o/x/restore?generation=1")):
        assert refusal(refused) == (400, "invalid", "bucket soft delete policy must be set.")
    assert cloud.call("DELETE", path).status == 204
    assert cloud.ok("GET", "/storage/v1/b?project={P}&softDeleted=true") == {"kind": "storage#buckets"}


def test_many_objects_are_restored_by_glob(cloud: Cloud) -> None:
    """As an operation with counts; what is live is left alone unless the wish says otherwise."""
    name = made(cloud, "bulk")
    path = f"/storage/v1/b/{name}"
    for key in ("logs%2F1", "logs%2F2", "other"):
        put(cloud, name, key)
        cloud.call("DELETE", f"{path}/o/{key}")
    put(cloud, name, "logs%2F2", b"live")
    operation = cloud.ok("POST", f"{path}/o/bulkRestore", {"matchGlobs": ["logs/**"]})
    assert (operation["kind"], operation["done"]) == ("storage#operation", False)
    where = f"{path}/operations/{operation['name'].rpartition('/')[2]}"
    while not (operation := cloud.ok("GET", where))["done"]:
        pass
    counts = operation["metadata"]
    assert (counts["succeededCount"], counts["skippedCount"], counts["failedCount"]) == ("1", "2", "0")
    assert operation["response"] == {
        "@type": "type.googleapis.com/google.storage.control.v2.BulkRestoreObjectsResponse"
    }
    assert [one["name"] for one in cloud.ok("GET", f"{path}/o")["items"]] == ["logs/1", "logs/2"]
    assert cloud.get(f"{path}/o/logs%2F2?alt=media").body == b"live"
    assert refusal(cloud.post(f"{where}/cancel"))[2] == "The long-running operation is already done."
    assert cloud.get(f"{path}/operations/nope").status == 404


def test_a_deleted_bucket_comes_back_with_what_can_be_restored(cloud: Cloud) -> None:
    """With settings and policy, by its generation, and not while another has its name."""
    name = made(cloud, "gone", labels={"a": "b"})
    path = f"/storage/v1/b/{name}"
    member = {"role": "roles/storage.objectViewer", "members": ["user:a@b.example"]}
    policy = cloud.ok("GET", f"{path}/iam")
    cloud.ok("PUT", f"{path}/iam", {**policy, "bindings": [*policy["bindings"], member]})
    put(cloud, name, "x", b"data")
    cloud.call("DELETE", f"{path}/o/x")
    before = cloud.ok("GET", path)
    assert cloud.call("DELETE", path).status == 204
    assert cloud.get(path).status == 404
    (kept,) = cloud.ok("GET", "/storage/v1/b?project={P}&softDeleted=true")["items"]
    assert (kept["generation"], "softDeleteTime" in kept) == (before["generation"], True)
    restore = f"{path}/restore?generation={before['generation']}"
    made(cloud, "gone")
    assert deleted(cloud, path) == []
    assert refusal(cloud.post(restore))[:2] == (409, "conflict")
    cloud.call("DELETE", path)
    back = cloud.ok("POST", restore)
    assert (back["labels"], "softDeleteTime" in back) == ({"a": "b"}, False)
    assert member in cloud.ok("GET", f"{path}/iam")["bindings"]
    (lost,) = deleted(cloud, path)
    cloud.ok("POST", f"{path}/o/x/restore?generation={lost['generation']}")
    assert cloud.get(f"{path}/o/x?alt=media").body == b"data"
    assert cloud.post(restore).status == 404


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("*", ["a", "b.txt"]),
        ("**", ["a", "b.txt", "d/a", "d/e/f.txt"]),
        ("**/*.txt", ["b.txt", "d/e/f.txt"]),
        ("d/**", ["d/a", "d/e/f.txt"]),
        ("d/*", ["d/a"]),
        ("[ab]", ["a"]),
        ("?", ["a"]),
        ("{a,d/a}", ["a", "d/a"]),
        ("**a", ["a", "d/a"]),
    ],
)
def test_a_glob_finds_names(cloud: Cloud, glob: str, found: list[str]) -> None:
    """One star stays in its folder, two do not."""
    name = made(cloud, "globs")
    for key in ("a", "b.txt", "d%2Fa", "d%2Fe%2Ff.txt"):
        put(cloud, name, key)
    path = (
        f"/storage/v1/b/{name}/o?matchGlob={glob.replace('{', '%7B').replace('}', '%7D').replace('?', '%3F')}"
    )
    assert [one["name"] for one in cloud.ok("GET", path).get("items", [])] == found


def test_a_moved_object_keeps_what_it_says_of_itself(cloud: Cloud) -> None:
    """Under a new name and generation; its old place is empty, and restorable."""
    name = made(cloud, "moving")
    path = f"/storage/v1/b/{name}/o"
    put(cloud, name, "from", b"data")
    before = cloud.ok("PATCH", f"{path}/from", {"metadata": {"a": "b"}})
    after = cloud.ok("POST", f"{path}/from/moveTo/o/to?ifSourceGenerationMatch={before['generation']}")
    assert (after["name"], after["metadata"], after["metageneration"]) == ("to", {"a": "b"}, "1")
    assert after["generation"] > before["generation"]
    assert cloud.get(f"{path}/to?alt=media").body == b"data"
    assert cloud.get(f"{path}/from").status == 404
    assert [one["name"] for one in deleted(cloud, f"/storage/v1/b/{name}")] == ["from"]
    put(cloud, name, "from")
    assert cloud.post(f"{path}/from/moveTo/o/to?ifGenerationMatch=0").status == 412


def test_a_start_removes_what_a_kill_left_behind(home: Path, port: int) -> None:
    """A content without an object, and an upload that nobody can finish; what objects and open uploads have stays."""
    running = control.start(home, port, "swept-project").running
    cloud = Cloud(running.port, "swept-project")
    name = made(cloud, "swept")
    put(cloud, name, "x", b"data")
    begun = cloud.post(f"/{name}/parts?uploads", raw=b"")
    upload = f"/{name}/parts?uploadId={element(begun, 'UploadId')}"
    tag = cloud.call("PUT", f"{upload}&partNumber=1", raw=b"a part").headers["etag"]
    control.stop(home)
    objects = home / "objects"
    strays = [objects / name / "stray", objects / ".uploads" / "stray"]
    for stray in strays:
        stray.write_bytes(b"half")
    control.start(home, port)
    assert [stray for stray in strays if stray.exists()] == []
    assert cloud.get(f"/storage/v1/b/{name}/o/x?alt=media").body == b"data"
    assert cloud.post(upload, raw=listed((1, tag))).status == 200
    assert cloud.get(f"/{name}/parts").body == b"a part"
