"""Process groups and their logs."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from reconciler.sandbox.runtime import processes
from reconciler.sandbox.runtime.processes import BoundedLog, Group

CHILDREN = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
orphan = os.fork()
if orphan == 0:
    os.setpgid(0, 0)
    time.sleep(600)
print("ready", child.pid, orphan, flush=True)
time.sleep(600)
"""


class _Lines:
    """A log that can be waited for."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._more = threading.Condition()

    def __call__(self, line: str) -> None:
        with self._more:
            self.all.append(line)
            self._more.notify_all()

    def wait_for(self, start: str) -> str:
        with self._more:
            assert self._more.wait_for(lambda: any(line.startswith(start) for line in self.all), 20)
            return next(line for line in self.all if line.startswith(start))


def _start(folder: Path, code: str, log: _Lines, **env: str) -> Group:
    folder.mkdir(exist_ok=True)
    return processes.start(
        [sys.executable, "-u", "-c", code], {"PATH": os.defpath, **env}, folder, folder, log
    )


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
    except OSError:
        return False


def test_stopping_ends_everything_that_was_started(top: Path) -> None:
    """Children, and a process that moved to a group of its own."""
    log = _Lines()
    group = _start(top / "i", CHILDREN, log)
    pids = [int(word) for word in log.wait_for("ready").split()[1:]]
    assert processes.stop(group, grace=5) == -signal.SIGTERM
    assert all(_gone(pid) for pid in pids)


def test_who_does_not_end_is_killed_after_the_grace(top: Path) -> None:
    """SIGTERM may be ignored, SIGKILL may not."""
    log = _Lines()
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); time.sleep(600)"
    )
    group = _start(top / "i", code, log)
    log.wait_for("ready")
    assert processes.stop(group, grace=0.2) == -signal.SIGKILL


def test_who_ends_in_order_gives_its_own_code(top: Path) -> None:
    """The first process is asked alone, so that it can end its parts in order."""
    log = _Lines()
    code = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))"
    code += "; print('ready'); time.sleep(600)"
    group = _start(top / "i", code, log)
    log.wait_for("ready")
    assert processes.stop(group) == 3


def test_the_environment_is_exactly_what_was_given(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python itself adds LC_CTYPE, nothing else does."""
    monkeypatch.setenv("LEAK", "1")
    log = _Lines()
    _start(top / "i", "import os; print('env', sorted(set(os.environ) - {'LC_CTYPE'}))", log, A="1")
    assert log.wait_for("env") == "env ['A', 'PATH']"


def test_a_next_sandbox_ends_what_a_killed_one_left(top: Path) -> None:
    """Found by number and time of birth; a record of somebody else's number harms nobody."""
    log = _Lines()
    group = _start(top / "i", CHILDREN, log)
    pids = [group.pid, *(int(word) for word in log.wait_for("ready").split()[1:])]
    other = top / "other"
    other.mkdir()
    (other / "process.json").write_text(f'{{"pid": {os.getpid()}, "born": "some other day"}}')
    processes.end_left_overs(top)
    assert group.exited.wait(10)
    assert all(_gone(pid) for pid in pids)
    assert not list(top.glob("*/process.json"))


def test_memory_counts_all_processes_and_the_files_they_wrote(top: Path) -> None:
    """Cloud Run's file system is memory, too."""
    log = _Lines()
    (top / "i" / "tmp").mkdir(parents=True)
    code = (
        "import os, time\nheld = bytearray(b'x') * (64 << 20)\nopen('tmp/f', 'wb').write(bytes(32 << 20))\n"
        "if os.fork() == 0:\n    more = bytearray(b'y') * (32 << 20)\n    print('child')\n    time.sleep(600)\n"
        "print('parent')\ntime.sleep(600)"
    )
    group = _start(top / "i", code, log)
    log.wait_for("child")
    log.wait_for("parent")
    used = processes.memory(group) >> 20
    processes.kill(group)
    assert 128 <= used < 180


def test_a_log_is_bounded_and_its_tail_is_the_end(top: Path) -> None:
    """One earlier part is kept beside the current one."""
    log = BoundedLog(top / "logs" / "x.log", limit=1000)
    for number in range(200):
        log.write(f"line {number}")
    assert log.path.stat().st_size < 1100
    assert (top / "logs" / "x.log.1").stat().st_size < 1100
    assert log.tail(2).splitlines()[-1].endswith("line 199")


def test_a_program_that_cannot_be_loaded_is_an_error(top: Path) -> None:
    """Such as a script whose interpreter is missing."""
    script = top / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with pytest.raises(processes.StartError, match="failed to load"):
        processes.start([str(script)], {}, top, top, print)
