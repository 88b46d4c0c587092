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
from chom_pipelines.repository.codecs import ELSEWHERE

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
        lines = ["{"]
        for name, value in document.model_dump(mode="json", warnings="error").items():
            if isinstance(value, list) and value:
                items = ",\n".join("  " + json.dumps(item, ensure_ascii=False) for item in value)
                lines.append(f' "{name}": [\n{items}\n ],')
            else:
                lines.append(f' "{name}": {json.dumps(value, ensure_ascii=False)},')
        return self._sealed("\n".join([*lines, ""]).encode(), mac_key)

    def peek(self, data: bytes, where: str) -> dict[str, Any]:
        """The document as plain JSON, not yet authenticated: to find the key that it names.

        Raises DamagedError where it is no such document, UnknownFormatError where it is of another format.
        """
        try:
            body = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise DamagedError(f"{where}: the {self.name} is not JSON ({error})", ELSEWHERE) from error
        if not isinstance(body, dict) or "format" not in body:
            raise DamagedError(f"{where}: the {self.name} has no format", ELSEWHERE)
        if body["format"] != self.format:
            message = f"{where}: the {self.name} is of format {body['format']!r}; this version reads {self.format}"
            raise UnknownFormatError(message, "use the version of chom that wrote it, or a newer one")
        return body

    def unseal(self, data: bytes, mac_key: bytes | None, where: str) -> Model:
        """Check the seal and parse.

        Raises DamagedError where the document is not what was written, or UnknownFormatError.
        """
        body = self.peek(data, where)
        text = data[: max(data.rfind(b"\n" + _MARK) + 1, 0)]
        if not hmac.compare_digest(self._sealed(text, mac_key), data):
            message = f"{where}: the {self.name} is not what was written (its seal does not match)"
            raise DamagedError(message, ELSEWHERE)
        del body["seal"]
        try:
            return self.model.model_validate(body)
        except ValidationError as error:
            first = error.errors()[0]
            message = f"{where}: the {self.name} is wrong at {'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise DamagedError(message, ELSEWHERE) from error

    def _sealed(self, text: bytes, mac_key: bytes | None) -> bytes:
        if mac_key is None:
            seal = "sha256:" + hashlib.sha256(text).hexdigest()
        else:
            seal = "hmac-sha256:" + hmac.digest(mac_key, self.name.encode() + b":" + text, "sha256").hex()
        return text + _MARK + f'{seal}"\n}}\n'.encode()
