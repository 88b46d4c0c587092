"""Whatever is asked for, and wherever it is cut off: what the list of operations does not name stays what it was."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from chom_pipelines.errors import ChomError, RestoreRefusedError
from chom_pipelines.progress import unreported
from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.restores.restoring import plan_restore, restore_into_server
from chom_pipelines.restores.rows_of_files import rows_of_files
from chom_pipelines.restores.selection import RestoreRequest
from chom_pipelines.server.connection import Endpoint, Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.examples import SHARING
from chom_pipelines_tests.logical.taking import TOGETHER, Backups
from chom_pipelines_tests.physical.files_data import take_files
from chom_pipelines_tests.restores.live import (
    NAMES,
    OTHERS,
    advanced,
    changes,
    differing,
    made_anew,
    named,
    state,
)
from chom_pipelines_tests.servers import PrivateServer

_TABLES = (f"{NAMES[0]}.plain", f"{NAMES[0]}.children", f"{NAMES[1]}.parents")
_COUNTED = f"{NAMES[0]}.counted"


@dataclass(frozen=True)
class Safety:
    """A backup, and a server that is not the one that it was taken of."""

    entry: BackupEntry
    target: Endpoint
    flavour: Flavour


@contextmanager
def _made(server: PrivateServer) -> Iterator[None]:
    with server.connect() as session:
        made_anew(session, server.flavour)
    try:
        yield
    finally:
        with server.connect() as session:
            session.execute("SET SESSION foreign_key_checks = 0")
            for name in NAMES:
                session.execute(f"DROP DATABASE {name}")
            session.execute("DROP USER chom_safe_app@'%', chom_safe_lost@'%'")


@pytest.fixture(scope="module")
def safety(any_server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Safety]:
    backups = Backups(tmp_path_factory.mktemp("safety"), policy=TOGETHER)
    with _made(any_server):
        entry = backups.take(any_server, *NAMES)
    with scratch_server(any_server.flavour) as target:
        yield Safety(entry, target.endpoint, any_server.flavour)


@pytest.fixture(scope="module")
def safety_of_files(mariadb_server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Safety]:
    """The rows of a physical backup, as they go into a running server."""
    backups = Backups(tmp_path_factory.mktemp("files"))
    with _made(mariadb_server):
        files = take_files(backups, mariadb_server)
    with (
        rows_of_files(files, None, lambda _: RestoreRequest(threads=1), unreported, databases=NAMES) as (entry, _),
        scratch_server(Flavour.MARIADB) as target,
    ):
        yield Safety(entry, target.endpoint, Flavour.MARIADB)


@st.composite
def requests(draw: st.DrawFn, flavour: Flavour) -> RestoreRequest:
    """Any request that the command line can make."""
    tables = (*_TABLES, *((_COUNTED,) if flavour is Flavour.MARIADB else ()))
    chosen = draw(st.none() | st.lists(st.sampled_from(tables), min_size=1, max_size=3, unique=True).map(tuple))
    touched = NAMES if chosen is None else tuple(dict.fromkeys(name.partition(".")[0] for name in chosen))
    fresh = draw(st.permutations((*OTHERS, *NAMES)))
    rename = draw(
        st.sampled_from([{}, dict(zip(touched, OTHERS, strict=False)), dict(zip(touched, fresh, strict=False))])
    )
    return RestoreRequest(
        rename=rename, tables=chosen, replace=draw(st.booleans()), threads=1, accounts=draw(st.booleans())
    )


@contextmanager
def _cut_off(target: Endpoint, after: float | None) -> Iterator[None]:
    """End every connection after so many seconds: the network, an operator, the server's end."""
    if after is None:
        yield
        return
    done = threading.Event()

    def cut() -> None:
        if done.wait(after):
            return
        with Session(target) as session:
            others = session.rows(
                "SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND USER = 'root'"
            )
            for (identity,) in others:
                with suppress(ChomError):
                    session.execute(f"KILL {identity}")

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        with Session(target) as session:  # what was being executed when it was cut off is first ended
            while session.value(
                "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND USER = 'root'"
            ):
                time.sleep(0.01)  # the server tells nobody when a connection that was killed has ended


several = settings(SHARING, max_examples=int(os.environ.get("CHOM_TEST_EXAMPLES", "25")))


@several
@given(data=st.data())
def test_what_the_list_does_not_name_stays_byte_for_byte_what_it_was(safety: Safety, data: st.DataObject) -> None:
    _stays(safety, data)


@pytest.mark.long
@several
@given(data=st.data())
def test_nor_does_a_restore_of_data_files_touch_what_its_list_does_not_name(
    safety_of_files: Safety, data: st.DataObject
) -> None:
    _stays(safety_of_files, data)


def _stays(safety: Safety, data: st.DataObject) -> None:
    flavour, target = safety.flavour, safety.target
    with Session(target) as session:
        made_anew(session, flavour, data.draw(changes(flavour)))
    first = data.draw(requests(flavour))
    again = [replace(first, replace=data.draw(st.booleans())), data.draw(requests(flavour))]
    for request in [first, *again[: data.draw(st.integers(0, 2))]]:
        before = state(target, flavour)
        listed = None
        try:
            listed, refused = plan_restore(safety.entry, None, target, request)
        except RestoreRefusedError as error:
            refused = error
        if refused or listed is None:
            note(f"refused: {refused}")
            with pytest.raises(RestoreRefusedError):
                restore_into_server(safety.entry, None, target, request, unreported)
            assert differing(before, state(target, flavour)) == set()
            continue
        note("\n".join(each.line for each in listed.all))
        after = data.draw(st.none() | st.floats(0, 0.15))
        with _cut_off(target, after), suppress(*(() if after is None else (ChomError,))):
            restore_into_server(safety.entry, None, target, request, unreported)
        then = state(target, flavour)
        unnamed = differing(before, then) - named(listed, before)
        forward = {thing for thing in unnamed & advanced(listed) if _counter(then[thing]) >= _counter(before[thing])}
        assert unnamed - forward == set()
        assert {("account", "", name) for name in ("root@localhost",)} <= then.keys()


def _counter(sequence: object) -> int:
    assert isinstance(sequence, tuple)
    return int(sequence[0])
