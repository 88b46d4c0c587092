"""XA transactions that are prepared at a snapshot: no snapshot sees them, and what they did is in the log before it.

Both families hold up XA PREPARE, XA COMMIT and XA ROLLBACK as long as the lock of a snapshot holds up commits: what is
prepared then is exactly what is committed or rolled back behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chom_pipelines.errors import ConnectionFailedError, ServerError
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import ServerFacts

_REPLAY = "a replay onto it cannot go on where one of them is committed or rolled back"


@dataclass(frozen=True)
class Prepared:
    """Their ids, as the log writes them, `X'6162',X'',1`; None: the account may not ask, `refused` says what it got."""

    ids: tuple[str, ...] | None
    refused: str = ""

    @property
    def warning(self) -> str | None:
        """For people; None where nothing was prepared."""
        if self.ids is None:
            return f"whether XA transactions were prepared, which are not in this backup, is not known: {self.refused}"
        if not self.ids:
            return None
        return f"prepared XA transactions are not in this backup, and {_REPLAY}: {', '.join(self.ids)}"


def read_prepared(session: Session, facts: ServerFacts) -> Prepared:
    """Ask which there are, which MySQL tells only whom XA_RECOVER_ADMIN was granted. Raises ConnectionFailedError."""
    try:
        rows = session.dicts("XA RECOVER" if facts.is_mariadb else "XA RECOVER CONVERT XID")
    except ConnectionFailedError:
        raise
    except ServerError as error:  # MySQL says it by 1401, a fatal error in the transaction branch, which it is not
        hint = "" if facts.is_mariadb else "; it takes XA_RECOVER_ADMIN (chom check prints the GRANT)"
        return Prepared(None, f"{error.what}{hint}")
    return Prepared(tuple(_as_logged(row) for row in rows))


def _as_logged(row: Mapping[str, Any]) -> str:
    """Both servers show the two parts of an id as one, MariaDB as bytes and MySQL, when asked to, as digits."""
    data, length = row["data"], 2 * int(row["gtrid_length"])
    digits = data.hex() if isinstance(data, bytes) else str(data).removeprefix("0x").lower()
    return f"X'{digits[:length]}',X'{digits[length:]}',{row['formatID']}"
