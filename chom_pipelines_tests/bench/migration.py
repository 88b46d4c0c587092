"""How long the migration check takes, and whether its predictions hold: 15 migrations, tables of a gigabyte.

`python -m chom_pipelines_tests.bench.migration --flavour mariadb --bytes 1e9`: `chom migration check`, with and without
--validate, as a process, several times; then each statement of the plan on production, against its prediction.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from chom_pipelines.server.connection import Session
from chom_pipelines.server.endpoint import Endpoint
from chom_pipelines.server.facts import Flavour
from chom_pipelines.server.scratch import scratch_server
from chom_pipelines_tests.migrations.laravel_app import LaravelApp, laravel_app

DATABASE = "shop"
_MOMENT = 0.1
_ROW = 250
"""Bytes of a row, about."""
TABLES = {"users": 0.2, "orders": 0.4, "lines": 0.4}
MIGRATIONS = (
    "ALTER TABLE users ADD COLUMN nickname VARCHAR(50) NULL",
    "ALTER TABLE users ADD INDEX users_nickname (nickname)",
    "ALTER TABLE orders ADD COLUMN paid_at DATETIME NULL",
    "ALTER TABLE orders ADD INDEX orders_total (total)",
    "ALTER TABLE users ADD UNIQUE users_number (number)",
    "ALTER TABLE `lines` ADD COLUMN note VARCHAR(100) NOT NULL DEFAULT ''",
    "CREATE TABLE coupons (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, code VARCHAR(20) NOT NULL UNIQUE)",
    "ALTER TABLE orders MODIFY total BIGINT NOT NULL",
    "ALTER TABLE users MODIFY text VARCHAR(255) NULL",
    "ALTER TABLE `lines` DROP COLUMN note",
    "ALTER TABLE orders RENAME INDEX orders_total TO orders_by_total",
    "ALTER TABLE users COMMENT = 'people'",
    "CREATE TABLE coupon_order (coupon_id BIGINT UNSIGNED, order_id INT, PRIMARY KEY (coupon_id, order_id))",
    "CREATE INDEX lines_total ON `lines` (total)",
    "ALTER TABLE users DROP INDEX users_nickname",
)


def fill(endpoint: Endpoint, size: float) -> None:
    """Tables of so many bytes together, rows doubled by the server itself."""
    with Session(endpoint) as session:
        session.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
        session.execute(f"USE {DATABASE}")
        for name, share in TABLES.items():
            session.execute(
                f"CREATE TABLE `{name}` (id INT AUTO_INCREMENT PRIMARY KEY, number BIGINT NOT NULL, total INT NOT NULL,"
                " text VARCHAR(250) NULL)"
            )
            rows, wanted = 1, int(size * share / _ROW)
            session.execute(f"INSERT INTO `{name}` (number, total, text) VALUES (1, 1, REPEAT('x', 200))")
            while rows < wanted:
                more = min(rows, wanted - rows)
                session.execute(
                    f"INSERT INTO `{name}` (number, total, text) SELECT number + {rows}, (number * 7919) % 100000,"
                    f" CONCAT(SHA2(number + {rows}, 512), LEFT(text, 80)) FROM `{name}` ORDER BY id LIMIT {more}"
                )
                rows += more
            session.execute(f"ANALYZE TABLE `{name}`")


def application(endpoint: Endpoint, place: Path) -> LaravelApp:
    """With the migrations above, one statement each."""
    app = laravel_app(place, socket=endpoint.socket or "", database=DATABASE, user=endpoint.user)
    for number, statement in enumerate(MIGRATIONS):
        app.sql(f"2024_01_{number + 1:02}_000000_step", statement)
    artisan(app, "migrate:install")
    return app


def artisan(app: LaravelApp, *arguments: str) -> None:
    subprocess.run(
        [shutil.which("php") or "php", "artisan", *arguments], cwd=app.place, check=True, capture_output=True
    )


def timed(config: Path, *options: str) -> tuple[float, dict[str, Any]]:
    """Seconds of the whole process, and what it has told."""
    chom = Path(sys.executable).with_name("chom")
    begun = time.monotonic()
    done = subprocess.run(
        [str(chom), "migration", "check", "--json", "--config", str(config), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    return time.monotonic() - begun, json.loads(done.stdout)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--flavour", choices=[each.value for each in Flavour], default="mariadb")
    parser.add_argument("--bytes", type=float, default=1e9)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    options = ("--innodb-buffer-pool-size=1G",)
    with (
        tempfile.TemporaryDirectory() as directory,
        scratch_server(Flavour(chosen.flavour), directory=Path(directory), options=options) as server,
    ):
        place, endpoint = Path(directory), server.endpoint
        fill(endpoint, chosen.bytes)
        app = application(endpoint, place / "app")
        config = place / "chom.yaml"
        config.write_text(
            "repository: {path: repository}\nservers:\n"
            f"  - {{name: shop, socket: {endpoint.socket}, user: {endpoint.user}, databases: [{DATABASE}],"
            f" migrations: {{laravel: {app.place}}}}}\n"
        )
        for label, more in (("validate", ("--validate",)), ("dry-run", ())):
            seconds = sorted(timed(config, *more)[0] for _ in range(chosen.rounds))
            middle, spread = seconds[len(seconds) // 2], f"{seconds[0]:.2f} to {seconds[-1]:.2f}"
            print(f"{chosen.flavour:8} {label:9} {middle:6.2f} s  ({spread})")
        compare(endpoint, timed(config)[1])


def compare(endpoint: Endpoint, told: dict[str, Any]) -> None:
    """Run each statement of the plan on production, and time it against its prediction."""
    within = 0
    with Session(endpoint) as session:
        session.execute(f"USE {DATABASE}")
        for each in told["plan"]:
            begun = time.monotonic()
            session.execute(each["statement"])
            took = time.monotonic() - begun
            least, most = each["seconds"]
            fits = least <= took <= most or took < _MOMENT
            within += fits
            how = f"{each['algorithm'] or '-'} {each['lock'] or ''}"
            said = f"predicted {least:6.2f} to {most:6.2f} {'' if fits else 'NOT'}"
            print(f"{took:7.2f} s  {said:32} {how:16} {each['statement'][:60]}")
    print(f"{within} of {len(told['plan'])} within the prediction; {told['outcome']}")


if __name__ == "__main__":
    main()
