"""The options that every command has."""

from pathlib import Path
from typing import Annotated

import typer

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.repository.layout import parse_id

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Else $CHOM_CONFIG, else ./chom.yaml.", show_default=False),
]
ServerOption = Annotated[
    str | None,
    typer.Option("--server", metavar="NAME", help="Of which server; optional where there is one.", show_default=False),
]
AllowUnencryptedOption = Annotated[
    bool,
    typer.Option(
        "--allow-unencrypted",
        help="Believe the backup that is named by its id, though it has no key and anybody may have made it.",
        show_default=False,
    ),
]
OffsiteOption = Annotated[
    bool,
    typer.Option("--offsite", help="Read the second copy, and nothing of the repository itself.", show_default=False),
]
ArchiveOption = Annotated[
    str,
    typer.Option(
        "--archive",
        metavar="MONTH",
        help="Of the second copy's archive, the backup of that month, as 2026-01.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="One JSON document on stdout instead of text.", show_default=False),
]


def refuse_unnamed(backup: str | None, *, allow_unencrypted: bool) -> None:
    """Raise ConfigurationError where --allow-unencrypted would hold for whichever backup is the latest, or for all."""
    if allow_unencrypted and parse_id(backup or "") is None:
        what = "--allow-unencrypted is for one backup, and none is named"
        raise ConfigurationError(what, "name it by its id, as `chom backups` lists it")
