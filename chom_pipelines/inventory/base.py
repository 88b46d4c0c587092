"""What every part of the configuration has in common: frozen, no unknown keys, errors that know their key."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

_WHOLE, _NUMBER, _LIST, _MAPPING = (
    "a whole number is needed",
    "a number is needed",
    "a list is needed: [one, another]",
    "keys and their values are needed below this key",
)


class ConfigModel(BaseModel):
    """A part of chom.yaml. Defaults are validated too: no default can be what a person may not write."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        """Refuse `level: yes`, which would be level 1."""
        if isinstance(value, bool) and (wanted := cls.model_fields[info.field_name or ""].annotation) in {int, float}:
            raise ValueError(_WHOLE if wanted is int else _NUMBER)
        return value


class AtKeyError(ValueError):
    """A contradiction between keys, reported at one of them: `key` is relative to the model that raises it."""

    def __init__(self, key: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.key = key


_SAID = {
    "int_parsing": _WHOLE,
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "bool_parsing": "true or false is needed",
    "bool_type": "true or false is needed",
    "string_type": "text is needed",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "path_type": "a path is needed",
    "invalid_key": "a key must be text: put it into quotes",
    "tuple_type": _LIST,
    "model_type": _MAPPING,
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "a number is needed",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}
"""Of pydantic's types of errors that chom.yaml can bring about, what a person has to know."""


def said_of(detail: ErrorDetails) -> str:
    """What is wrong with a value: in the words of who raised it, else in those for its type of error."""
    context = detail.get("ctx", {})
    if error := context.get("error"):
        return str(error)
    said = _SAID.get(detail["type"])
    return said.format_map(context) if said else detail["msg"]


def _resolved(path: Path, info: ValidationInfo) -> Path:
    context = info.context if isinstance(info.context, Mapping) else {}
    try:
        return Path(context.get("directory", Path.cwd())) / path.expanduser()
    except RuntimeError as error:
        raise ValueError("there is no such user: ~ and a name is a user's home directory") from error


ConfigPath = Annotated[Path, AfterValidator(_resolved)]
"""A path; a relative one starts where chom.yaml is, a `~` at home."""
