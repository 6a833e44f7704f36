"""A role on a bucket that a condition holds to one folder, as writers of artifacts have it in somebody else's."""

from __future__ import annotations

import json

from reconciler.gcp import policy
from tests.sandbox import gcs
from tests.sandbox.calls import Cloud

USER = "roles/storage.objectUser"


def test_objects_are_made_and_read_below_the_folder_alone(cloud: Cloud) -> None:
    """By every way an object comes in; names are listed everywhere, as a list is of the bucket."""
    bucket, email = gcs.made(cloud, "lake"), cloud.account("writer")
    where = f"/storage/v1/b/{bucket}/iam"
    before = cloud.ok("GET", f"{where}?optionsRequestedPolicyVersion=3")
    field = policy.grant(USER, f"serviceAccount:{email}", f"gs://{bucket}/mlflow/prod")
    cloud.ok("PUT", where, policy.merged(before, {field: policy.GRANTED}))
    seen = cloud.ok("GET", f"{where}?optionsRequestedPolicyVersion=3")
    assert policy.grants_of(seen)[field] == policy.GRANTED
    writer = cloud.bearer(email)
    assert gcs.put(cloud, bucket, "secret").status == 200
    assert gcs.put(writer, bucket, "mlflow/prod/1/model").status == 200
    assert writer.get(f"/storage/v1/b/{bucket}/o/mlflow%2Fprod%2F1%2Fmodel?alt=media").body == b"x"
    assert writer.get(f"/storage/v1/b/{bucket}/o?prefix=mlflow/").status == 200
    for name in ("secret", "mlflow/production", "mlflow/other/model"):
        status, _, message = gcs.refusal(gcs.put(writer, bucket, name))
        assert (status, "storage.objects.create access" in message) == (403, True)
        assert (
            writer.call(
                "PUT", f"/{bucket}/{name}", raw=b"y", headers={"Host": "storage.googleapis.com"}
            ).status
            == 403
        )
    assert writer.get(f"/storage/v1/b/{bucket}/o/secret?alt=media").status == 403
    begun = writer.post(f"/upload/storage/v1/b/{bucket}/o?uploadType=resumable", {"name": "secret"})
    assert begun.status in (200, 403)
    if begun.status == 200:
        session = begun.headers["location"].partition(f":{cloud.port}")[2]
        assert writer.call("PUT", session, raw=b"z").status == 403
    assert cloud.get(f"/storage/v1/b/{bucket}/o/secret?alt=media").body == b"x"
    assert json.dumps(cloud.ok("GET", f"/storage/v1/b/{bucket}/o")).count('"storage#object"') == 2
