"""Large artifacts through the front door: a stock MLflow client without Google credentials, and a small server."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.conftest import QUICKSTART
from tests.environments import mlflow_pythons
from tests.image import machine
from tests.scenarios.command import Bench, plain_env, sandbox

MIB = 1024 * 1024
ROOM = 64 * MIB
"""What the server may need above its idle memory, whatever the artifact's size."""
ROUND_TRIP = """
import hashlib, pathlib, random, sys, mlflow
size, base = int(sys.argv[1]), random.Random(7).randbytes(1 << 20)
source, wanted = pathlib.Path("weights.bin"), hashlib.sha256()
with source.open("wb") as file:
    for number in range(size >> 20):
        block = number.to_bytes(8, "big") + base[8:]
        wanted.update(block)
        file.write(block)
with mlflow.start_run() as run:
    mlflow.log_artifact(str(source), "model")
source.unlink()
back = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="model/weights.bin", dst_path="back")
with open(back, "rb") as file:
    found = hashlib.file_digest(file, "sha256")
assert pathlib.Path(back).stat().st_size == size
assert found.hexdigest() == wanted.hexdigest()
pathlib.Path(back).unlink()
print(run.info.artifact_uri)
"""


@pytest.fixture(scope="module", name="bench")
def _bench() -> Generator[Bench]:
    """The quickstart in a sandbox of its own: instances of 512 MiB, which the sandbox enforces."""
    with sandbox() as bench:
        applied = bench.run("apply", "--sandbox", "--yes", QUICKSTART, timeout=600)
        assert applied.code == 0, applied.said
        yield bench


def login(bench: Bench) -> dict[str, str]:
    """What a client is told: address, user and password, and nothing else."""
    lines = bench.run("login", "--sandbox", QUICKSTART).out.splitlines()
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


@dataclass
class Watched:
    """Bytes that an instance held: its processes' shares of memory, and the files it wrote, which are memory, too."""

    idle: int
    peak: int

    @property
    def grown(self) -> int:
        """How far it rose."""
        return self.peak - self.idle


def instance_of(bench: Bench) -> tuple[int, Path]:
    """(process id, temporary folder) of the one server that runs in this sandbox."""
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            command = (proc / "cmdline").read_bytes().split(b"\0")
            named = dict(
                word.split("=", 1) for word in (proc / "environ").read_text().split("\0") if "=" in word
            )
        except (OSError, UnicodeDecodeError):
            continue
        ours = named.get("SSL_CERT_FILE", "").startswith(str(bench.home))
        if ours and "K_SERVICE" in named and "SERVING_RUN_DIR" not in named and b"serve" in command:
            return int(proc.name), Path(named["TMPDIR"])
    raise AssertionError("no server runs in this sandbox")


def _held(pid: int, folder: Path) -> int:
    files = 0
    for path in folder.rglob("*"):
        try:
            files += path.lstat().st_size
        except FileNotFoundError:
            continue
    return machine.memory(machine.descendants(pid)) + files


@contextmanager
def watching(bench: Bench) -> Generator[Watched]:
    """Look at the server ten times a second."""
    pid, folder = instance_of(bench)
    watched = Watched(*(_held(pid, folder),) * 2)
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            watched.peak = max(watched.peak, _held(pid, folder))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watched
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("mebibytes", [100, 1024])
def test_an_artifact_goes_up_and_comes_back_byte_for_byte(
    bench: Bench, tmp_path: Path, mebibytes: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """By `mlflow.log_artifact` and `download_artifacts` with all their defaults; the server hardly grows."""
    env = {**plain_env(), **login(bench), "HOME": str(tmp_path)}
    assert not [name for name in env if name.startswith(("GOOGLE_", "CLOUDSDK_")) or "PROXY" in name.upper()]
    assert {name for name in env if name.startswith("MLFLOW_")} - {"MLFLOW_RECONCILE_CACHE"} == {
        "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD",
    }
    command = [str(mlflow_pythons()[0]), "-c", ROUND_TRIP, str(mebibytes * MIB)]
    with watching(bench) as watched:
        ended = subprocess.run(
            command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
        )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "mlflow-artifacts:/" in ended.stdout
    with capsys.disabled():
        sys.stdout.write(
            f"\n{mebibytes} MiB up and down: idle {watched.idle / MIB:.0f} MiB, "
            f"peak {watched.peak / MIB:.0f} MiB, {watched.grown / MIB:.1f} MiB more\n"
        )
    assert watched.grown < ROOM


def test_an_upload_that_breaks_off_leaves_nothing_and_others_go_on(bench: Bench) -> None:
    """No object comes of a part; eight uploads side by side do not make the server grow either."""
    told = login(bench)
    address = f"{told['MLFLOW_TRACKING_URI']}/api/2.0/mlflow-artifacts/artifacts/broken"
    client = httpx.Client(
        auth=(told["MLFLOW_TRACKING_USERNAME"], told["MLFLOW_TRACKING_PASSWORD"]), timeout=300
    )

    def part() -> Iterator[bytes]:
        for _ in range(8):
            yield bytes(MIB)
        raise ConnectionAbortedError("the client has gone")

    with pytest.raises(ConnectionAbortedError):
        client.put(f"{address}/half.bin", content=part(), headers={"Content-Length": str(64 * MIB)})
    lost = client.get(f"{address}/half.bin")
    assert (lost.status_code, lost.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")

    def whole(number: int) -> int:
        content = number.to_bytes(1, "big") * (24 * MIB)
        assert client.put(f"{address}/{number}.bin", content=content).status_code == 200
        return int(client.get(f"{address}/{number}.bin").content == content)

    with watching(bench) as watched, ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(whole, range(8))) == 8
    assert watched.grown < ROOM
    listed = client.get(address.rpartition("/")[0], params={"path": "broken"}).json()["files"]
    assert [one["path"] for one in listed] == [f"{number}.bin" for number in range(8)]
