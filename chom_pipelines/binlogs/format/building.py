"""Puts events together to transactions, and keeps what is to be known of the file as a whole."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from chom_pipelines.binlogs.format.counting import RowCounter
from chom_pipelines.binlogs.format.event_stream import EventStream
from chom_pipelines.binlogs.format.events import (
    QUERY_SIZE,
    SYSTEM_ZONE,
    Kind,
    Query,
    Rotate,
    named_zone,
    parse_incident,
)
from chom_pipelines.binlogs.format.gtid_events import (
    Alter,
    MysqlGtidEvent,
    parse_gtid_list,
    parse_mariadb_gtid,
    parse_mysql_gtid,
    parse_mysql_tagged_gtid,
    parse_previous_gtids,
)
from chom_pipelines.binlogs.format.gtids import Executed, Gtids
from chom_pipelines.binlogs.format.handlers import Handler, Handlers, Head, Opener
from chom_pipelines.binlogs.format.large import MOST_READ, Beginning, Payload
from chom_pipelines.binlogs.format.open_transaction import OpenTransaction
from chom_pipelines.binlogs.format.transactions import Ending, FileEnding, Incident, Transaction
from chom_pipelines.server.facts import Flavour

_SECOND = 1_000_000
_ALTERS = {
    Alter.START: Ending.ALTER_START,
    Alter.COMMIT: Ending.STATEMENT,
    Alter.ROLLBACK: Ending.ALTER_ROLLBACK,
}
_SKIPPED = frozenset(
    {
        *(Kind.INTVAR, Kind.RAND, Kind.USER_VAR, Kind.IGNORABLE, Kind.ROWS_QUERY, Kind.HEARTBEAT, Kind.HEARTBEAT_V2),
        *(Kind.TRANSACTION_CONTEXT, Kind.VIEW_CHANGE, Kind.BEGIN_LOAD_QUERY, Kind.APPEND_BLOCK, Kind.DELETE_FILE),
        *(Kind.MARIADB_ANNOTATE_ROWS, Kind.MARIADB_BINLOG_CHECKPOINT),
    }
)
_LOAD_QUERY_EXTRA = 13  # what EXECUTE_LOAD_QUERY has behind the fixed part of a QUERY


class Builder:
    """Takes the events of one file and makes transactions, which are in `finished` until someone takes them."""

    def __init__(self, name: str, gtids: Gtids | None) -> None:
        self._name = name
        self.finished: list[Transaction] = []
        self.transactions = 0
        self.incidents: list[Incident] = []
        self.ending = FileEnding.OPEN
        self.closed_at = 0
        self.next_file: str | None = None
        self.gtids_before: Gtids | None = None
        self.first_time = self.last_time = 0
        self._open: OpenTransaction | None = None
        self._payload_ending: Ending | None = None
        self._rows = RowCounter()
        self._uuids: dict[bytes, str] = {}
        self._executed: Executed | None = None
        self._flavour = Flavour.MYSQL
        if gtids is not None:
            self._begin_with(gtids)

    @property
    def gtids_after(self) -> Gtids | None:
        """After the last whole transaction."""
        return self._executed.gtids if self._executed else None

    @property
    def open_since(self) -> int | None:
        """Where the transaction begins that has not ended yet."""
        return self._open.start if self._open else None

    def handlers(self, flavour: Flavour) -> Handlers:
        """For the events of the file, which a server of this family wrote."""
        self._flavour = flavour
        outer: dict[int, Handler] = {
            Kind.TRANSACTION_PAYLOAD: self._payload,
            Kind.PREVIOUS_GTIDS: self._previous_gtids,
            Kind.MARIADB_GTID_LIST: self._gtid_list,
            Kind.GTID: self._mysql_gtid,
            Kind.ANONYMOUS_GTID: self._mysql_anonymous,
            Kind.GTID_TAGGED: self._mysql_tagged_gtid,
            Kind.MARIADB_GTID: self._mariadb_gtid,
            Kind.ROTATE: self._rotate,
            Kind.STOP: self._stop,
            Kind.FORMAT_DESCRIPTION: self._another_format,
        }
        inner = self._inner_handlers()
        return replace(
            inner,
            other={int(kind): handler for kind, handler in {**inner.other, **outer}.items()},
            large={**inner.large, Kind.TRANSACTION_PAYLOAD: self._opened_payload},
            last=frozenset({Kind.ROTATE, Kind.STOP}),
        )

    def _inner_handlers(self) -> Handlers:
        """For the events of a payload: no transaction begins or file ends in it."""
        other: dict[int, Handler] = {
            Kind.QUERY: self._query,
            Kind.MARIADB_QUERY_COMPRESSED: partial(self._query, compressed=True),
            Kind.EXECUTE_LOAD_QUERY: self._load_query,
            Kind.XID: self._xid,
            Kind.XA_PREPARE: self._xa_prepare,
            Kind.INCIDENT: self._incident,
        }
        statements = (Kind.QUERY, Kind.MARIADB_QUERY_COMPRESSED, Kind.EXECUTE_LOAD_QUERY)
        large: dict[int, Opener] = {kind: Beginning.opener(other[kind]) for kind in statements}
        return Handlers(self._rows.handlers(), other, {**large, **self._rows.openers()}, _SKIPPED)

    # --- where a file stands

    def _begin_with(self, gtids: Gtids) -> None:
        self.gtids_before, self._executed = gtids, Executed(gtids)

    def _previous_gtids(self, buffer: bytes, begin: int, end: int, head: Head) -> None:
        self._nothing_open(head)
        self._begin_with(parse_previous_gtids(buffer[begin:end]))

    def _gtid_list(self, buffer: bytes, begin: int, end: int, head: Head) -> None:
        self._nothing_open(head)
        self._begin_with(parse_gtid_list(buffer[begin:end]))

    def _rotate(self, buffer: bytes, begin: int, end: int, head: Head) -> None:
        self._nothing_open(head)
        self.next_file = Rotate.parse(buffer[begin:end]).file
        self.ending, self.closed_at = FileEnding.ROTATE, head.time

    def _stop(self, _buffer: bytes, _begin: int, _end: int, head: Head) -> None:
        self._nothing_open(head)
        self.ending, self.closed_at = FileEnding.STOP, head.time

    def _another_format(self, _buffer: bytes, _begin: int, _end: int, _head: Head) -> None:
        raise ValueError("a binary log has one format description, at its begin; relay logs are not read")

    def _nothing_open(self, head: Head) -> None:
        self._seen(head.time)
        if self._open is not None:
            raise ValueError(f"the transaction that begins at {self._open.start} has not ended before it")
        if self._rows.counts:
            raise ValueError("there are rows before it that belong to no transaction")

    def _seen(self, time: int) -> None:
        self.last_time = max(self.last_time, time)
        if time < self.first_time or not self.first_time:
            self.first_time = time

    # --- how a transaction begins

    def _mysql_gtid(self, buffer: bytes, begin: int, end: int, head: Head) -> None:
        self._begin_mysql(parse_mysql_gtid(buffer[begin:end], self._uuids), head)

    def _mysql_anonymous(self, buffer: bytes, begin: int, end: int, head: Head) -> None:
        self._mysql_gtid(buffer, begin, end, head)
        if self._open is not None:
            self._open.mysql = None

    def _mysql_tagged_gtid(self, buffer: bytes, begin: int, end: int, head: Head) -> None:
        self._begin_mysql(parse_mysql_tagged_gtid(buffer[begin:end]), head)

    def _begin_mysql(self, event: MysqlGtidEvent, head: Head) -> None:
        self._nothing_open(head)
        time = event.committed_here or head.time * _SECOND
        self._open = OpenTransaction(head.at, time, event.committed_first, event)

    def _mariadb_gtid(self, buffer: bytes, begin: int, end: int, head: Head) -> None:
        self._nothing_open(head)
        event = parse_mariadb_gtid(buffer[begin:end], head.server_id)
        self._open = OpenTransaction(head.at, head.time * _SECOND, mariadb=event.gtid, begun=not event.is_standalone)
        if event.alter:
            self._open.ending = _ALTERS[event.alter]

    # --- what is in it, and how it ends

    def _query(self, buffer: bytes, begin: int, end: int, head: Head, *, compressed: bool = False) -> None:
        if not compressed and buffer.endswith(b"\0BEGIN", begin, end):
            # it depends on no zone, but servers execute it only if they know the one that it names
            self._zone(buffer, begin, 0, head, but=SYSTEM_ZONE)
            self._opened(head).begun = True
            return
        self._zone(buffer, begin, 0, head)
        body, cut = buffer[begin : min(end, begin + MOST_READ)], end - begin >= MOST_READ
        self._statement(Query.parse(body, MOST_READ, compressed=compressed, cut=cut), head)

    def _load_query(self, buffer: bytes, begin: int, end: int, head: Head) -> None:
        self._zone(buffer, begin, _LOAD_QUERY_EXTRA, head)
        fixed = begin + QUERY_SIZE
        body = buffer[begin:fixed] + buffer[fixed + _LOAD_QUERY_EXTRA : min(end, begin + MOST_READ)]
        self._statement(Query.parse(body, MOST_READ), head)

    def _zone(self, buffer: bytes, begin: int, extra: int, head: Head, *, but: str | None = None) -> None:
        zone = named_zone(buffer, begin, extra)
        if zone not in {None, but}:
            self._opened(head).zones.add(zone)

    def _statement(self, query: Query, head: Head) -> None:
        if ending := self._opened(head).take(query, self._flavour):
            self._ends(ending, head)

    def _xid(self, _buffer: bytes, _begin: int, _end: int, head: Head) -> None:
        self._ends(Ending.COMMIT, head)

    def _xa_prepare(self, buffer: bytes, begin: int, _end: int, head: Head) -> None:
        one_phase = buffer[begin]
        self._ends(Ending.COMMIT if one_phase else Ending.XA_PREPARE, head)

    def _incident(self, buffer: bytes, begin: int, end: int, head: Head) -> None:
        self.incidents.append(Incident(head.at, *parse_incident(buffer[begin:end])))
        if self._open is not None and not self._open.begun:
            self._ends(Ending.INCIDENT, head)

    def _opened(self, head: Head) -> OpenTransaction:
        if self._open is None:  # a server that writes no GTIDs at all
            self._open = OpenTransaction(head.at, head.time * _SECOND)
        return self._open

    def _ends(self, ending: Ending, head: Head) -> None:
        if head.kind != Kind.TRANSACTION_PAYLOAD:
            self._finish(ending, head)
        elif self._payload_ending is None:  # the payload's event is not whole yet, and its checksum not known
            self._payload_ending = ending
        else:
            raise ValueError("its payload ends two transactions")

    def _finish(self, ending: Ending, head: Head) -> None:
        opened = self._opened(head)
        gtid = opened.executed(self._executed)
        self._seen(head.time)
        self._open = None
        self.transactions += 1
        self.finished.append(opened.finished(ending, head.after, gtid, self._rows.taken()))

    # --- compressed transactions

    def _payload(self, buffer: bytes, begin: int, end: int, head: Head) -> None:
        self._opened_payload(buffer, begin, end, head).close()

    def _opened_payload(self, buffer: bytes, begin: int, end: int, head: Head) -> Payload:
        stream = EventStream(self._name, self._inner_handlers(), within=head, position=head.at)
        self._payload_ending = None
        return Payload.opened(stream, partial(self._payload_ended, head), buffer, begin, end)

    def _payload_ended(self, head: Head) -> None:
        if self._payload_ending is not None:
            self._finish(self._payload_ending, head)
