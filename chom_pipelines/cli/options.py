"""The options that every command has."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Else $CHOM_CONFIG, else ./chom.yaml.", show_default=False),
]
ServerOption = Annotated[
    str | None,
    typer.Option("--server", metavar="NAME", help="Of which server; optional where there is one.", show_default=False),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="One JSON document on stdout instead of text.", show_default=False),
]
