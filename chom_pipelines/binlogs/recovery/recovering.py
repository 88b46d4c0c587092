"""Carrying out a recovery on a private server: the backup is restored, the log replayed, what was reached compared."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from chom_pipelines.binlogs.format.gtid_set import GtidSet
from chom_pipelines.binlogs.format.gtids import parse_gtids
from chom_pipelines.binlogs.format.query_tables import Name
from chom_pipelines.binlogs.recovery.archive_server import replay_by_replication, taking
from chom_pipelines.binlogs.recovery.client_replay import replay_by_client
from chom_pipelines.binlogs.recovery.filtered import Filtered, read_keys
from chom_pipelines.binlogs.recovery.replay_plan import Recovery
from chom_pipelines.binlogs.recovery.replica import shown_error
from chom_pipelines.binlogs.recovery.scheduled import put_back, read_statuses, statuses
from chom_pipelines.binlogs.recovery.surroundings import refuse_unknown_zone, take_settings
from chom_pipelines.binlogs.recovery.targets import Route
from chom_pipelines.binlogs.recovery.zone_loading import ZoneLoading
from chom_pipelines.errors import RestoreFailedError, RestoreRefusedError
from chom_pipelines.logical.definition_lines import leading_out, led_by
from chom_pipelines.phases import timed
from chom_pipelines.progress import Report
from chom_pipelines.repository.timing import REPLAY
from chom_pipelines.restores.definers import stand_ins
from chom_pipelines.restores.execution import RestoreResult
from chom_pipelines.restores.likeness import any_case
from chom_pipelines.restores.starts import Start
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.identifiers import literal, qualified
from chom_pipelines.server.scratch import ScratchServer, as_replica

_SERVER_ID = 2_147_483_002
"""Of the server that a log is replayed on."""
_PREPARED = (
    "an XA transaction was prepared before the backup was taken, and is neither in it nor in the log behind it: "
    "restore from an older backup, which can be named, or to a place before it, with --before"
)
_PARENT = (
    "where the key leads to a database that is not backed up, back that up as well for the future; restore to a place "
    "before it, with --before"
)
_DEFINER = (
    "what that account has defined is executed as that account, which is not restored: restore accounts as well, with "
    "--accounts, or to a place before it, with --before"
)


@dataclass(frozen=True)
class Recovered:
    """A restore, with `replay` among its phases, and how many transactions of the archive were replayed onto it.

    Where it is `counted`, the server has counted as many itself: by its set of GTIDs, or by MariaDB's replication. Else
    it has executed all that it was given, and the archive alone says how many transactions that was. Those that it left
    out, as of databases that the backup does not have, are among them. `doubts` are for people: what may be otherwise
    on the source, of which no log tells; they are among the restore's warnings.
    """

    restored: RestoreResult
    transactions: int
    counted: bool
    directory: Path
    """In which its server has, or had, its files."""
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recoverer:
    """What a recovery needs to be carried out on a private server, any number of times.

    `private` is a directory of ours. Accounts are restored with all that the log does to them, or nothing of it is
    done; `route` client has no choice, as the text of a log says it all: there they are always restored. `databases`
    are the only ones that the backup has; None: it has all. With `accept_losses`, what is lost as the log is replayed
    onto these alone is a warning and not the end.
    """

    start: Start
    recovery: Recovery
    private: Path
    route: Route
    accounts: bool
    databases: tuple[str, ...] | None
    report: Report
    accept_losses: bool = False
    tables: frozenset[str] | None = None
    """Labels of those that are wanted of it; None: all."""

    @property
    def filtered(self) -> Filtered:
        """What is to be known of a replay onto these databases alone."""
        return Filtered(self.databases, self.recovery, self.start.manifest.source, self.left_out)

    @property
    def left_out(self) -> frozenset[Name]:
        """Tables whose rows depend on other databases, where no table that is wanted depends on them.

        Only where definitions do not change, by which a table may become another one, and no change is logged as text,
        which may be of a table that is wanted as well, or pass on to it by a trigger.
        """
        notes = self.recovery.notes
        if self.tables is None or notes.redefines or notes.textual:
            return frozenset()
        keys = self.start.foreign_keys
        found = led_by(keys, (key.table for key in leading_out(keys, self.databases or ())))
        if any("." in database for database, _ in found):
            return frozenset()
        return found if self.tables.isdisjoint(map(".".join, found)) else frozenset()

    @property
    def flavour(self) -> Flavour:
        """Of the servers."""
        return self.recovery.way.full.flavour

    @property
    def options(self) -> tuple[str, ...]:
        """With which the private server has to be started."""
        end = self.recovery.end
        options = taking(as_replica(self.flavour, _SERVER_ID), gtids=bool(end and end.gtid))
        options += ("--replicate-same-server-id",)  # a server of the log may have had this id as well
        options += tuple(f"--replicate-ignore-table={'.'.join(name)}" for name in sorted(self.left_out))
        if self.databases is not None:
            return (*options, *self.filtered.options)
        if not self.accounts:
            return (*options, "--replicate-wild-ignore-table=mysql.%")
        return options if self._zones.by_log else (*options, r"--replicate-wild-ignore-table=mysql.time\_zone%")

    @property
    def _zones(self) -> ZoneLoading:
        notes, source = self.recovery.notes, self.start.manifest.source
        by_replication = self.route is Route.REPLICATION
        return ZoneLoading(notes, source, self.start.of_files, by_replication, self.filtered.has)

    def stand_ins(self, server: ScratchServer) -> AbstractContextManager[object]:
        """Have the backup's definers there, unless accounts are restored: for as long as the block lasts."""
        return stand_ins(server, self.start.definers if self.lacks_accounts else ())

    @property
    def lacks_accounts(self) -> bool:
        """None are restored."""
        return not self.accounts and self.route is Route.REPLICATION

    def fill(self, server: ScratchServer) -> Recovered:
        """Have a private server of the start's, with these `options`, hold the backup, and replay onto it.

        Returns only where the server stands exactly where the archive says that it has to. Raises RestoreFailedError,
        and what restoring and starting servers raise: then the server is of no use.
        """
        self.refuse_unfit()
        with Session(server.endpoint) as session:
            take_settings(session, server.facts, self.start.manifest.source)
        accounts = self.accounts or self.route is Route.CLIENT
        restored = self.start.fill(server, accounts=accounts, report=self.report)
        phases = dict(restored.phases)
        with Session(server.endpoint) as session:
            lost, doubts = self._zones.load(server, self.private, self._accepted)
            if self.recovery.begin and self.recovery.begin.gtid:
                _begin_at(session, self.flavour, self.recovery.begin.gtid)
            keys = self.filtered.lost_by_keys(read_keys(session))
            lost += self._accepted(self.filtered.lost_by_log(), keys)
            self._drop_left_out(session)
            events = read_statuses(session)
            replicated: int | None = None
            with timed(phases, REPLAY), self.filtered.strangers(session):
                if self.recovery.files:
                    replicated = self._replay(server)
                lost += self._accepted(self.filtered.lost_by_keys(read_keys(session)))
            is_any_case = any_case(self.start.manifest.source)
            put_back(session, statuses(events, self.recovery.notes.of_events, any_case=is_any_case))
            counted = self._check(session, replicated)
        warnings = tuple(dict.fromkeys((*restored.warnings, *lost, *doubts)))
        restored = replace(restored, phases=phases, warnings=warnings)
        count = self.recovery.stop.transactions
        return Recovered(restored, count, counted is not None, server.directory, doubts)

    def _accepted(self, *lost: Iterable[RestoreRefusedError]) -> tuple[str, ...]:
        """Warnings; raises the first of these errors, unless losses are accepted."""
        found = tuple(chain(*lost))
        if found and not self.accept_losses:
            raise found[0]
        return tuple(error.what for error in found)

    def _drop_left_out(self, session: Session) -> None:
        """As their rows stay behind, they would hold on to what is deleted in other tables."""
        session.execute("SET SESSION foreign_key_checks = 0")
        for database, table in self.left_out:
            session.execute(f"DROP TABLE {qualified(database, table)}")
        session.execute("SET SESSION foreign_key_checks = DEFAULT")

    def refuse_unfit(self) -> None:
        """Raise RestoreRefusedError where a replay makes files elsewhere, or other times, or loses rows."""
        if self.recovery.files and self.recovery.notes.names_directory:
            where = self.recovery.notes.names_directory.label
            what = f"the statement at {where} names a directory: its files would be made there, where production may be"
            raise RestoreRefusedError(what, "restore to a place before it, with --before, or from a later full backup")
        refuse_unknown_zone(self.start.manifest.source, self.recovery.notes.in_system_zone)
        self.filtered.refuse()
        self._accepted(self.filtered.lost_by_log(), self.filtered.lost_by_keys(self.start.foreign_keys))
        self._zones.refuse(self._accepted)
        if self.route is Route.REPLICATION or not self.recovery.files:
            return
        why = ""
        if self.databases is not None:
            why = f"the backup has {', '.join(self.databases)} alone, and the text of the log is of all databases"
        elif self.recovery.notes.prepares and self.flavour is Flavour.MARIADB:
            where = self.recovery.notes.prepares.label
            why = f"the XA transaction at {where} is prepared there, and MariaDB lets its session do nothing else then"
        if why:
            raise RestoreRefusedError(why, "replay by replication: leave --route out")

    def _replay(self, target: ScratchServer) -> int | None:
        """Return how many transactions the server has counted, where it has."""
        try:
            return self._replayed(target)
        except RestoreFailedError as error:
            said = _said_by_worker(target)
            what = f"{error.what}\n  {shown_error(said, self.flavour)}" if said else error.what
            raise RestoreFailedError(what, self._remedy(what) or error.remedy) from error

    def _remedy(self, what: str) -> str:
        """Of what a replay failed with; "": nothing better is known."""
        if "as a definer" in what and not self.accounts and self.route is Route.REPLICATION:
            return _DEFINER
        if "foreign key constraint fails" in what and self.databases is not None:
            return _PARENT
        return _PREPARED if "XAER_NOTA" in what else ""

    def _replayed(self, target: ScratchServer) -> int | None:
        recovery = self.recovery
        if self.route is Route.REPLICATION and recovery.begin and recovery.end:
            return replay_by_replication(
                recovery.files,
                recovery.begin,
                recovery.end,
                target.endpoint,
                flavour=self.flavour,
                report=self.report,
            )
        count = len(recovery.files)
        replay_by_client(
            recovery.files,
            target.endpoint,
            self.flavour,
            self.private,
            lambda done: self.report(done, count, "replay files of the log"),
        )
        return None

    def _check(self, session: Session, replicated: int | None) -> int | None:
        """Raise RestoreFailedError where the server is elsewhere; return how many transactions it has counted."""
        begin, end = self.recovery.begin, self.recovery.end
        wanted = end.gtid if end else None
        counted = replicated
        if wanted and self.flavour is Flavour.MARIADB and self.route is Route.CLIENT:
            # sessions of clients do not keep it; that every statement was executed is all that is known
            session.execute(f"SET GLOBAL gtid_slave_pos = {literal(wanted)}")
        elif wanted:
            _expect(session, self.flavour, wanted, "after the replay")
            if self.flavour is Flavour.MYSQL:  # it has executed these, by which both are the same set
                counted = len(GtidSet.parse(wanted).difference(GtidSet.parse((begin and begin.gtid) or "")))
                counted += self.recovery.stop.anonymous  # which are in no set, as its gtid_mode was another one
        _expect_count(counted, self.recovery.stop.transactions)
        return counted if not self.recovery.stop.anonymous else None


def _expect_count(counted: int | None, expected: int) -> None:
    if counted not in {None, expected}:
        what = f"the server has executed {counted:,} transactions, and {expected:,} of the archive are up to there"
        raise RestoreFailedError(what, "report this as a bug")


def _said_by_worker(server: ScratchServer) -> str:
    """What failed: MySQL's status names the worker, and says to look into the server's log for its error."""
    lines = server.log.read_text(errors="replace").splitlines()
    found = [line.partition("; ")[2] for line in lines if "] Replica SQL for channel" in line and "Worker" in line]
    return next((line for line in found if line), "")


def _begin_at(session: Session, flavour: Flavour, gtids: str) -> None:
    """Have the server know what the backup holds, so that it takes nothing of it for new, nor leaves anything out."""
    if flavour is Flavour.MARIADB:
        session.execute(f"SET GLOBAL gtid_slave_pos = {literal(gtids)}")
    elif not session.value("SELECT @@global.gtid_executed"):  # which is in the server's own files
        session.execute(f"SET GLOBAL gtid_purged = {literal(gtids)}")
    _expect(session, flavour, gtids, "before the replay")


def _expect(session: Session, flavour: Flavour, gtids: str, when: str) -> None:
    """Raise RestoreFailedError where the server has executed anything else."""
    variable = "gtid_executed" if flavour is Flavour.MYSQL else "gtid_slave_pos"
    found = parse_gtids(str(session.value(f"SELECT @@global.{variable}")), flavour)
    if found != parse_gtids(gtids, flavour):
        what = f"{when} the server has executed {found}, and it should be {gtids}"
        raise RestoreFailedError(what, "report this as a bug")
