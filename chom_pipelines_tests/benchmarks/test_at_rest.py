"""What is measured of a server that was just filled is not how it writes what it was filled with."""

import pytest

from chom_pipelines.benchmarks import at_rest, generated
from chom_pipelines.benchmarks.at_rest import come_to_rest
from chom_pipelines.progress import unreported
from chom_pipelines.server.connection import Session
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.questions import status
from chom_pipelines.server.scratch import scratch_server

SETTINGS = (
    "SHOW GLOBAL VARIABLES WHERE Variable_name LIKE 'innodb_io_capacity%' OR Variable_name LIKE 'innodb_max_dirty%'"
)


@pytest.mark.parametrize("flavour", list(Flavour), ids=lambda flavour: flavour.value)
def test_all_is_written_and_no_log_waits_and_the_settings_are_as_before(
    flavour: Flavour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scratch_server(flavour) as server, Session(server.endpoint) as session:
        for name in ("innodb_io_capacity", "innodb_io_capacity_max"):  # else little may be left on a slow machine
            session.execute(f"SET GLOBAL {name} = 100")
        generated.fill(server.endpoint, generated.planned(20_000_000, 2), 2, unreported)
        before = session.rows(SETTINGS)
        assert int(status(session, "Innodb_buffer_pool_pages_dirty")) > 100
        assert come_to_rest(server)
        assert int(status(session, "Innodb_buffer_pool_pages_dirty")) <= 100
        if flavour is Flavour.MARIADB:
            waiting = int(status(session, "Innodb_checkpoint_age"))
        else:
            lsn = {each: int(status(session, f"Innodb_redo_log_{each}_lsn")) for each in ("current", "checkpoint")}
            waiting = lsn["current"] - lsn["checkpoint"]
        assert waiting <= 1 << 20
        monkeypatch.setattr(at_rest, "_PAGES", -1)
        monkeypatch.setattr(at_rest, "_MOST_SECONDS", 0.2)
        assert not come_to_rest(server)
        assert session.rows(SETTINGS) == before
