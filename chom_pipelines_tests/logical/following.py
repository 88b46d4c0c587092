"""A person who follows RESTORE.md with a shell and the stock tools."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from chom_pipelines.repository.entry import BackupEntry
from chom_pipelines.server.connection import Endpoint
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.programs import client_program
from chom_pipelines_tests.places import path_of


def script_of(entry: BackupEntry) -> str:
    """The commands of its RESTORE.md."""
    found = re.search(r"^```sh\n(.*?)^```$", (path_of(entry) / "RESTORE.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def run_guide(
    entry: BackupEntry, flavour: Flavour, target: Endpoint, decoded: Path, master: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run them against a server; `master` is the key that the person brings."""
    environment = {
        "PATH": os.environ["PATH"],
        "CLIENT": f"{client_program(flavour).path} --no-defaults --socket={target.socket} --user=root",
        "OUT": str(decoded),
        "MASTER": master,
    }
    shell = ["/bin/sh", "-c", script_of(entry)]
    return subprocess.run(shell, cwd=path_of(entry), env=environment, check=False, capture_output=True, text=True)


def follow_guide(entry: BackupEntry, flavour: Flavour, target: Endpoint, decoded: Path, master: str = "") -> None:
    """As run_guide; it has to end well, and to warn of nothing but error values of ENUM columns (1265)."""
    done = run_guide(entry, flavour, target, decoded, master)
    said, *told = done.stdout.splitlines()
    assert said.startswith(f"The decoded rows go to {decoded}:")
    told = [line for line in told if "(Code 1265): Data truncated for column " not in line]
    assert (done.returncode, told, done.stderr) == (0, [], "")
