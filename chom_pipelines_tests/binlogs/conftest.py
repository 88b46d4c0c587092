"""Logs that several modules of tests read."""

from collections.abc import Iterator

import pytest

from chom_pipelines_tests.binlogs.logs import Log, logs_since, new_log
from chom_pipelines_tests.binlogs.workload import work
from chom_pipelines_tests.servers import PrivateServer


@pytest.fixture(scope="module")
def logs(any_server: PrivateServer) -> Iterator[list[Log]]:
    """Two logs of a workload: the first one ends by a rotation, the second one is still open."""
    with any_server.scope() as server:
        yield _logs(server)


@pytest.fixture(scope="module")
def plain_logs(any_server: PrivateServer) -> Iterator[list[Log]]:
    """The same without checksums."""
    with any_server.scope() as server, server.connect() as session:
        session.execute("SET GLOBAL binlog_checksum = NONE")
        try:
            yield _logs(server)
        finally:
            session.execute("SET GLOBAL binlog_checksum = CRC32")


def _logs(server: PrivateServer) -> list[Log]:
    first = new_log(server)
    with server.connect() as session:
        work(server, session)
        session.execute("FLUSH BINARY LOGS")
        work(server, session)
    return logs_since(server, first)
