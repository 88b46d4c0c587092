"""`chom`: finds the command, imports only its module, and turns errors into messages and exit codes."""

import logging
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, NamedTuple, NoReturn

import typer
from typer.core import TyperGroup

from chom_pipelines import __version__
from chom_pipelines.cli import output
from chom_pipelines.errors import ChomError

_INTERRUPTED = 130
_TERMINATED = 143


class _Command(NamedTuple):
    """A module of this folder with a Typer `app`, and what it does in a line."""

    module: str
    help: str


COMMANDS = {
    "check": _Command("check", "Preflight: configuration, server, privileges, programs, repository, keys."),
    "backup": _Command("backup", "Take a backup."),
    "backups": _Command("backups", "List backups, and how each was last proved."),
    "events": _Command("events", "Find drops, truncations and large changes, and where to restore to."),
    "stream": _Command("stream", "Archive the binary log continuously: a service, with seconds at stake."),
    "rescue": _Command("rescue", "One table as of then beside the live one, and the SQL that puts its rows back."),
    "drill": _Command("drill", "Restore a random second by two ways, and compare them."),
    "windows": _Command("windows", "List every interval that can be restored to, and the gaps."),
    "verify": _Command("verify", "Prove backups: every byte decoded, or restored and compared."),
    "restore": _Command("restore", "Restore into a server, a directory or a database."),
    "prune": _Command("prune", "Delete backups and logs that the retention no longer keeps."),
    "offsite": _Command("offsite", "Push the second copy, prove it, and bring it back."),
    "migration": _Command("migration", "Know what pending migrations will do to a database before they do it."),
    "exporter": _Command("exporter", "Serve metrics of servers, backups and migrations for Prometheus."),
    "deploy-check": _Command("deploy_check", "For deploy pipelines: have Dagster check pending migrations, and wait."),
    "monitor": _Command("monitor", "Look at a server live: its work, locks, statements, tables and backups."),
    "benchmark": _Command("benchmark", "Measure compression and restores on private servers; keep a report."),
    "keys": _Command("keys", "Generate, rotate and list the master keys of encrypted backups."),
    "demo": _Command("demo", "A private server with sample data, backed up and restored before your eyes."),
}
"""What `chom` knows. Registering a command is a line here."""


class _LazyGroup(TyperGroup):
    """Knows names and helps; a command's module is imported when that command is called or completed."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:  # noqa: ANN401  (Typer's)
        name, _, rest = super().resolve_command(ctx, args)
        if name is None:
            return None, None, rest
        module = import_module(f"chom_pipelines.cli.{COMMANDS[name].module}")
        return name, typer.main.get_command(module.app), rest

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  (Typer's)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(_INTERRUPTED) from None


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chom {__version__}")
        raise typer.Exit


def _chom(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version.", show_default=False),
    ] = False,
) -> None:
    """Backups of MySQL and MariaDB that are proved by restoring them.

    Exit codes: 0 done and proved; 1 failed or refused; 2 usage or configuration; 3 could not be determined.
    """


def _app() -> typer.Typer:
    app = typer.Typer(name="chom", cls=_LazyGroup, no_args_is_help=True, rich_markup_mode=None, callback=_chom)
    for name, command in COMMANDS.items():
        app.command(name, help=command.help, short_help=command.help)(lambda: None)
    return app


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    for quiet in ("botocore", "azure", "google"):  # they tell every request, and where they have found credentials
        logging.getLogger(quiet).setLevel(logging.WARNING)
    logging.getLogger("azure.identity").setLevel(logging.ERROR)  # what each source of credentials said is no warning
    signal.signal(signal.SIGTERM, _terminated)
    command = typer.main.get_command(_app())
    try:
        command.main(args=arguments, prog_name="chom")
    except ChomError as error:
        output.failure(error, arguments)
        sys.exit(error.exit_code)
    sys.exit(0)


def _terminated(number: int, frame: object) -> NoReturn:
    """So that what is half-done is cleaned up, and children are ended."""
    del number, frame
    sys.exit(_TERMINATED)


if __name__ == "__main__":  # `python -m chom_pipelines.cli.main`, too
    main()
