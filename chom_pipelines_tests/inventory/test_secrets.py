from pathlib import Path

import pytest
from pydantic import ValidationError

from chom_pipelines.errors import SecretUnavailableError
from chom_pipelines.inventory.secrets import SecretReference


def test_a_variable_is_read_when_it_is_revealed(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = SecretReference(env="CHOM_TEST_SECRET")
    monkeypatch.setenv("CHOM_TEST_SECRET", "s3cret")
    assert reference.reveal() == "s3cret"
    assert "s3cret" not in f"{reference} {reference!r} {reference.model_dump_json()}"


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(SecretUnavailableError, match=r"\$CHOM_TEST_UNSET is not set"):
        SecretReference(env="CHOM_TEST_UNSET").reveal()


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_is_read_without_the_newline_at_its_end(tmp_path: Path, end: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b" s3 cret \xc3\xa9" + end.encode())
    assert SecretReference(file=file).reveal() == " s3 cret é"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretUnavailableError, match="none: the secret cannot be read: No such file"):
        SecretReference(file=tmp_path / "none").reveal()


def test_a_file_that_is_not_text_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"s3cret\xff")
    with pytest.raises(SecretUnavailableError) as caught:
        SecretReference(file=file).reveal()
    assert caught.value.__cause__ is None
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("value", ["text", 1, {}, {"env": "A", "file": "b"}])
def test_anything_but_one_reference_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        SecretReference.model_validate(value)
