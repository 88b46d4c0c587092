"""`chom migration check`: what it prints, its exit codes, and what the audit log keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from chom_pipelines.cli.main import main
from chom_pipelines.server.connection import Session
from chom_pipelines_tests.migrations.checked import ACCEPT, HISTORY, make_database, written
from chom_pipelines_tests.servers import PrivateServer

DATABASE = "told"


@pytest.fixture
def config(server: PrivateServer, tmp_path: Path) -> Iterator[Path]:
    make_database(
        server.root,
        DATABASE,
        (
            HISTORY,
            "CREATE TABLE users (id INT PRIMARY KEY, email VARCHAR(50))",
            "INSERT INTO users VALUES (1, 'a'), (2, 'a')",
        ),
    )
    (tmp_path / "repository").mkdir()
    body = {
        "repository": {"path": "repository"},
        "servers": [
            {
                "name": "shop",
                "socket": server.root.socket,
                "user": server.root.user,
                "databases": [DATABASE],
                "migrations": {"sql": "m", "accept": ACCEPT},
            }
        ],
    }
    path = tmp_path / "chom.yaml"
    path.write_text(yaml.safe_dump(body))
    yield path
    with Session(server.root) as session:
        session.execute(f"DROP DATABASE {DATABASE}")


def chom(config: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["migration", "check", "--config", str(config), *arguments])
    return int(ended.value.code or 0)


def audited(config: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((config.parent / "repository" / "audit.jsonl").read_text().splitlines()[-1])
    return found


def test_a_safe_deploy_exits_with_0_and_prints_each_statement_and_how_it_is_done(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(config.parent / "m", {"0001_age": "ALTER TABLE users ADD COLUMN age INT"})
    assert chom(config) == 0
    told = capsys.readouterr().out
    assert "shop: 1 pending migration, nothing speaks against the deploy" in told
    assert "INSTANT" in told
    assert "accepted RB02" in told
    assert audited(config)["outcome"] == "passed"


def test_a_dangerous_one_exits_with_1_and_says_what_to_do(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(config.parent / "m", {"0001_unique": "ALTER TABLE users ADD UNIQUE users_email (email)"})
    assert chom(config, "--validate") == 1
    told = capsys.readouterr().out
    assert "error DD01" in told
    assert "GROUP BY `email`" in told
    assert "\\n" not in told


def test_statements_are_printed_whole_where_that_is_asked(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = ", ".join(f"ADD COLUMN c{number} INT" for number in range(30))
    written(config.parent / "m", {"0001_wide": f"ALTER TABLE users {long}"})
    assert chom(config, "--pretend") == 0
    assert f"ALTER TABLE users {long};" in capsys.readouterr().out


def test_a_document_has_the_verdict_the_findings_and_the_plan(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(config.parent / "m", {"0001_wider": "ALTER TABLE users MODIFY email TEXT"})
    assert chom(config, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["pending"], told["forced"]) == ("passed", ["0001_wider.sql"], None)
    [planned] = told["plan"]
    assert (planned["algorithm"], planned["copies_rows"], planned["waiting"]) == ("COPY", True, "writes")
    assert {each["code"] for each in told["findings"] if each["severity"] == "warning"} == {"LK01"}


def test_force_lets_it_through_and_the_audit_log_keeps_who_and_why(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(config.parent / "m", {"0001_unique": "ALTER TABLE users ADD UNIQUE users_email (email)"})
    assert chom(config, "--force", "the rows go tonight") == 0
    told = capsys.readouterr().out
    assert "must not be deployed as they are: DD01" in told
    assert "forced: the rows go tonight" in told
    kept = audited(config)
    assert (kept["forced"], kept["outcome"], kept["codes"]) == ("the rows go tonight", "failed", ["DD01"])


def test_validate_and_pretend_exclude_each_other(config: Path) -> None:
    assert chom(config, "--validate", "--pretend") == 2


def test_without_migrations_in_chom_yaml_it_is_a_matter_of_configuration(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = yaml.safe_load(config.read_text())
    del body["servers"][0]["migrations"]
    config.write_text(yaml.safe_dump(body))
    assert chom(config) == 2
    assert "chom.yaml names no migrations of shop" in capsys.readouterr().err
