"""The command line's entry: finds the command, and turns every error into one message and its exit code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Any, NoReturn, cast

import click

from reconciler.cli.typed import as_typed
from reconciler.errors import Exit, ReconcileError

COMMANDS = {
    "init": "Write a commented spec to start from.",
    "validate": "Check specs against schema and rules; offline.",
    "plan": "Show what apply would do.",
    "apply": "Make Google Cloud what the spec says.",
    "adopt": "Take over what exists under the spec's names.",
    "drift": "Find what was changed behind the specs' back.",
    "verify": "Prove that a user can work with the server.",
    "status": "Show URL, health, versions and cost.",
    "login": "Print the settings that let a client or browser in.",
    "destroy": "Take the deployment away; data only when told twice.",
    "lease": "Show or break the claim that keeps two applies apart.",
    "sandbox": "A local Google Cloud to try all of this on.",
}


class Commands(click.Group):
    """Loads a command's module when it is called, so that `--help` and `validate` load no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of a deployment's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command called *cmd_name*, or None."""
        if cmd_name not in COMMANDS:
            return None
        module: Any = importlib.import_module(f"reconciler.cli.{cmd_name}_command")
        return cast("click.Command", module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list for `--help`, from the table: no command is loaded for it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mlflow-reconcile")
def commands() -> None:
    """One YAML spec describes an MLflow tracking server on Google Cloud; this makes it so, and keeps it so.

    Exit codes: 0 done or nothing to do, 1 unclassified, 2 differences, 3 wrong spec, 4 credentials or permission,
    5 refused by a protection, 6 stale plan or lease held, 7 partly applied, 8 interrupted, 9 out of time.
    """


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    code = _run()
    if code == Exit.INTERRUPTED:
        # A read may hang in its request for a minute; whoever pressed Ctrl-C does not wait for it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run() -> int:
    try:
        code = commands.main(standalone_mode=False)
        return code if isinstance(code, int) else Exit.OK
    except ReconcileError as error:
        return _tell(error.message, error.way_out, error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        # click makes an Abort of Ctrl-C too; only one that a question raised is known to come before any write.
        if isinstance(error.__cause__ or error, KeyboardInterrupt):
            again = "Run the same command again; it continues from here."
            return _tell("interrupted", again, Exit.INTERRUPTED)
        return _tell("interrupted; nothing was changed", "", Exit.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        return Exit.UNCLASSIFIED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.UNCLASSIFIED
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _tell(f"{place}{error.strerror or error}", "", Exit.UNCLASSIFIED)
    except Exception as error:  # a traceback would be a bug shown twice; the details are one variable away
        if os.environ.get("MLFLOW_RECONCILE_DEBUG"):
            traceback.print_exc()
        text = f"this is a bug in mlflow-reconcile: {type(error).__name__}: {error}"
        return _tell(text, "MLFLOW_RECONCILE_DEBUG=1 shows where; please report it.", Exit.UNCLASSIFIED)


def _tell(message: str, way_out: str, code: Exit) -> int:
    click.echo(f"error: {as_typed(message)}", err=True)
    if way_out:
        click.echo("\n".join(f"  {line}" for line in as_typed(way_out).splitlines()), err=True)
    return code


def _terminated(_signal: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM is the CI runner's Ctrl-C."""
    raise KeyboardInterrupt
