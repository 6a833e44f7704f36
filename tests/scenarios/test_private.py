"""A database without a public address, and back: the way there, who else uses the network, who is let in at the door.

The tests are steps of one story, in order, on one deployment.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from reconciler import pipeline
from reconciler.change import Action
from reconciler.diff import diff, resolve
from reconciler.expand import expand
from reconciler.gcp import operations
from reconciler.gcp.cloud import Cloud
from reconciler.observe import observe
from reconciler.permissions import ASKED, ASKED_BEFORE
from reconciler.registry import BY_NAME, KINDS
from reconciler.resources import serviceusage_services
from reconciler.sandbox import acting, contact
from reconciler.server import networks
from reconciler.server.naming import Names, names_of
from reconciler.spec.deployment import Deployment
from reconciler.spec.load import load
from tests.environments import mlflow_pythons
from tests.relay import Passed, relay
from tests.scenarios.command import ROOT, Bench, Ended, plain_env, sandbox

PROJECT, REGION, NAME, DOMAIN = "mlflow-sandbox", "europe-west1", "mlflow-private", "mlflow.acme.example"
APIS = ("compute", "servicenetworking", "vpcaccess")
NETWORK = f"projects/{PROJECT}/global/networks/ml"
CONNECTED = "database_ip: private, egress: connector, network: ml, connector: {range: 10.8.0.0/28}"
DIRECT = "database_ip: private, network: ml"
PUBLIC = "database_ip: public"
IN_THE_WAY = ("compute.address", "compute.network", "servicenetworking.connection", "vpcaccess.connector")
CLIENT = """
import mlflow
mlflow.set_experiment("in private")
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.25)
    mlflow.log_text("seen", "note.txt")
assert mlflow.get_run(run.info.run_id).data.metrics == {"loss": 0.25}
assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/note.txt") == "seen"
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """The sandbox, and the folder of the one spec that changes from step to step."""

    bench: Bench
    folder: Path

    def spec(self, networking: str) -> str:
        """The spec with this *networking*, written down; its path."""
        text = (ROOT / "specs" / "quickstart.yaml").read_text().replace("mlflow-quickstart", NAME)
        path = self.folder / "mlflow.yaml"
        path.write_text(f"{text}networking: {{{networking}}}\n")
        return str(path)

    def apply(self, networking: str) -> tuple[str, list[Passed]]:
        """Apply it: what the plan said, and what was written, in order."""
        spec = self.spec(networking)
        with relay(self.bench.endpoint) as through:
            env = {"MLFLOW_RECONCILE_ENDPOINT": through.url}
            ended = self.bench.run("apply", "--yes", spec, env=env, timeout=600)
        assert ended.code == 0, ended.said
        return ended.out, through.writes

    def settled(self, networking: str) -> None:
        """Assert that nothing is left to do, and that a user can work."""
        planned, written = self.apply(networking)
        assert "No changes." in planned
        assert written == []
        proved = self.bench.run("verify", "--sandbox", self.spec(networking))
        assert proved.code == 0, proved.said

    def planned(self, networking: str, *options: str) -> Ended:
        """The plan."""
        return self.bench.run("plan", "--sandbox", *options, self.spec(networking))

    @property
    def cloud(self) -> Cloud:
        """The project in the sandbox."""
        cloud = Cloud(PROJECT, self.bench.endpoint)
        pipeline.look_at_project(cloud)
        return cloud


@pytest.fixture(scope="module", name="stage")
def _stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    """A project with the network ml, and in its peering the range of somebody else's database."""
    with sandbox() as bench:
        stage = Stage(bench, tmp_path_factory.mktemp("private"))
        contact.ask(
            urlsplit(bench.endpoint).port or 0, "POST", "/sandbox/v1/projects", {"projectId": PROJECT}
        )
        cloud = stage.cloud
        services = cloud.api("serviceusage", "v1").services()
        wanted = [f"{api}.googleapis.com" for api in APIS]
        services.batchEnable(parent=f"projects/{PROJECT}", body={"serviceIds": wanted}).execute()
        compute = cloud.api("compute", "v1")
        _done(
            stage,
            compute.networks().insert,
            project=PROJECT,
            body={"name": "ml", "autoCreateSubnetworks": False},
        )
        for name, cidr in (("ml", "10.20.0.0/24"), ("narrow", "10.21.0.0/28")):
            body = {"name": name, "network": NETWORK, "ipCidrRange": cidr}
            _done(stage, compute.subnetworks().insert, project=PROJECT, region=REGION, body=body)
        theirs = {
            "name": "theirs", "addressType": "INTERNAL", "purpose": "VPC_PEERING", "prefixLength": 20,
            "network": NETWORK,
        }  # fmt: skip
        _done(stage, compute.globalAddresses().insert, project=PROJECT, body=theirs)
        _connections(stage).create(
            parent="services/servicenetworking.googleapis.com",
            body={"network": _numbered(stage), "reservedPeeringRanges": ["theirs"]},
        ).execute()
        yield stage


def _done(stage: Stage, method: Callable[..., Any], **arguments: Any) -> None:
    """Carry a call of Compute Engine out and wait for its operation."""
    cloud = stage.cloud
    compute = cloud.api("compute", "v1")
    where = {key: arguments[key] for key in ("project", "region") if key in arguments}
    reader = compute.regionOperations() if "region" in where else compute.globalOperations()
    operations.await_operation(
        cloud, "preparing", operations.SHORT, method(**arguments).execute(),
        lambda name: reader.get(operation=name, **where).execute(), lambda _running: "",
    )  # fmt: skip


def _connections(stage: Stage) -> Any:
    return stage.cloud.api("servicenetworking", "v1").services().connections()


def _numbered(stage: Stage) -> str:
    return f"projects/{stage.cloud.project_number}/global/networks/ml"


def _ranges(stage: Stage) -> set[str]:
    """The ranges of the network's peering."""
    listed = _connections(stage).list(
        parent="services/servicenetworking.googleapis.com", network=_numbered(stage)
    )
    return {name for one in listed.execute().get("connections", []) for name in one["reservedPeeringRanges"]}


def _instance(stage: Stage) -> dict[str, Any]:
    return stage.cloud.api("sqladmin", "v1").instances().get(project=PROJECT, instance=NAME).execute()


def _addresses(stage: Stage) -> set[str]:
    return {one["type"] for one in _instance(stage)["ipAddresses"]}


def _place(written: list[Passed], method: str, part: str, last: bool = False) -> int:
    """When it was asked for: the position of the first (or last) write of the kind."""
    found = [n for n, one in enumerate(written) if one.method == method and part in unquote(one.path)]
    assert found, (method, part)
    return found[-1 if last else 0]


def _names(stage: Stage) -> tuple[Deployment, Names]:
    deployment = load(stage.folder / "mlflow.yaml")
    return deployment, names_of(deployment, stage.cloud.project_number)


def test_a_network_that_is_not_there_is_told_before_the_first_write(stage: Stage) -> None:
    """Exit code 5, the name, two ways out, and not one write."""
    spec = stage.spec("database_ip: private, network: nowhere")
    with relay(stage.bench.endpoint) as through:
        refused = stage.bench.run("apply", "--yes", spec, env={"MLFLOW_RECONCILE_ENDPOINT": through.url})
    assert (refused.code, through.writes) == (5, [])
    assert f"projects/{PROJECT}/global/networks/nowhere does not exist" in refused.err
    assert "gcloud compute networks create nowhere" in refused.err


def test_a_subnet_that_is_too_small_is_told_before_the_first_write(stage: Stage) -> None:
    """Instances of two revisions at a time would find no addresses in a /28."""
    spec = stage.spec(f"{DIRECT}, subnetwork: narrow")
    with relay(stage.bench.endpoint) as through:
        refused = stage.bench.run("apply", "--yes", spec, env={"MLFLOW_RECONCILE_ENDPOINT": through.url})
    assert (refused.code, through.writes) == (5, [])
    assert "subnetworks/narrow is not as it must be" in refused.err
    assert "64 at least" in refused.err


def test_a_private_database_is_reached_through_a_connector(stage: Stage) -> None:
    """Made in one apply, priced, and a user can work; the second apply writes nothing."""
    planned, _ = stage.apply(CONNECTED)
    assert "VPC connector, 2 x e2-micro $12.23" in planned
    assert _addresses(stage) == {"PRIVATE"}
    stage.settled(CONNECTED)


def test_mlflows_own_client_works_on_it(stage: Stage, tmp_path: Path) -> None:
    """A run, a metric and an artifact, from outside: only the database is private."""
    lines = stage.bench.run("login", "--sandbox", str(stage.folder / "mlflow.yaml")).out.splitlines()
    login = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    env = {**plain_env(), **login, "HOME": str(tmp_path)}
    command = [mlflow_pythons()[0], "-c", CLIENT]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]


def test_other_peoples_ranges_stay_in_the_peering(stage: Stage) -> None:
    """Ours is one more; made again after somebody took it out, theirs is still there."""
    ours = networks.range_name(_names(stage)[0])
    assert _ranges(stage) == {"theirs", ours}
    body = {"network": _numbered(stage), "reservedPeeringRanges": ["theirs"]}
    name = "services/servicenetworking.googleapis.com/connections/servicenetworking-googleapis-com"
    _connections(stage).patch(name=name, updateMask="reservedPeeringRanges", force=True, body=body).execute()
    drifted = stage.bench.run("drift", "--sandbox", stage.spec(CONNECTED))
    assert drifted.code == 2, drifted.said
    assert f"+ servicenetworking.connection/{ours}" in drifted.out
    stage.apply(CONNECTED)
    assert _ranges(stage) == {"theirs", ours}


@pytest.mark.parametrize("kind", IN_THE_WAY)
def test_each_kind_keeps_its_contract(stage: Stage, kind: str) -> None:
    """Observed as desired, read without a write, made again without a change."""
    with relay(stage.bench.endpoint) as through:
        cloud = Cloud(PROJECT, through.url)
        stage.spec(CONNECTED)
        deployment, names = _names(stage)
        project = pipeline.look_at_project(cloud)
        wanted = [
            desired
            for desired in expand(deployment, names, KINDS, serviceusage_services.ref(PROJECT))
            if desired.ref.kind == kind
        ]
        assert wanted
        before = observe(cloud, (desired.ref for desired in wanted), BY_NAME, project)
        changes = [diff(resolve(d, before), before.get(d.ref)) for d in wanted]
        assert [change for change in changes if change.action is not Action.KEEP] == []
        assert through.writes == []
        for desired in wanted:
            BY_NAME[kind].create(cloud, desired)
        cloud.forget()
        assert observe(cloud, (desired.ref for desired in wanted), BY_NAME, project) == before


def test_the_table_of_permissions_has_what_was_asked_for(stage: Stage) -> None:
    """What network, range, peering and connector were read and made with."""
    asked = {
        one["permission"]
        for one in acting.asked(stage.bench.home)
        if one["member"].startswith("user:operator")
    }
    networked = {one for one in asked if one.split(".")[0] in APIS}
    listed = {one for kind in IN_THE_WAY for one in ASKED[kind].all} | {
        "compute.subnetworks.get",
        *ASKED_BEFORE,
    }
    prepared = {"compute.networks.create", "compute.subnetworks.create", "compute.regionOperations.get"}
    assert networked - prepared - {"compute.networks.updatePolicy"} <= listed


def test_without_its_way_the_server_does_not_reach_the_database(stage: Stage) -> None:
    """Taken off the connector by hand, no new revision comes up; drift names it, and apply mends it."""
    services = stage.cloud.api("run", "v2").projects().locations().services()
    name = f"projects/{PROJECT}/locations/{REGION}/services/{NAME}"
    live = services.get(name=name).execute()
    del live["template"]["vpcAccess"]
    live["template"].pop("revision", None)
    services.patch(name=name, body=live).execute()
    cloud = stage.cloud
    broken = operations.await_state(
        cloud, "breaking", operations.RUN, lambda: services.get(name=name).execute(),
        lambda service: "rolling out" if service.get("reconciling") else "",
    )  # fmt: skip
    assert broken["terminalCondition"]["state"] == "CONDITION_FAILED"
    drifted = stage.bench.run("drift", "--sandbox", stage.spec(CONNECTED))
    assert "template.vpcAccess.connector: (not set) -> " in drifted.out
    stage.apply(CONNECTED)
    assert stage.bench.run("verify", "--sandbox", "--read-only", stage.spec(CONNECTED)).code == 0


def test_direct_egress_takes_the_connectors_place(stage: Stage) -> None:
    """The server moves first, the connector goes then, and nothing of it is left to pay for."""
    planned, written = stage.apply(DIRECT)
    assert "- vpcaccess.connector/" in planned
    assert "VPC connector, " not in planned
    assert _place(written, "PATCH", f"/services/{NAME}") < _place(written, "DELETE", "/connectors/")
    stage.settled(DIRECT)


def test_back_to_public_says_what_stays_for_good(stage: Stage) -> None:
    """The public address comes before the server leaves the network; the private one and the peering stay, and why."""
    planned, written = stage.apply(PUBLIC)
    assert "its private one stays for good" in planned
    assert "Google refuses to let it go for days" in planned
    assert _place(written, "PATCH", f"/instances/{NAME}") < _place(written, "PATCH", f"/services/{NAME}")
    assert _addresses(stage) == {"PRIVATE", "PRIMARY", "OUTGOING"}
    assert "theirs" in _ranges(stage)
    stage.settled(PUBLIC)


def test_a_database_open_to_everybody_is_drift_of_high_severity(stage: Stage) -> None:
    """Opened by hand, it is found, called what it is in every format, and closed."""
    settings = {
        "settingsVersion": _instance(stage)["settings"]["settingsVersion"],
        "ipConfiguration": {"authorizedNetworks": [{"value": "0.0.0.0/0"}]},
    }
    instances = stage.cloud.api("sqladmin", "v1").instances()
    instances.patch(project=PROJECT, instance=NAME, body={"settings": settings}).execute()
    spec = stage.spec(PUBLIC)
    text = stage.bench.run("drift", "--sandbox", spec)
    assert text.code == 2, text.said
    assert "!! HIGH severity" in text.out
    assert "1 of HIGH severity" in text.out
    found = json.loads(stage.bench.run("drift", "--sandbox", "--format", "json", spec).out)
    (change,) = [one for one in found["resource_changes"] if one["severity"]]
    assert (found["severity"], change["severity"]) == ("high", "high")
    assert change["address"] == f"sqladmin.instance/{NAME}"
    markdown = stage.bench.run("drift", "--sandbox", "--format", "markdown", spec).out
    assert "**high severity**, open to strangers" in markdown
    stage.apply(PUBLIC)
    assert not _instance(stage)["settings"]["ipConfiguration"].get("authorizedNetworks")


def test_public_to_private_keeps_the_server_reachable(stage: Stage) -> None:
    """Connector, then the server onto it, and only then the public address goes."""
    planned, written = stage.apply(CONNECTED)
    assert "takes the public address away, once the server has its way through the network" in planned
    moved = _place(written, "PATCH", f"/services/{NAME}")
    assert _place(written, "POST", "/connectors") < moved
    assert moved < _place(written, "PATCH", f"/instances/{NAME}", last=True)
    assert _addresses(stage) == {"PRIVATE"}
    stage.settled(CONNECTED)


def test_a_connector_grows_in_place_and_never_shrinks(stage: Stage) -> None:
    """One field, one PATCH; back again is refused with the way out, and so is another range."""
    larger = CONNECTED.replace("/28}", "/28, max_instances: 4}")
    planned, written = stage.apply(larger)
    assert "maxInstances: 3 -> 4" in planned
    assert [one.method for one in written] == ["PATCH"]
    elsewhere = CONNECTED.replace("10.8.0.0", "10.9.0.0").replace("/28}", "/28, max_instances: 4}")
    for networking, told in (
        (CONNECTED, "maxInstances cannot go down"),
        (elsewhere, "ipCidrRange cannot change"),
    ):
        refused = stage.bench.run("apply", "--sandbox", "--yes", stage.spec(networking))
        assert refused.code == 5, refused.said
        assert told in refused.err
        assert "apply egress: direct first" in refused.err


def _asked_for(stage: Stage, host: str = "", **headers: str) -> httpx.Response:
    """What a request from outside is answered, under a name of somebody's own or the service's."""
    status = json.loads(
        stage.bench.run("status", "--sandbox", "--format", "json", str(stage.folder / "mlflow.yaml")).out
    )
    named = {"Host": host} if host else {}
    return httpx.get(f"{status['on_this_machine']}/health", headers={**named, **headers}, timeout=60)


def test_internal_ingress_turns_the_internet_away(stage: Stage) -> None:
    """Google's 404 page under any name; verify says that it cannot prove the rest from here."""
    planned, _ = stage.apply(f"{PUBLIC}, ingress: internal, allowed_hosts: [{DOMAIN}]")
    assert "changes who can reach the server" in planned
    for host in ("", DOMAIN):
        refused = _asked_for(stage, host)
        assert refused.status_code == 404
        assert "was not found on this server" in refused.text
    proved = stage.bench.run("verify", "--sandbox", str(stage.folder / "mlflow.yaml"))
    assert proved.code == 1
    assert "ok   turns the internet away, as ingress internal asks" in proved.out
    assert "run this on a machine in the project's networks" in proved.err


def test_a_load_balancers_name_is_let_in_and_allowed(stage: Stage) -> None:
    """Through the load balancer, and only through it; MLflow takes the name that is listed, and no other."""
    stage.apply(f"{PUBLIC}, ingress: internal-and-load-balancer, allowed_hosts: [{DOMAIN}]")
    assert _asked_for(stage).status_code == 404
    assert _asked_for(stage, DOMAIN).status_code == 200
    assert _searched(stage, DOMAIN, f"https://{DOMAIN}") == 200
    assert _searched(stage, DOMAIN, "https://elsewhere.example") == 403
    assert _searched(stage, "elsewhere.example", "https://elsewhere.example") == 403


def _searched(stage: Stage, host: str, origin: str) -> int:
    """The status of the page's first request under *host*, sent by a page of *origin*, with the right login."""
    spec = str(stage.folder / "mlflow.yaml")
    lines = stage.bench.run("login", "--sandbox", spec).out.splitlines()
    login = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    answer = httpx.post(
        f"{login['MLFLOW_TRACKING_URI']}/ajax-api/2.0/mlflow/experiments/search",
        json={"max_results": 1},
        headers={"Host": host, "Origin": origin},
        auth=(login["MLFLOW_TRACKING_USERNAME"], login["MLFLOW_TRACKING_PASSWORD"]),
        timeout=60,
    )
    return answer.status_code


def test_destroy_keeps_the_peering_and_says_why(stage: Stage) -> None:
    """Without the option range and peering stay, with the reason; with it alone, the data that uses it is named."""
    spec = stage.spec(CONNECTED)
    refused = stage.bench.run("destroy", "--sandbox", "--delete-peering", "--yes", spec)
    assert refused.code == 1
    assert "goes with --delete-data" in refused.err
    gone = stage.bench.run("destroy", "--sandbox", "--delete-data", "--confirm", NAME, spec, timeout=600)
    assert gone.code == 0, gone.said
    assert "Google refuses to let it go for days after the last one is gone" in gone.out
    assert "servicenetworking.connection/" in gone.out.partition("Left in place: ")[2]
    assert _ranges(stage) == {"theirs", networks.range_name(load(spec))}


def test_the_peering_goes_when_asked_and_others_keep_theirs(stage: Stage) -> None:
    """Only our range leaves it; what somebody else reserved stays connected."""
    spec = stage.spec(CONNECTED)
    options = ("--delete-data", "--delete-peering", "--confirm", NAME)
    gone = stage.bench.run("destroy", "--sandbox", *options, spec)
    assert gone.code == 0, gone.said
    assert _ranges(stage) == {"theirs"}
    again = stage.bench.run("destroy", "--sandbox", "--dry-run", *options, spec)
    assert again.code == 0, again.said
