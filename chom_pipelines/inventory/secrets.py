"""References to secrets: an environment variable or a file, read only when the secret is needed."""

import os

from pydantic import model_validator

from chom_pipelines.errors import SecretUnavailableError
from chom_pipelines.inventory.base import ConfigModel, ConfigPath


class SecretReference(ConfigModel):
    """`{env: NAME}` or `{file: PATH}`; it knows where the secret is, never what it is."""

    env: str | None = None
    file: ConfigPath | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_secret_in_the_file(cls, value: object) -> object:
        if not isinstance(value, cls) and not (isinstance(value, dict) and set(value) <= set(cls.model_fields)):
            message = "a secret is never in this file: write {env: NAME} or {file: PATH}"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _one_place(self) -> "SecretReference":
        if bool(self.env) == bool(self.file):
            message = "name one place: {env: NAME} or {file: PATH}"
            raise ValueError(message)
        return self

    def __str__(self) -> str:
        """Where it is, for messages."""
        return f"${self.env}" if self.env else str(self.file)

    def reveal(self) -> str:
        """The secret, without the newline that ends its file.

        Raises SecretUnavailableError where the variable is not set or the file cannot be read.
        """
        if self.file is None:
            try:
                return os.environ[self.env or ""]
            except KeyError as error:
                message = f"{self} is not set"
                raise SecretUnavailableError(message, f"export {self.env}, or use {{file: PATH}}") from error
        try:
            text = self.file.read_text(encoding="utf-8")
        except OSError as error:
            message = f"{self}: the secret cannot be read: {error.strerror}"
            raise SecretUnavailableError(message, "create it, readable by this user only (mode 0600)") from error
        except UnicodeDecodeError:  # not chained: the error would hold the file's bytes
            raise SecretUnavailableError(f"{self}: the secret is not UTF-8 text", "write it as text") from None
        return text.removesuffix("\n").removesuffix("\r")
