"""What of a check is kept: its verdict, what it foretold, and production's schema before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from chom_pipelines.errors import ChomError
from chom_pipelines.inventory.models import Inventory, Server
from chom_pipelines.inventory.opening import keyring_of, repository_of
from chom_pipelines.migrations.findings import MigrationFinding, warning
from chom_pipelines.migrations.past import (
    Expected,
    KeptCheck,
    KeptRun,
    at_free_moment,
    keep_check,
    keep_schema,
    pace_of,
    past_runs,
)
from chom_pipelines.migrations.production import Production
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.repository import Repository

if TYPE_CHECKING:
    from chom_pipelines.migrations.checking import MigrationCheck, Planned


@dataclass(frozen=True)
class PastMigrations:
    """What is known of past migrations of a server; `repository` is None where there is none, as is told elsewhere."""

    repository: Repository | None
    keyring: Keyring | None
    runs: Sequence[KeptRun] = ()
    problem: str = ""

    @property
    def pace(self) -> float:
        """By how much this server takes longer than what was measured elsewhere."""
        return pace_of(self.runs)

    @classmethod
    def of(cls, inventory: Inventory, server: Server) -> PastMigrations:
        """Read it; what is wrong with it stops no check, and is its problem."""
        repository = repository_of(inventory.repository)
        try:
            if not repository.store.is_there():
                return cls(None, None)
            keyring = keyring_of(inventory.repository, server.backup)
            found = past_runs(repository, server.name)
            return cls(repository, keyring, found.runs, "; ".join(found.problems))
        except ChomError as problem:
            return cls(None, None, problem=problem.what)

    def keep(self, check: MigrationCheck, production: Production, started: datetime) -> Iterator[MigrationFinding]:
        """Keep a check; a warning where that cannot be done."""
        assert self.repository is not None  # noqa: S101  (nothing is kept where there is none)
        try:
            repository, keyring = self.repository, self.keyring
            started, (stored, key) = at_free_moment(
                repository,
                check.server,
                started,
                lambda moment: keep_schema(repository, check.server, moment, production.definitions, keyring),
            )
            keep_check(
                self.repository,
                KeptCheck(
                    server=check.server,
                    started=started,
                    on=check.on,
                    mode=check.mode.value,
                    outcome=check.outcome.value,
                    codes=tuple(check.codes),
                    pending=tuple(check.pending),
                    expected=tuple(_expected(check.plan)),
                    pace=check.pace,
                    digest=check.schema,
                    schema_sql=stored,
                    key=key,
                ),
            )
        except ChomError as problem:
            yield warning(
                "RB03",
                f"the schema before the deploy could not be kept: {problem.what}",
                why="`chom migration schema` cannot show it then",
                remedy=problem.remedy,
                object="repository",
            )


def _expected(plan: Sequence[Planned]) -> Iterator[Expected]:
    """Of each migration the times of its statements together; of one that has none, or fails, nothing."""
    for name in dict.fromkeys(each.step.migration for each in plan):
        steps = [each for each in plan if each.step.migration == name]
        known = [each.prediction for each in steps if each.prediction and each.step.is_structure]
        if len(known) == len(steps):
            least, most = sum(each.least for each in known), sum(each.most for each in known)
            copying = sum(each.copying for each in known)
            yield Expected(migration=name, least=round(least, 3), most=round(most, 3), copying=round(copying, 3))
