"""`python -m reconciler.sandbox --home DIR --port N [--project ID]`: the sandbox in the foreground."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from reconciler.sandbox.errors import SandboxError
from reconciler.sandbox.seeding import create_project
from reconciler.sandbox.server import CHECK, Server, build_world


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or POST /sandbox/v1/stop; 0 then, 1 with a message where it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m reconciler.sandbox")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--project", action="append", default=[])
    chosen = parser.parse_args(arguments)
    try:
        return _serve(chosen.home, chosen.port, chosen.project)
    except SandboxError as error:
        print(f"{error.message} {error.way_out}".strip(), file=sys.stderr)  # noqa: T201 -- this is a program's end
        return 1


def _serve(home: Path, port: int, projects: list[str]) -> int:
    os.umask(0o077)
    try:
        world = build_world(home.resolve(), port)
    except OSError as error:
        raise SandboxError(
            f"The sandbox cannot write in {home}: {error.strerror}.", "Choose another --home."
        ) from error
    for project in projects:
        try:
            create_project(world, project)
        except ValueError as error:
            raise SandboxError(f"{error}.", "Give another --project.") from error
    server = Server(world, strict=os.environ.get(CHECK, "1") != "0")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: server.stop())
    server.serve(lambda: print(f"The sandbox listens on 127.0.0.1:{port}.", flush=True))  # noqa: T201 -- for who runs it by hand
    return 0


if __name__ == "__main__":
    sys.exit(main())
