"""What the entrypoint's words mean. Nothing is imported before it is needed: the supervisor stays small for life."""

import os
import sys
from pathlib import Path

from . import environment
from .environment import BadEnvironment

USAGE = "usage: entrypoint [serve | migrate | retain]"


def run(entrypoint: str, words: list[str]) -> int:
    """Run the mode that the words name, and return the exit code. Modes with a dot are the server's own parts."""
    mode = words[0] if words else "serve"
    try:
        if mode == "serve":
            from . import supervisor

            return supervisor.serve(environment.read(os.environ), entrypoint)
        if mode == "migrate":
            from . import migrate

            database = environment.read_database(os.environ)
            administrator = environment.read_administrator(os.environ)
            return migrate.run(database, administrator, environment.read_provided(os.environ))
        if mode == "retain":
            from . import retain

            return retain.run(environment.read_retention(os.environ))
        if mode in (".mlflow", ".jobs", ".ready"):
            return _part(mode, Path(entrypoint))
    except BadEnvironment as bad:
        for finding in bad.findings:
            print(f"entrypoint: {finding}", file=sys.stderr)  # noqa: T201 -- a container speaks on stderr
        return environment.BAD_ENVIRONMENT
    print(f"entrypoint: {mode!r} is not a mode. {USAGE}", file=sys.stderr)  # noqa: T201 -- as above
    return environment.BAD_ENVIRONMENT


def _part(mode: str, entrypoint: Path) -> int:
    if mode == ".ready":
        from . import ready

        return ready.run(environment.read(os.environ), entrypoint.with_name("nginx.conf.template"))
    from . import mlflow_part

    return mlflow_part.serve() if mode == ".mlflow" else mlflow_part.run_jobs()
