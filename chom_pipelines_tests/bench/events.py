"""How long `chom events` takes to find an accident in a week of archive: 168 files, 100,000 transactions."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from chom_pipelines.backups.archiving import archive_binary_log
from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.progress import unreported
from chom_pipelines.repository.keys import Keyring
from chom_pipelines.repository.master_keys import KeyKind
from chom_pipelines.server.facts import Flavour
from chom_pipelines_tests.servers import PrivateServer, private_server

_CHOM = str(Path(sys.executable).with_name("chom"))


def main() -> None:
    """Print the seconds of whole processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=168)
    parser.add_argument("--transactions", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with private_server(Flavour.MARIADB) as server, tempfile.TemporaryDirectory() as folder:
        config = _configured(server, Path(folder))
        _write(server, asked.files, asked.transactions // asked.files)
        inventory = load_inventory(config)
        chosen = inventory.server()
        began = time.monotonic()
        archived = archive_binary_log(inventory, chosen, chosen.backup, unreported, close=True)
        seconds = time.monotonic() - began
        read = sum(each.end for each in archived.new)
        print(f"archived: {len(archived.new)} files, {read / 1e6:.0f} MB in {seconds:.1f} s")
        for what in (["events", "--kind", "delete"], ["events", "--kind", "delete", "--rows", "1"], ["windows"]):
            times, lines = [], 0
            for _ in range(asked.rounds):
                began = time.monotonic()
                done = subprocess.run(
                    [_CHOM, what[0], "--config", str(config), *what[1:]], check=False, capture_output=True
                )
                times.append(time.monotonic() - began)
                lines = len(done.stdout.splitlines())
            print(f"chom {' '.join(what)}: {sorted(times)[len(times) // 2]:.2f} s, {lines} lines")


def _configured(server: PrivateServer, folder: Path) -> Path:
    Keyring().generate("first", KeyKind.AES_256).save(folder / "keys.json")
    (folder / "password").write_text(server.backup.password)
    (folder / "password").chmod(0o600)
    address = {"host": server.backup.host, "port": server.backup.port, "user": server.backup.user}
    body = {
        "repository": {"path": "repository", "encryption": {"keys": {"file": "keys.json"}}},
        "servers": [{"name": "bench", **address, "password": {"file": "password"}}],
    }
    (folder / "chom.yaml").write_text(yaml.safe_dump(body))
    return folder / "chom.yaml"


def _write(server: PrivateServer, files: int, transactions: int) -> None:
    with server.connect() as session:
        session.execute("CREATE DATABASE shop")
        session.execute("CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(100))")
        for number in range(files):
            for _ in range(transactions):
                session.execute("INSERT INTO shop.t (s) VALUES (REPEAT('x', 60))")
            if number == files // 2:
                session.execute("DELETE FROM shop.t LIMIT 5000")
            session.execute("FLUSH BINARY LOGS")


if __name__ == "__main__":
    main()
