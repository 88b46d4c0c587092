from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chom_pipelines.errors import DamagedError
from chom_pipelines.outcome import Outcome
from chom_pipelines.repository.proof import DOCUMENT, Comparison, Level, Means, Proof, Subject
from chom_pipelines_tests.repository.samples import KEY, a_proof

PROOF = a_proof()
READ = PROOF.comparisons[0]


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
        {"comparisons": ()},
        {"comparisons": (READ,)},
        {"comparisons": (READ, PROOF.comparisons[1].model_copy(update={"count": 0}))},
        {"comparisons": (PROOF.comparisons[1],)},
        {"comparisons": (READ.model_copy(update={"count": 0}), PROOF.comparisons[1])},
        {"outcome": Outcome.FAILED},
        {"outcome": Outcome.NOT_VERIFIED, "failures": ("data/a.zst",)},
    ],
)
def test_a_false_green_or_a_red_without_a_reason_cannot_be_built(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"passe[ds]|needs a reason"):
        Proof(**{**PROOF.model_dump(), **changes})


def test_a_basic_verification_passes_without_a_scratch_server() -> None:
    proof = Proof(**{**PROOF.model_dump(), "level": Level.BASIC, "scratch": None, "comparisons": (READ,)})
    assert proof.outcome is Outcome.PASSED
    assert proof.seconds == 2.0


def test_a_replay_and_pages_are_proofs_like_any_other() -> None:
    replayed = Comparison(subject=Subject.TRANSACTIONS, means=Means.REPLAYED, against="the canary table", count=7)
    pages = Comparison(subject=Subject.PAGES, means=Means.RESTORED, against="their checksums", count=900)
    for comparison in (replayed, pages):
        proof = Proof(**{**PROOF.model_dump(), "comparisons": (READ, comparison)})
        assert DOCUMENT.unseal(DOCUMENT.seal(proof, None), None, "here") == proof
        assert proof.count(comparison.subject) == comparison.count


def test_what_was_compared_in_two_ways_counts_by_the_one_that_goes_further() -> None:
    read = Comparison(subject=Subject.TABLES, means=Means.READ, against="the dump", count=5)
    proof = Proof(**{**PROOF.model_dump(), "comparisons": (*PROOF.comparisons, read)})
    assert (proof.count(Subject.TABLES), proof.count(Subject.TABLES, Means.READ)) == (2, 5)
    assert proof.count(Subject.PAGES) is None
