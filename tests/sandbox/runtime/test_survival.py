"""What is left after a sandbox stopped, or was killed: everything, as soon as the next one runs."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from reconciler.sandbox import contact, control
from reconciler.sandbox.runtime import postgres
from reconciler.sandbox.store import Store
from tests.sandbox.calls import APIS, Cloud, new_project
from tests.sandbox.conftest import free_port
from tests.sandbox.services.pushed import REGION, finished, local, tiny_image

INSTANCE = "/v1/projects/{P}/instances"


@pytest.fixture(name="lived")
def _lived() -> Generator[tuple[Path, Cloud]]:
    """A home whose sandbox has a service with one instance always up, and a database."""
    folder = Path(tempfile.mkdtemp(prefix="mv", dir="/tmp"))
    folder.chmod(0o711)
    home = folder / "h"
    running = control.start(home, free_port(), "first-project").running
    cloud = new_project(running.port, *APIS)
    template = {"containers": [{"image": tiny_image(cloud)}], "scaling": {"minInstanceCount": 1}}
    services = f"/v2/projects/{{P}}/locations/{REGION}/services"
    finished(cloud, cloud.ok("POST", f"{services}?serviceId=web", {"template": template}))
    everybody = {"role": "roles/run.invoker", "members": ["allUsers"]}
    cloud.ok("POST", f"{services}/web:setIamPolicy", {"policy": {"bindings": [everybody]}})
    settings = {"tier": "db-f1-micro", "edition": "ENTERPRISE"}
    body = {"name": "db", "region": REGION, "databaseVersion": "POSTGRES_16", "settings": settings}
    operation = cloud.ok("POST", INSTANCE, body)
    while operation["status"] != "DONE":
        operation = cloud.ok("GET", f"/v1/projects/{{P}}/operations/{operation['name']}")
    cloud.ok("POST", f"{INSTANCE}/db/databases", {"name": "kept"})
    yield home, cloud
    control.stop(home)
    shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return False


def _databases(cloud: Cloud) -> list[str]:
    return [one["name"] for one in cloud.ok("GET", f"{INSTANCE}/db/databases")["items"]]


def _moved(home: Path) -> int:
    """Write down another port for the only service: one outside of those that sandboxes choose from, as other tests'
    sandboxes may take the one it had.
    """
    store, port = Store(home / "state.db"), free_port()
    ((name, body),) = store.list("run.service")
    store.put("run.service", name, {**body, "localPort": port})
    store.close()
    return port


def test_after_a_stop_nothing_runs_and_after_a_start_everything_does(lived: tuple[Path, Cloud]) -> None:
    """At the local address that is written down, too."""
    home, cloud = lived
    before = local(cloud, "web").json["pid"]
    assert control.stop(home)
    assert not _alive(before)
    assert not postgres.running(postgres.cluster(home, cloud.project, REGION, "db"))
    address = f"http://127.0.0.1:{_moved(home)}"
    control.start(home)
    assert local(cloud, "web").json["pid"] != before
    assert [one["local_url"] for one in cloud.ok("GET", "/sandbox/v1/status")["services"]] == [address]
    assert _databases(cloud) == ["kept", "postgres"]


def test_a_killed_sandbox_is_no_reason_to_lose_anything(lived: tuple[Path, Cloud]) -> None:
    """What it left running is ended or taken over by the next one."""
    home, cloud = lived
    before = local(cloud, "web").json["pid"]
    running = control.status(home)
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    assert contact.gone(running.pid, 10)
    control.start(home)
    after = local(cloud, "web").json["pid"]
    assert after != before
    assert not _alive(before)
    assert _databases(cloud) == ["kept", "postgres"]


def test_a_reset_ends_what_a_killed_sandbox_left(lived: tuple[Path, Cloud]) -> None:
    """Neither container nor PostgreSQL outlives the files it works on."""
    home, cloud = lived
    container = local(cloud, "web").json["pid"]
    cluster = postgres.cluster(home, cloud.project, REGION, "db")
    server = int((cluster.data / "postmaster.pid").read_text().split()[0])
    running = control.status(home)
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    assert contact.gone(running.pid, 10)
    assert control.reset(home)
    assert (_alive(container), _alive(server)) == (False, False)
    assert not cluster.files.exists()


def test_a_stop_ends_what_a_killed_sandbox_left(lived: tuple[Path, Cloud]) -> None:
    """It says so, nothing runs afterwards, a second stop finds nothing, and the state is kept."""
    home, cloud = lived
    container = local(cloud, "web").json["pid"]
    cluster = postgres.cluster(home, cloud.project, REGION, "db")
    running = control.status(home)
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    assert contact.gone(running.pid, 10)
    assert (_alive(container), postgres.running(cluster)) == (True, True)
    assert control.stop(home) is True
    assert (_alive(container), postgres.running(cluster)) == (False, False)
    assert control.stop(home) is False
    control.start(home)
    assert local(cloud, "web").status == 200
    assert _databases(cloud) == ["kept", "postgres"]
