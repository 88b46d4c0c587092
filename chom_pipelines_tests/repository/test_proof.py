from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chom_pipelines.errors import DamagedError
from chom_pipelines.repository.proof import DOCUMENT, Level, Outcome, Proof
from chom_pipelines_tests.repository.samples import KEY, a_proof

PROOF = a_proof()


def test_a_sealed_proof_comes_back() -> None:
    assert DOCUMENT.unseal(DOCUMENT.seal(PROOF, KEY.mac), KEY.mac, "here") == PROOF


@given(st.sampled_from([None, KEY.mac]), st.data())
def test_an_edited_proof_is_not_believed(mac_key: bytes | None, data: st.DataObject) -> None:
    whole = bytearray(DOCUMENT.seal(PROOF, mac_key))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedError):
        DOCUMENT.unseal(bytes(whole), mac_key, "here")


@pytest.mark.parametrize(
    "changes",
    [
        {"failures": ("data/a.zst",)},
        {"reason": "the scratch server did not start"},
        {"scratch": None},
        {"outcome": Outcome.FAILED},
        {"outcome": Outcome.NOT_VERIFIED, "failures": ("data/a.zst",)},
    ],
)
def test_a_false_green_or_a_red_without_a_reason_cannot_be_built(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"passe[ds]|needs a reason"):
        Proof(**{**PROOF.model_dump(), **changes})


def test_a_basic_verification_passes_without_a_scratch_server() -> None:
    proof = Proof(**{**PROOF.model_dump(), "level": Level.BASIC, "scratch": None})
    assert proof.outcome is Outcome.PASSED
    assert proof.seconds == 2.0
