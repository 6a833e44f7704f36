"""Cloud Run's own agent pulls the image and enters the network: with its rights, not with the caller's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.calls import Cloud
from tests.sandbox.services.pushed import REGION, finished, tiny_image

PLACE = f"/v2/projects/{{P}}/locations/{REGION}"


@pytest.fixture(name="image")
def _image(cloud: Cloud) -> str:
    return tiny_image(cloud)


def _without(cloud: Cloud, role: str) -> None:
    """Take *role* from everybody in the project."""
    policy = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
    policy["bindings"] = [one for one in policy["bindings"] if one["role"] != role]
    cloud.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": policy})


def _deployed(cloud: Cloud, image: str, **template: Any) -> dict[str, Any]:
    body = {"template": {"containers": [{"image": image}], **template}}
    return finished(cloud, cloud.ok("POST", f"{PLACE}/services?serviceId=web", body))


def test_an_agent_that_may_not_read_the_image_says_so(cloud: Cloud, image: str) -> None:
    """Whoever took its role away is told whom to give it back; on the repository alone is enough."""
    _without(cloud, "roles/run.serviceAgent")
    agent = f"service-{cloud.number}@serverless-robot-prod.iam.gserviceaccount.com"
    refused = _deployed(cloud, image)["error"]["message"]
    assert (
        f"Google Cloud Run Service Agent {agent} must have permission to read the image, {image.partition(':')[0]}"
        in refused
    )
    repository = "/".join(
        ["projects", cloud.project, "locations", REGION, "repositories", image.split("/")[2]]
    )
    reader = {"role": "roles/artifactregistry.reader", "members": [f"serviceAccount:{agent}"]}
    cloud.ok("POST", f"/v1/{repository}:setIamPolicy", {"policy": {"bindings": [reader]}})
    cloud.ok("DELETE", f"{PLACE}/services/web")
    assert "error" not in _deployed(cloud, image)


def test_an_agent_that_may_not_use_the_subnetwork_finds_none(cloud: Cloud, image: str) -> None:
    """Not there and not allowed read alike."""
    cloud.enable("compute")
    network = {"name": "n", "autoCreateSubnetworks": False}
    cloud.ok("POST", "/compute/v1/projects/{P}/global/networks", network)
    subnetwork = {
        "name": "n",
        "ipCidrRange": "10.1.0.0/24",
        "network": f"projects/{cloud.project}/global/networks/n",
        "region": REGION,
    }
    cloud.ok("POST", f"/compute/v1/projects/{{P}}/regions/{REGION}/subnetworks", subnetwork)
    access = {"networkInterfaces": [{"network": "n", "subnetwork": "n"}], "egress": "PRIVATE_RANGES_ONLY"}
    _without(cloud, "roles/run.serviceAgent")
    agent = f"serviceAccount:service-{cloud.number}@serverless-robot-prod.iam.gserviceaccount.com"
    policy = cloud.ok("POST", "/v1/projects/{P}:getIamPolicy", {})
    policy["bindings"].append({"role": "roles/artifactregistry.reader", "members": [agent]})
    cloud.ok("POST", "/v1/projects/{P}:setIamPolicy", {"policy": policy})
    refused = _deployed(cloud, image, vpcAccess=access)["error"]["message"]
    assert "does not exist, or Cloud Run does not have permission to use it" in refused
