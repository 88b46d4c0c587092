"""Whether a transaction may change what is defined: a backup before it does not have the definitions then."""

from __future__ import annotations

from chom_pipelines.binlogs.format.statements import Does, Statement
from chom_pipelines.binlogs.format.transactions import Transaction


def may_redefine(transaction: Transaction) -> bool:
    """Whether it may change a definition or an account; of very many statements not all are known."""
    statements = transaction.statements
    if any(each.database == "mysql" for each in transaction.rows):
        return True
    harmless = all(each.temporary or _changes_rows(each) for each in statements)
    return not harmless or transaction.statement_count > len(statements)


def _changes_rows(statement: Statement) -> bool:
    """And none of the tables in which a server has accounts, programs and events."""
    if statement.does not in {Does.ROWS, Does.TRUNCATE}:
        return False
    return statement.database != "mysql" and "mysql" not in statement.text.lower()
