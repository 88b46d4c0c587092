"""Terminating a run, as the button in the UI does it: through the webserver, of a run in a process of its own."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from dagster_graphql import DagsterGraphQLClient

from chom_pipelines.server.identifiers import quote
from chom_pipelines_tests.deployments import NAME, Deployment, back_up, today
from chom_pipelines_tests.logical.taking import filled
from chom_pipelines_tests.places import path_of
from chom_pipelines_tests.servers import PrivateServer
from chom_pipelines_tests.webserver import served

_PATIENCE = 120
_ENDED = {dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS}
# dagster_graphql's own use of its client library
pytestmark = pytest.mark.filterwarnings("ignore:Using variable_values and operation_name:DeprecationWarning")


@pytest.fixture(scope="module")
def deployed(mariadb_server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Of a database whose dump takes long enough to be terminated, with the slowest compression."""
    with mariadb_server.scope() as server:
        database = server.fresh_database()
        with server.connect() as session:
            session.execute(f"CREATE TABLE {quote(database)}.t (id INT PRIMARY KEY, text TEXT NOT NULL)")
            filled(session, f"{quote(database)}.t", 200_000, "n, CONCAT(SHA2(n, 512), SHA2(n + 0.5, 512))")
        directory = tmp_path_factory.mktemp("deployed")
        slowly = {"compression": "xz", "level": 9, "verification": "none", "threads": 2}
        yield Deployment.of(directory, server, (database,), **slowly)


def awaited(true: Callable[[], bool]) -> None:
    """Wait until it is so."""
    end = time.monotonic() + _PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)  # the webserver is asked; it tells nothing by itself


@dataclass(frozen=True)
class Webserver:
    """Dagster's, and what it started."""

    client: DagsterGraphQLClient
    process: int

    def launch(self, job: str, asset: str) -> str:
        """Run the job for the server; return the run's id."""
        tags, selection = {"dagster/partition": today()}, [dg.AssetKey([NAME, asset])]
        return self.client.submit_job_execution(job, tags=tags, asset_selection=selection)

    def terminate(self, run: str) -> None:
        """As the button does; return when the run has ended."""
        self.client.terminate_run(run)
        awaited(lambda: self.client.get_run_status(run) in _ENDED)
        assert self.client.get_run_status(run) is dg.DagsterRunStatus.CANCELED

    def running(self, program: str) -> set[Path]:
        """Processes below it with that in their command line."""
        found, parents = set(), {str(self.process)}
        while parents:
            children = {path for path in Path("/proc").glob("[0-9]*") if parent(path) in parents}
            found |= {path for path in children if program in command_of(path)}
            parents = {path.name for path in children}
        return found


@pytest.fixture(scope="module")
def webserver(deployed: Deployment) -> Iterator[Webserver]:
    with served(deployed) as running:
        yield Webserver(DagsterGraphQLClient("127.0.0.1", port_number=running.port), running.pid)


def parent(process: Path) -> str | None:
    """None where it has ended meanwhile."""
    try:
        return process.joinpath("stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return None


def command_of(process: Path) -> str:
    """Words that end in a zero byte; empty where it has ended meanwhile."""
    try:
        return process.joinpath("cmdline").read_text()
    except OSError:
        return ""


def is_dumping(deployed: Deployment) -> bool:
    unfinished = (path_of(deployed.repository) / NAME / "backups").glob("*/data/.*")
    return any(file.stat().st_size for file in unfinished)


def test_a_terminated_backup_leaves_no_process_no_lock_and_no_backup(
    mariadb: PrivateServer, deployed: Deployment, webserver: Webserver
) -> None:
    run = webserver.launch("full_backup_job", "full_backup")
    awaited(lambda: is_dumping(deployed))
    workers = webserver.running("chom_pipelines.logical.worker")
    assert len(workers) == 3  # with the one that made them
    webserver.terminate(run)
    awaited(lambda: not any(worker.exists() for worker in workers))
    assert deployed.entries() == []
    assert deployed.repository.stream(NAME).folder.folders() == []
    connections = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'chom_backup'"
    with deployed.repository.stream(NAME).folder.lock("writing", "a test"), mariadb.connect() as session:
        awaited(lambda: session.value(connections) == 0)


def test_a_terminated_verification_leaves_no_server_no_directory_and_no_proof(
    deployed: Deployment, webserver: Webserver
) -> None:
    assert back_up(deployed, compression="zstd", level=1).success
    run = webserver.launch("verification_job", "verification_restore")
    awaited(lambda: bool(webserver.running("--datadir=")))
    private = webserver.running("--datadir=")
    words = [word for process in private for word in command_of(process).split("\0")]
    directories = {Path(word.partition("=")[2]) for word in words if word.startswith("--datadir=")}
    assert directories
    webserver.terminate(run)
    awaited(lambda: not any(process.exists() for process in private))
    awaited(lambda: not any(directory.exists() for directory in directories))
    (entry,) = deployed.entries()
    assert entry.proofs(None) == []
