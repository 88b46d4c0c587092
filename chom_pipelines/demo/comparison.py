"""Whether a copy of the shop is one: asked of the database server itself, with none of the code that made the copy.

The live shop has moved on since the backup, so the copy must be what the shop was at one moment: tables that nobody
writes are equal, tables that only grow are equal up to the copy's end, and the sums that every transaction keeps hold.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from chom_pipelines.demo.shop import DATABASE
from chom_pipelines.server.connection import Session
from chom_pipelines.server.identifiers import literal, qualified

_UNTOUCHED = ("cache", "categories", "jobs", "migrations", "password_reset_tokens", "reviews", "users")
_GROWING = ("orders", "order_items")
_SUMS = {
    "every order's total is the sum of its items": """
        SELECT COUNT(*) FROM {orders} o LEFT JOIN
        (SELECT order_id, SUM(quantity * unit_price) AS total FROM {order_items} GROUP BY order_id) i
        ON i.order_id = o.id WHERE NOT o.total <=> i.total
    """,
    "every product's stock is what was stocked less what was sold": """
        SELECT COUNT(*) FROM {products} p LEFT JOIN
        (SELECT product_id, SUM(quantity) AS sold FROM {order_items} GROUP BY product_id) i
        ON i.product_id = p.id WHERE p.stocked - p.stock <> COALESCE(i.sold, 0)
    """,
    "every order has the one event that the trigger wrote": """
        SELECT COUNT(*) FROM {orders} o LEFT JOIN
        (SELECT order_id, COUNT(*) AS events FROM {order_events} GROUP BY order_id) e
        ON e.order_id = o.id WHERE NOT e.events <=> 1
    """,
}
# what information_schema says of each kind: its view, the column with the database's name, and what is compared
_DEFINITIONS = {
    "tables, views and sequences": ("tables", "table_schema", "table_name, table_type, engine, table_collation"),
    "columns": (
        "columns",
        "table_schema",
        "table_name, column_name, column_type, is_nullable, column_default, generation_expression, extra",
    ),
    "indexes": (
        "statistics",
        "table_schema",
        "table_name, index_name, seq_in_index, column_name, non_unique, index_type",
    ),
    "foreign keys": (
        "referential_constraints",
        "constraint_schema",
        "table_name, constraint_name, referenced_table_name, delete_rule",
    ),
    "routines": ("routines", "routine_schema", "routine_name, routine_type, routine_definition, definer"),
    "triggers": ("triggers", "trigger_schema", "trigger_name, event_object_table, action_timing, action_statement"),
    "events": ("events", "event_schema", "event_name, event_definition, interval_value, interval_field"),
}


@dataclass(frozen=True)
class Answer:
    """One question about the copy, and how many rows speak against it."""

    question: str
    violations: int

    @property
    def holds(self) -> bool:
        """Nothing speaks against it."""
        return self.violations == 0


def compare(session: Session, copy: str) -> list[Answer]:
    """Ask everything about the database `copy` on the server that has the live shop, which may go on."""
    return [*_untouched(session, copy), *_growing(session, copy), *_sums(session, copy), *_definitions(session, copy)]


def _untouched(session: Session, copy: str) -> Iterator[Answer]:
    for table in _UNTOUCHED:
        live, copied = (session.rows(f"CHECKSUM TABLE {qualified(name, table)}")[0][1] for name in (DATABASE, copy))
        equal = live is not None and live == copied
        yield Answer(f"{table}: the server's checksum of the copy is that of the live table", int(not equal))


def _growing(session: Session, copy: str) -> Iterator[Answer]:
    for table in _GROWING:
        live, copied = qualified(DATABASE, table), qualified(copy, table)
        last = session.value(f"SELECT COALESCE(MAX(id), 0) FROM {copied}")
        before = f"(SELECT * FROM {live} WHERE id <= {last})"
        lost = session.value(f"SELECT COUNT(*) FROM ({before} EXCEPT SELECT * FROM {copied}) AS lost")
        changed = session.value(f"SELECT COUNT(*) FROM (SELECT * FROM {copied} EXCEPT {before}) AS changed")
        yield Answer(f"{table}: the copy has every live row up to {last}, and no other", int(lost) + int(changed))


def _sums(session: Session, copy: str) -> Iterator[Answer]:
    tables = {name: qualified(copy, name) for name in ("orders", "order_items", "order_events", "products")}
    for question, sql in _SUMS.items():
        yield Answer(question, int(session.value(sql.format(**tables))))


def _definitions(session: Session, copy: str) -> Iterator[Answer]:
    for kind, (view, schema, columns) in _DEFINITIONS.items():
        sql = f"SELECT {columns} FROM information_schema.{view} WHERE {schema} = "
        live, copied = ({*session.rows(sql + literal(name))} for name in (DATABASE, copy))
        yield Answer(f"the {kind} are the same", len(live ^ copied) or int(not live))
