"""What every part of the configuration has in common: frozen, no unknown keys, errors that know their key."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo
from pydantic_core import ErrorDetails


class ConfigModel(BaseModel):
    """A part of chom.yaml. Defaults are validated too: no default can be what a person may not write."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)


class AtKeyError(ValueError):
    """A contradiction between keys, reported at one of them: `key` is relative to the model that raises it."""

    def __init__(self, key: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.key = key


def said_of(detail: ErrorDetails) -> str:
    """What is wrong with a value: in the words of who raised it, else in pydantic's."""
    return str(detail.get("ctx", {}).get("error") or detail["msg"])


def _resolved(path: Path, info: ValidationInfo) -> Path:
    context = info.context if isinstance(info.context, Mapping) else {}
    return Path(context.get("directory", Path.cwd())) / path.expanduser()


ConfigPath = Annotated[Path, AfterValidator(_resolved)]
"""A path; a relative one starts where chom.yaml is, a `~` at home."""
