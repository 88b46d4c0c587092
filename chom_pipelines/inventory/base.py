"""What every part of the configuration has in common: frozen, no unknown keys, errors that know their key."""

import re
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


_MEMBER = re.compile(r"<\w+\.\w+: ('[^']*')>")


def said_of(detail: ErrorDetails) -> str:
    """What pydantic says of a value, in the words of chom.yaml: what is possible is told by values alone."""
    raised = detail.get("ctx", {}).get("error")
    return str(raised) if raised is not None else _MEMBER.sub(r"\1", detail["msg"])


def _resolved(path: Path, info: ValidationInfo) -> Path:
    context = info.context if isinstance(info.context, Mapping) else {}
    return Path(context.get("directory", Path.cwd())) / path.expanduser()


ConfigPath = Annotated[Path, AfterValidator(_resolved)]
"""A path; a relative one starts where chom.yaml is, a `~` at home."""
