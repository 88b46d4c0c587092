"""Sealed documents: JSON that a person reads, and that cannot be changed unnoticed.

The seal is the last member. It covers every byte before its line, so that a shell checks it too:
`sed '/^ "seal": /,$d' manifest.json | sha256sum`, or where there is a data key
`{ printf manifest:; sed '/^ "seal": /,$d' manifest.json; } | openssl dgst -sha256 -mac HMAC -macopt hexkey:…`.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from chom_pipelines.errors import DamagedError, UnknownFormatError

Model = TypeVar("Model", bound=BaseModel)

_MARK = b' "seal": "'


@dataclass(frozen=True)
class SealedDocument(Generic[Model]):
    """A kind of document: what it is called, the format that this version knows, and its model with a `format`.

    With a MAC key the seal is an HMAC-SHA256; without one it is a plain SHA-256, which finds rot but not forgery.
    """

    name: str
    format: int
    model: type[Model]

    def seal(self, document: Model, mac_key: bytes | None) -> bytes:
        """Serialise with the seal; one item of a list on a line, so that grep and sed read it."""
        return self._sealed(_text_of(document.model_dump(mode="json", warnings="error")), mac_key)

    def peek(self, data: bytes, where: str) -> dict[str, Any]:
        """The document as plain JSON, not yet authenticated: to find the key that it names.

        Raises DamagedError where it is no such document, UnknownFormatError where it is of another format.
        """
        try:
            body = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise DamagedError(f"{where}: the {self.name} is not JSON ({error})") from error
        if not isinstance(body, dict) or "format" not in body:
            raise DamagedError(f"{where}: the {self.name} has no format")
        if body["format"] != self.format:
            message = f"{where}: the {self.name} is of format {body['format']!r}; this version reads {self.format}"
            older = isinstance(body["format"], int) and body["format"] < self.format
            remedy = "use the version of chom that wrote it" + ("" if older else ", or a newer one")
            raise UnknownFormatError(message, remedy)
        return body

    def authenticated(self, data: bytes, mac_key: bytes | None, where: str) -> dict[str, Any]:
        """The document as plain JSON, once its seal was checked.

        Raises DamagedError where the document is not what was written, or UnknownFormatError.
        """
        body = self.peek(data, where)
        text = data[: max(data.rfind(b"\n" + _MARK) + 1, 0)]
        if not hmac.compare_digest(self._sealed(text, mac_key), data):
            raise DamagedError(f"{where}: the {self.name} is not what was written (its seal does not match)")
        del body["seal"]
        return body

    def unseal(self, data: bytes, mac_key: bytes | None, where: str) -> Model:
        """Check the seal and parse; raises what `authenticated` raises."""
        return self.parse(self.authenticated(data, mac_key, where), where)

    def resealed(self, data: bytes, mac_key: bytes | None, where: str, **members: object) -> bytes:
        """The same document with other members of these names, and all else as it is; raises what `authenticated` does.

        Nothing is left out that a later version may have written.
        """
        body = {**self.authenticated(data, mac_key, where), **members}
        return self._sealed(_text_of(body), mac_key)

    def parse(self, body: dict[str, Any], where: str) -> Model:
        """The document from its JSON; raises DamagedError where that is not a whole one."""
        try:
            return self.model.model_validate(body)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise DamagedError(f"{where}: the {self.name} is wrong at {place}: {first['msg']}") from error

    def _sealed(self, text: bytes, mac_key: bytes | None) -> bytes:
        if mac_key is None:
            seal = "sha256:" + hashlib.sha256(text).hexdigest()
        else:
            seal = "hmac-sha256:" + hmac.digest(mac_key, self.name.encode() + b":" + text, "sha256").hex()
        return text + _MARK + f'{seal}"\n}}\n'.encode()


def _text_of(body: dict[str, Any]) -> bytes:
    """All before the seal."""
    return ("{\n" + "".join(f"{member},\n" for member in _members(body, " "))).encode()


def _members(body: dict[str, Any], indent: str) -> list[str]:
    return [f"{indent}{json.dumps(name)}: {_text(value, indent)}" for name, value in body.items()]


def _text(value: object, indent: str) -> str:
    """JSON with an item of a list on a line, and a member on a line of what holds such lists."""
    if isinstance(value, list) and value:
        items = ",\n".join(f"{indent} {json.dumps(item, ensure_ascii=False)}" for item in value)
        return f"[\n{items}\n{indent}]"
    if isinstance(value, dict) and any(isinstance(each, list) for each in value.values()):
        return "{\n" + ",\n".join(_members(value, indent + " ")) + f"\n{indent}}}"
    return json.dumps(value, ensure_ascii=False)
