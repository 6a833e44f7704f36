"""How the server ends: in order when asked, as a whole when a part dies, and never with anything left behind."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Generator

import pytest

from tests.image import machine
from tests.image.machine import Postgres, Server

MIB = 1024 * 1024
SOON = 5
"""Seconds in which a loaded machine does what an idle one does in one; less than the drain takes."""


@pytest.fixture
def lone_server(postgres: Postgres, search_path: str, migrated: str) -> Generator[Server]:
    """A server that a test may end."""
    with machine.started(["serve"], {"PATH": search_path, **postgres.variables(migrated)}) as server:
        server.wait_until_open()
        yield server


def begin_upload(server: Server, content: bytes, announced: int) -> socket.socket:
    """Send the head and the first bytes of an upload, and wait until MLflow has begun to write them."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=15)
    head = (
        "PUT /api/2.0/mlflow-artifacts/artifacts/slow HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{server.port}\r\nContent-Length: {announced}\r\n\r\n"
    )
    connection.sendall(head.encode() + content)
    artifacts = server.folder / "artifacts"
    machine.until(lambda: any(path.is_file() for path in artifacts.rglob("*")), 10)
    return connection


def test_an_upload_in_flight_is_finished(lone_server: Server) -> None:
    """After SIGTERM nobody new is let in, the upload that had begun ends well, and the exit code is 0."""
    content = os.urandom(2 * MIB)
    upload = begin_upload(lone_server, content[:MIB], len(content))
    lone_server.process.send_signal(signal.SIGTERM)
    machine.until(lambda: not machine.is_open(lone_server.port), 5)
    assert lone_server.process.poll() is None
    upload.sendall(content[MIB:])
    assert upload.recv(100).startswith(b"HTTP/1.1 200")
    assert lone_server.process.wait(SOON) == 0
    assert (lone_server.folder / "artifacts" / "slow").read_bytes() == content
    assert machine.left_over(lone_server.folder) == []


def test_an_endless_upload_is_cut_off_in_time(lone_server: Server) -> None:
    """What is not finished when Cloud Run's ten seconds are nearly over is cut off, and the exit code says so."""
    began = time.monotonic()
    with begin_upload(lone_server, b"x" * MIB, 2 * MIB):
        assert lone_server.stop() == 1
    assert 8 < time.monotonic() - began < 10
    assert "cut off" in lone_server.log()
    assert machine.left_over(lone_server.folder) == []


def test_idle_connections_do_not_delay_the_end(lone_server: Server) -> None:
    """Clients that keep their connections open, on both protocols, are let go at once."""
    with machine.client(lone_server) as one, machine.client(lone_server, http2=True) as two:
        assert one.get("/health").status_code == two.get("/health").status_code == 200
        began = time.monotonic()
        assert lone_server.stop() == 0
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize("part", ["entrypoint .mlflow", "nginx: master"])
def test_when_a_part_dies_the_whole_dies(lone_server: Server, part: str) -> None:
    """MLflow or nginx killed: soon everything has ended, with a code that is not zero."""
    pids = lone_server.processes()
    assert any("nginx: worker" in command for command in pids.values())
    os.kill(lone_server.part(part), signal.SIGKILL)
    assert lone_server.process.wait(SOON) == 128 + signal.SIGKILL
    assert "ended with 137" in lone_server.log()
    machine.until(lambda: machine.left_over(lone_server.folder) == [], SOON)
    assert not list(lone_server.folder.glob("mlflow-*"))


def test_when_the_supervisor_is_killed_its_parts_end(lone_server: Server) -> None:
    """Even killed outright, the supervisor leaves no process and no password file behind."""
    lone_server.process.kill()
    machine.until(lambda: machine.left_over(lone_server.folder) == [], SOON)
    assert not list(lone_server.folder.glob("mlflow-*"))


def test_asked_to_stop_during_the_start_it_stops(postgres: Postgres, search_path: str, migrated: str) -> None:
    """SIGTERM before the port is open ends it promptly and leaves nothing."""
    with machine.started(["serve"], {"PATH": search_path, **postgres.variables(migrated)}) as server:
        machine.until(lambda: len(server.processes()) > 1, 10)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < SOON
        assert machine.left_over(server.folder) == []
        assert not machine.is_open(server.port)


def test_a_port_in_use_is_said_at_once(postgres: Postgres, search_path: str, migrated: str) -> None:
    """Somebody else on the port: the reason is said before MLflow is started."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        variables = {"PATH": search_path, **postgres.variables(migrated), "PORT": str(other.getsockname()[1])}
        with machine.started(["serve"], variables) as server:
            assert server.process.wait(SOON) == 1
            assert "cannot be opened: Address already in use" in server.log()
