import re
import traceback
from pathlib import Path

import pytest
from croniter import croniter
from pydantic import BaseModel

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.inventory.loading import load_inventory, parse_inventory
from chom_pipelines.inventory.models import Inventory, Migrations, Server, TlsConfig
from chom_pipelines.inventory.opening import address_of
from chom_pipelines.inventory.policies import BackupPolicy, Retention, Schedules, Thresholds
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.payloads import Method

MINIMAL = """\
repository:
  path: /backups
servers:
  - name: chom
    host: db
    user: backup
    password: {env: SECRET}
"""
FILE = Path("/etc/chom/chom.yaml")


def complaint(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_inventory(text, FILE)
    return caught.value.what


def with_server(*lines: str) -> str:
    return MINIMAL + "".join(f"    {line}\n" for line in lines)


def test_a_minimal_file_gets_the_documented_defaults() -> None:
    server = parse_inventory(MINIMAL, FILE).server()
    assert server.port == 3306
    assert server.databases is None
    assert (server.backup.method, server.backup.compression, server.backup.level) == (Method.LOGICAL, Codec.ZSTD, 3)
    assert server.backup.threads == 0
    assert server.retention.full_days == 30
    assert server.schedules.full == "0 2 * * *"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["prot: 3307"], "8: servers[0].prot: unknown key; did you mean port?"),
        (["backup:", "  zzz: 1"], "9: servers[0].backup.zzz: unknown key; the keys here: method, "),
        (["retention: {full: 7}"], "8: servers[0].retention.full: unknown key; did you mean full_days?"),
        (["encryption: {keys: k}"], "8: servers[0].encryption: unknown key; encryption belongs below repository"),
        (["level: 3"], "8: servers[0].level: unknown key; level belongs below servers[].backup"),
        (["backup: {verify: full}"], "8: servers[0].backup.verify: unknown key; did you mean verification?"),
        (["tls: {host: db}"], "8: servers[0].tls.host: unknown key; host belongs below servers[]"),
        (["repository: {}"], "8: servers[0].repository: unknown key; repository belongs at the top"),
        (["thresholds: {exposure_minutes: -5}"], "8: servers[0].thresholds.exposure_minutes: must be more than 0"),
        (["port: 99999"], "8: servers[0].port: must be at most 65535"),
        (["port: high"], "8: servers[0].port: a whole number is needed"),
        (["databases: shop"], "8: servers[0].databases: a list is needed: [one, another]"),
        (["backup: true"], "8: servers[0].backup: keys and their values are needed below this key"),
        (["schedules: {full: '61 2 * * *'}"], "8: servers[0].schedules.full: not a cron schedule"),
        (["schedules: {full: '0 0 2 * * *'}"], "8: servers[0].schedules.full: not a cron schedule"),
        (["schedules: {full: '@daily'}"], "8: servers[0].schedules.full: not a cron schedule"),
        (["schedules: {full: '0 0 31 2 *'}"], "8: servers[0].schedules.full: this cron schedule never fires"),
        (["schedules: {timezone: Europe}"], "8: servers[0].schedules.timezone: not a time zone"),
        (["schedules: {timezone: Mars/Base}"], "8: servers[0].schedules.timezone: not a time zone"),
        (["schedules: {timezone: ../../etc/passwd}"], "8: servers[0].schedules.timezone: not a time zone"),
        (["socket: /run/mysqld.sock"], "8: servers[0].socket: both host and socket are set"),
        (["backup: {encrypt: true}"], "8: servers[0].backup.encrypt: nothing to encrypt with"),
        (["backup: {upload: true}"], "8: servers[0].backup.upload: nowhere to upload to"),
        (["backup: {compression: gzip,", "  level: 12}"], "9: servers[0].backup.level: gzip has levels 1 to 9"),
        (["backup: {compression: rar}"], "8: servers[0].backup.compression: must be 'zstd', 'gzip', "),
        (["databases: []"], "8: servers[0].databases: no database is named"),
        (["databases: [a, mysql]"], "8: servers[0].databases[1]: mysql is the server's own"),
        (["databases:", "  - a", "  - a"], "10: servers[0].databases[1]: a is named twice"),
        (["tls: {key: k.pem}"], "8: servers[0].tls.key: a key without its certificate"),
        (["tls: {ca: c.pem, verify: none}"], "8: servers[0].tls.verify: verify: none never looks at ca"),
        (["migrations: {laravel: /a, sql: /b}"], "8: servers[0].migrations: name one"),
        (["retention: {full_days: 0}"], "8: servers[0].retention.full_days: must be at least 1"),
        (["backup: {level: true}"], "8: servers[0].backup.level: a whole number is needed"),
        (["port: 1:30"], "8: servers[0].port: YAML counts what has colons in sixties"),
        (["port: 1", "port: 2"], "9: servers[0].port: this key is here twice"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_key(lines: list[str], expected: str) -> None:
    assert complaint(with_server(*lines)).startswith(f"{FILE}:{expected}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MINIMAL.replace("    host: db\n", ""), "4: servers[0]: no address"),
        (MINIMAL.replace("    user: backup\n", ""), "4: servers[0].user: this key is missing"),
        (MINIMAL.replace("  path: /backups", "  offsite: {url: s3://b}"), "1: repository.path: this key is missing"),
        (MINIMAL.replace("name: chom", "name: a/b"), "4: servers[0].name: "),
        (MINIMAL.replace("name: chom", "name: .."), "4: servers[0].name: "),
        (MINIMAL.replace("{env: SECRET}", "{env: A, file: b}"), "7: servers[0].password: name one place"),
        (MINIMAL.replace("    password: {env: SECRET}\n", ""), "4: servers[0]: no password"),
        (MINIMAL.replace("path: /backups", "path: /b\n  offsite: {url: /tmp}"), "3: repository.offsite.url: "),
        (MINIMAL.replace("host: db", "socket: /s\n    port: 1"), "6: servers[0].port: a socket has no port"),
        (MINIMAL[: MINIMAL.index("  - name")] + "  []", "3: servers: no server is configured"),
        ("repository: [", "1: "),
        ("just text", "1: not a mapping"),
        ("", "1: not a mapping"),
        ("a: *b", "1: "),
    ],
)
def test_a_broken_file_is_named_by_line(text: str, expected: str) -> None:
    assert complaint(text).startswith(f"{FILE}:{expected}")


def test_every_mistake_is_reported_at_once_in_the_order_of_the_file() -> None:
    lines = complaint(with_server("port: 0", "retention: {full_days: no}", "tsl: {}")).splitlines()
    assert [line.split(":")[1] for line in lines] == ["8", "9", "10"]


def test_a_password_in_the_file_is_refused_and_not_repeated() -> None:
    text = MINIMAL.replace("{env: SECRET}", "hunter2")
    with pytest.raises(ConfigurationError) as caught:
        parse_inventory(text, FILE)
    assert "7: servers[0].password: a secret is never in this file" in str(caught.value)
    chain = caught.value.__cause__, caught.value.__context__
    assert "hunter2" not in f"{caught.value!r} {chain!r}"


def test_a_server_that_is_named_twice_is_refused() -> None:
    second = MINIMAL[MINIMAL.index("  - name") :]
    assert complaint(MINIMAL + second).startswith(f"{FILE}:8: servers[1].name: chom is named twice")


def test_servers_that_dagster_could_not_tell_apart_are_refused() -> None:
    text = MINIMAL.replace("chom", "db-0") + MINIMAL[MINIMAL.index("  - name") :].replace("chom", "db_0")
    assert "servers[1].name: db-0 and db_0 would share the Dagster group db_0" in complaint(text)


def test_a_missing_file_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"--config or \$CHOM_CONFIG"):
        load_inventory(tmp_path / "none.yaml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "chom.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_inventory(file)


def test_the_file_is_found_by_option_then_variable_then_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("chom", "variable", "option"):
        (tmp_path / f"{name}.yaml").write_text(MINIMAL.replace("name: chom", f"name: from-{name}"))
    monkeypatch.delenv("CHOM_CONFIG", raising=False)
    assert load_inventory().server().name == "from-chom"
    monkeypatch.setenv("CHOM_CONFIG", str(tmp_path / "variable.yaml"))
    assert load_inventory().server().name == "from-variable"
    assert load_inventory(tmp_path / "option.yaml").server().name == "from-option"


def test_relative_paths_start_at_the_folder_of_the_file() -> None:
    inventory = parse_inventory(MINIMAL.replace("/backups", "kept").replace("{env: SECRET}", "{file: pw}"), FILE)
    assert inventory.repository.path == Path("/etc/chom/kept")
    password = inventory.server().password
    assert password is not None
    assert password.file == Path("/etc/chom/pw")


def test_an_inventory_is_the_same_after_json() -> None:
    inventory = parse_inventory(MINIMAL, FILE)
    assert Inventory.model_validate_json(inventory.model_dump_json(exclude_unset=True)) == inventory


@pytest.mark.parametrize("path", ["s3://bucket/chom", "file:///var/backups", "https://elsewhere/x"])
def test_a_repository_at_a_url_is_refused_and_not_taken_for_a_folder(path: str) -> None:
    with pytest.raises(ConfigurationError, match="and not at a URL"):
        parse_inventory(MINIMAL.replace("/backups", path), FILE)


_PARTS = {
    "backup": BackupPolicy,
    "schedules": Schedules,
    "retention": Retention,
    "thresholds": Thresholds,
    "migrations": Migrations,
    "tls": TlsConfig,
}
_ODD = ("[1]", "{a: 1}", "x y", "-1.5", "true", "null", "''")


@pytest.mark.parametrize(("part", "model"), _PARTS.items())
def test_no_mistake_is_told_in_the_words_of_the_library_that_finds_it(part: str, model: type[BaseModel]) -> None:
    assert_own_words([with_server(f"{part}: {{{key}: {odd}}}") for key in model.model_fields for odd in _ODD])


def test_no_mistake_of_a_server_or_the_repository_is_told_in_those_either() -> None:
    fields = {"name": "chom", "host": "db", "user": "backup"}
    texts = [with_server(f"{key}: {odd}") for key in Server.model_fields for odd in _ODD if key not in fields]
    texts += [MINIMAL.replace(f"{key}: {value}", f"{key}: {odd}") for key, value in fields.items() for odd in _ODD]
    texts += [MINIMAL.replace("/backups", f"/b\n  {key}: {odd}") for key in ("mount", "offsite") for odd in _ODD]
    texts += [MINIMAL.replace("/backups", f"/b\n  offsite: {{url: {odd}}}") for odd in _ODD]
    assert_own_words(texts)


def assert_own_words(texts: list[str]) -> None:
    told = []
    for text in texts:
        try:
            parse_inventory(text, FILE)
        except ConfigurationError as error:
            told.append(error.what)
    assert len(told) > len(texts) / 2
    assert [each for each in told if re.search("Input|should|instance of|dictionary|tuple|String", each)] == []


def test_the_default_schedules_are_schedules() -> None:
    defaults = [default for default in Schedules().model_dump().values() if default not in (None, "UTC")]
    assert len(defaults) == 8
    assert all(croniter.is_valid(default) for default in defaults)


@pytest.mark.parametrize(
    "value",
    ["hunter2", "*hunter2", "!hunter2 x", "@hunter2", "{hunter2}", "{hunter2: x}", "{env: {hunter2: x}}", "%hunter2",
     "{? [hunter2] : x}", "!!int hunter2", "!!bool hunter2", "!!float hunter2", "!!python/name:hunter2", "&hunter2 5"],
)  # fmt: skip
def test_what_somebody_took_for_a_place_for_a_password_is_not_shown(value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_inventory(MINIMAL.replace("{env: SECRET}", value), FILE)
    told = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in told
    assert caught.value.what.startswith(f"{FILE}:")


@pytest.mark.parametrize(
    "value",
    ["2026-13-45", "0x_", "0b_", "9" * 5_000, "!!timestamp x", "&a [*a]", "[" * 20_000, "\x07", "~nosuchuser/x"],
    ids=lambda value: value[:12],
)
def test_what_yaml_cannot_read_is_a_mistake_in_the_configuration(value: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_inventory(MINIMAL.replace("/backups", value), FILE)


def test_a_key_that_is_no_text_is_refused_where_it_stands() -> None:
    assert complaint(with_server("5: x")) == f"{FILE}:8: servers[0][5]: a key must be text: put it into quotes"
    assert complaint(f"{MINIMAL}1: x\n").startswith(f"{FILE}:8: [1]: a key must be text")
    assert "\x1b" not in complaint(with_server('"\\e[31mred": x'))


@pytest.mark.parametrize(
    ("url", "key", "value"),
    [
        ("gs://bucket/x", "profile", "backups"),
        ("gs://bucket/x", "encryption", "AES256"),
        ("az://container/x", "region", "eu-central-1"),
        ("az://container/x", "kms_key", "x"),
        ("file:///mnt/x", "endpoint_url", "https://minio"),
        ("s3://bucket/x", "kms_key", "x"),
    ],
)
def test_what_a_kind_of_second_copy_has_no_use_for_is_refused_at_its_key(url: str, key: str, value: str) -> None:
    text = MINIMAL.replace("/backups\n", f"/backups\n  offsite: {{url: '{url}', {key}: '{value}'}}\n")
    with pytest.raises(ConfigurationError, match=rf"offsite\.{key}"):
        parse_inventory(text, FILE)


@pytest.mark.parametrize("url", ["gs://bucket/x", "az://container/x"])
def test_a_second_copy_may_be_in_google_or_azure(url: str) -> None:
    text = MINIMAL.replace("/backups\n", f"/backups\n  offsite: {{url: '{url}', storage_class: x, credentials: /c}}\n")
    offsite = parse_inventory(text, FILE).repository.offsite
    assert offsite is not None
    assert address_of(offsite).url == url
