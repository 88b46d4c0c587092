"""What a migration cannot reach, whatever path it knows."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chom_pipelines.migrations.isolation import cut_off
from chom_pipelines.migrations.sockets_here import sockets_here

CLIENT = """
import socket, sys
with socket.socket(socket.AF_UNIX) as client:
    client.connect(sys.argv[1])
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    """A socket, deep in a directory that is mounted in another place as well."""
    place = tmp_path / "a" / "b" / "c" / "d"
    place.mkdir(parents=True)
    (tmp_path / "other").mkdir()
    subprocess.run(["/bin/mount", "--bind", str(place), str(tmp_path / "other")], check=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "s"))
        server.listen()
        yield place / "s"
    subprocess.run(["/bin/umount", str(tmp_path / "other")], check=True)


def reached(path: Path, production: Path | None) -> bool:
    command = cut_off([sys.executable, "-c", CLIENT, str(path)], "/copy", str(production) if production else None)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_no_path_leads_to_the_server(served: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "s"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(other))  # as it can be done here
    assert not reached(served, served)
    assert not reached(other, served)
    assert not reached(other, None)


def test_a_line_break_in_a_path_is_no_line_of_its_own(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "a\nb"))
        server.listen()
        assert isinstance(sockets_here(None), set)
