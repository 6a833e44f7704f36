"""Starting and stopping a sandbox, and what is in the way of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.sandbox import contact, control, source
from reconciler.sandbox.control import Running
from reconciler.sandbox.errors import SandboxError
from tests.sandbox.calls import Cloud


def test_start_says_whether_one_ran_already(home: Path, port: int) -> None:
    """The first start makes it, the second finds it; both know its endpoint."""
    first = control.start(home, port, "first-project")
    second = control.start(home, None, "second-project")
    assert (first.already, second.already) == (False, True)
    assert first.running.pid == second.running.pid
    assert second.running.endpoint == f"http://127.0.0.1:{port}"
    assert second.running.projects == ("first-project", "second-project")


def test_starts_at_the_same_time_make_one_sandbox(home: Path, port: int) -> None:
    """However many start it at once, one process runs."""
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(control.start, [home] * 4, [port] * 4))
    assert len({one.running.pid for one in started}) == 1
    assert sum(not one.already for one in started) == 1


def test_stop_waits_until_it_is_gone(home: Path, port: int) -> None:
    """Afterwards the port is free and nothing answers; stopping again does nothing."""
    control.start(home, port)
    assert control.stop(home) is True
    assert control.status(home) is None
    socket.create_server(("127.0.0.1", port)).close()
    assert control.stop(home) is False


def test_state_and_port_survive_a_restart_and_a_kill(home: Path, port: int) -> None:
    """What was made is there again, on the same port, also after kill -9."""
    running = control.start(home, port, "kept-project").running
    Cloud(port, "kept-project").enable("secretmanager")
    made = Cloud(port, "kept-project").post(
        "/v1/projects/{P}/secrets?secretId=s", {"replication": {"automatic": {}}}
    )
    assert made.status == 200
    os.kill(running.pid, signal.SIGKILL)
    assert contact.gone(running.pid, 10)
    again = control.start(home)
    assert again.already is False
    assert again.running.port == port
    assert Cloud(port, "kept-project").get("/v1/projects/{P}/secrets/s").json == made.json


def test_reset_forgets_everything_but_the_port(home: Path, port: int) -> None:
    """After it there are no projects; the folder keeps nothing of them."""
    control.start(home, port, "gone-project")
    assert control.reset(home) is True
    assert control.status(home) is None
    assert not (home / "state.db").exists()
    assert control.start(home).running.projects == ()
    assert json.loads((home / "sandbox.json").read_text()) == {"port": port}


def test_reset_leaves_foreign_folders_alone(tmp_path: Path) -> None:
    """A folder that no sandbox made is not emptied."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SandboxError, match="is not a sandbox's folder"):
        control.reset(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_a_taken_port_is_named(home: Path) -> None:
    """The message says which port, and the way out is --port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SandboxError, match=f"Port {port} cannot be used") as raised:
            control.start(home, port)
    assert "mlflow-reconcile sandbox start --port N" in raised.value.way_out


def test_a_port_of_another_sandbox_says_whose_it_is(home: Path, port: int, tmp_path: Path) -> None:
    """Two homes cannot share a port, and the second is told about the first."""
    control.start(home, port)
    with pytest.raises(SandboxError, match=f"belongs to the sandbox of {home}"):
        control.start(tmp_path / "other", port)
    with pytest.raises(SandboxError, match=f"already runs on port {port}"):
        control.start(home, port + 1)


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file in the way, or a disk that is read-only: one sentence and a way out."""
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file" / "home", Path("/proc/home")):
        with pytest.raises(SandboxError, match=f"cannot write in {home}") as raised:
            control.start(home)
        assert control.HOME_VARIABLE in raised.value.way_out


def test_an_impossible_project_is_told_at_the_start(home: Path, port: int) -> None:
    """The reason that the process gave is the reason that the caller gets."""
    with pytest.raises(SandboxError, match="'X' is no project id"):
        control.start(home, port, "X")
    control.start(home, port)
    with pytest.raises(SandboxError, match="'Y' is no project id"):
        control.start(home, None, "Y")


def test_a_second_process_on_one_home_refuses(home: Path, port: int) -> None:
    """Also in the foreground, two servers never share a state."""
    control.start(home, port)
    command = [sys.executable, "-m", "reconciler.sandbox", "--home", str(home), "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert f"A sandbox already runs on {home}." in ended.stderr


def test_a_stop_signal_ends_it_in_order(home: Path, port: int) -> None:
    """SIGTERM is as good as stop."""
    running = control.start(home, port).running
    os.kill(running.pid, signal.SIGTERM)
    assert contact.gone(running.pid, 20)


def test_env_prints_what_a_shell_needs(home: Path, port: int) -> None:
    """A shell that evaluates it has the endpoint, the proxy and the certificate; only comments concern Python."""
    with pytest.raises(SandboxError, match="No sandbox runs"):
        control.env(home)
    control.start(home, port, "some-project")
    variables = "$MLFLOW_RECONCILE_ENDPOINT $CLOUDSDK_PROXY_PORT $CLOUDSDK_CORE_PROJECT ${HTTPS_PROXY:-none}"
    script = f'eval "$1"; echo "{variables}"'
    plain = {"PATH": os.environ["PATH"]}
    command = ["sh", "-c", script, "sh", control.env(home)]
    said = subprocess.run(command, env=plain, capture_output=True, text=True, check=True).stdout
    assert said == f"http://127.0.0.1:{port} {port} some-project none\n"


def test_gcloud_works_on_the_newest_project_that_serves(tmp_path: Path) -> None:
    """A project with a service comes before a newer one without; a project that is asked for before both."""
    serving = ({"project": "b-serves"}, {"project": "a-serves"})
    running = Running(tmp_path, 1, 1, ("b-serves", "a-serves", "newest"), serving, "")
    chosen = {
        "newest serving": control.environment(running),
        "asked for": control.environment(running, "other"),
        "newest": control.environment(replace(running, services=())),
    }
    assert {why: one["CLOUDSDK_CORE_PROJECT"] for why, one in chosen.items()} == {
        "newest serving": "a-serves", "asked for": "other", "newest": "newest"
    }  # fmt: skip
    assert "CLOUDSDK_CORE_PROJECT" not in control.environment(replace(running, services=(), projects=()))


def test_the_newest_project_is_last(home: Path, port: int) -> None:
    """The status lists projects by age, not by name."""
    running = control.start(home, port, "z-project").running
    for project in ("m-project", "a-project"):
        control.add_project(running, project)
    found = control.status(home)
    assert found is not None
    assert found.projects == ("z-project", "m-project", "a-project")


def test_a_sandbox_of_other_code_is_started_anew(
    home: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an update the next start brings up the new code, with the state and on the port of before."""
    old = control.start(home, port, "kept-project").running
    assert old.source == source.fingerprint()
    monkeypatch.setattr(control, "fingerprint", lambda: "updated")
    started = control.start(home, project="new-project")
    assert (started.already, started.running.port) == (False, port)
    assert started.running.pid != old.pid
    assert contact.gone(old.pid, 1)
    assert started.running.projects == ("kept-project", "new-project")


def test_a_fingerprint_is_quick_and_of_the_code_alone() -> None:
    """It takes about 3 ms; the bound leaves room for a busy machine."""
    begin = time.monotonic()
    assert source.fingerprint() == source.fingerprint()
    assert time.monotonic() - begin < 0.2


def test_the_private_parts_of_a_home_are_private(home: Path, port: int) -> None:
    """State, keys, objects and logs can be read by their owner only."""
    control.start(home, port)
    modes = {
        name: (home / name).stat().st_mode & 0o077 for name in ("objects", "logs", "tls", "keys", "state.db")
    }
    assert set(modes.values()) == {0}


def test_starting_is_quick(home: Path, port: int) -> None:
    """It takes about 0.2 s; the bound leaves room for a busy machine."""
    begin = time.monotonic()
    control.start(home, port)
    assert time.monotonic() - begin < 3
