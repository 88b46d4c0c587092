"""What whoever reads a forged backup says of it: a restore, a verification, the checks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from chom_pipelines.backups.assessment import answers, read_again
from chom_pipelines.backups.verdicts import INTEGRITY, Verdict
from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.models import Encryption, Inventory, RepositoryConfig, Server
from chom_pipelines.inventory.secrets import SecretReference
from chom_pipelines.outcome import Outcome
from chom_pipelines.progress import unreported
from chom_pipelines.proofs.verification import verify
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.repository.proof import Level
from chom_pipelines.restores.restoring import restore_into_server
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines_tests.logical.taking import NAME
from chom_pipelines_tests.proofs.forgeries import KEYRING, Place, Scene
from chom_pipelines_tests.restores.live import state


def refusal(scene: Scene, entry: BackupEntry) -> str:
    """Why it is not restored over what is there, which stays as it is."""
    with pytest.raises(ChomError) as refused:
        restore_into_server(entry, KEYRING, scene.server.root, RestoreRequest(replace=True, threads=2), unreported)
    assert state(scene.server.root, scene.server.flavour) == scene.rows
    return refused.value.what


def integrity(place: Place, name: str = NAME, *, reading: bool = False) -> Verdict:
    """What the check says of the newest backup; `reading`, as it does when it is executed by itself."""
    keys = place.root.with_name("keys.json")
    KEYRING.save(keys)
    server = Server(name=name, socket=Path("/nowhere"), user="nobody")
    repository = RepositoryConfig(path=place.root, encryption=Encryption(keys=SecretReference(file=keys)))
    inventory = Inventory(repository=repository, servers=(server,))
    if reading:
        read_again(inventory, inventory.server(), unreported)
    return answers(inventory, inventory.server(), datetime.now(UTC))[INTEGRITY]


def answered(place: Place) -> str:
    """What the check says of the newest backup, which is not that it passed."""
    verdict = integrity(place)
    assert verdict.outcome is not Outcome.PASSED
    return "\n".join((verdict.reason, *verdict.failures))


def verified(entry: BackupEntry) -> str:
    """What a verification says, which is not that it passed."""
    proof = verify(entry, Level.BASIC, KEYRING, unreported, threads=2)
    assert proof.outcome is not Outcome.PASSED
    return "\n".join((proof.reason, *proof.failures))
