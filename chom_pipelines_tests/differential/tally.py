"""What a trial of random tables counts. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from chom_pipelines_tests.differential.documented import documented


@dataclass
class Tally:
    """What was tried, and what came of it; `findings` are differences and refusals that nothing documents."""

    tables: int = 0
    rows: int = 0
    ranges: int = 0
    refused_by_the_server: int = 0
    documented: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def found(self, what: str) -> None:
        """Sort what was found into what is documented and what is not."""
        reason = documented(what)
        if reason:
            self.documented.append(reason)
        else:
            self.findings.append(what)

    def add(self, other: Tally) -> None:
        """Count another database's in."""
        self.tables += other.tables
        self.rows += other.rows
        self.ranges += other.ranges
        self.refused_by_the_server += other.refused_by_the_server
        self.documented += other.documented
        self.findings += other.findings

    @property
    def summary(self) -> str:
        """All of it in a line."""
        return (
            f"{self.tables} tables ({self.refused_by_the_server} more that the server does not make), {self.rows} rows "
            f"in {self.ranges} ranges; {len(self.findings)} undocumented findings; documented: "
            f"{dict(Counter(self.documented))}"
        )
