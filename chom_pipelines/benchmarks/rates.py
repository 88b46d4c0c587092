"""All that tells how long restores of a server take: what was measured of its own, and its benchmarks."""

from __future__ import annotations

from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.repository import Repository
from chom_pipelines.restores.measured import own_rates
from chom_pipelines.restores.predicting import Rate


def known_rates(repository: Repository, server: str, keyring: Keyring | None) -> tuple[Rate, ...]:
    """Read them; what cannot be believed is left out. Raises RepositoryError where the repository cannot be listed."""
    # the models of reports take as long to import as a small restore's plan: only who asks waits for them
    from chom_pipelines.benchmarks.kept_reports import kept_reports
    from chom_pipelines.benchmarks.predicting import rates

    return (*own_rates(repository, server, keyring), *rates(kept_reports(repository, server).reports))
