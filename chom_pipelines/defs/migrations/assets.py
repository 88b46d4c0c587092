"""The asset `migration_check` of each server with migrations, and its job."""

from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg

from chom_pipelines.backups.verdicts import Verdict
from chom_pipelines.defs.checks import check_result
from chom_pipelines.defs.jobs import asset_job
from chom_pipelines.defs.kinds import RESULT, asset_key, asset_of, server_of
from chom_pipelines.defs.resources import Chom
from chom_pipelines.defs.retries import failures
from chom_pipelines.inventory.audit import record
from chom_pipelines.inventory.models import Server
from chom_pipelines.migrations.checking import PATIENCE, MigrationCheck, Mode, check_migrations
from chom_pipelines.migrations.findings import Severity
from chom_pipelines.migrations.questions import QUESTIONS, answers

MIGRATION_CHECK = "migration_check"
MIGRATION_CHECK_JOB = "migration_check_job"

_FINDINGS = dg.TableSchema(
    [
        dg.TableColumn("code", "string"),
        dg.TableColumn("severity", "string"),
        dg.TableColumn("migration", "string"),
        dg.TableColumn("what", "string"),
        dg.TableColumn("instead", "string"),
        dg.TableColumn("why", "string"),
    ]
)
_PLAN = dg.TableSchema(
    [
        dg.TableColumn("migration", "string"),
        dg.TableColumn("statement", "string"),
        dg.TableColumn("how", "string", description="the cheapest algorithm that the server takes"),
        dg.TableColumn("who waits", "string"),
        dg.TableColumn("time", "string", description="by the size of the table now"),
    ]
)
_PAST = dg.TableSchema(
    [
        dg.TableColumn("deployed", "string"),
        dg.TableColumn("migration", "string"),
        dg.TableColumn("seconds", "float"),
        dg.TableColumn("foretold", "string"),
        dg.TableColumn("as foretold", "string"),
    ]
)
_CONFIG = {
    "mode": dg.Field(
        dg.Enum("MigrationCheckMode", [dg.EnumValue(each.value) for each in Mode]),
        default_value=Mode.DRY_RUN.value,
        description="validate leaves out how the server does each statement; deep runs them on a backup's rows, too",
    ),
    "timeout": dg.Field(float, default_value=PATIENCE, description="seconds for the application's own migrator"),
}


@dg.op(
    name=MIGRATION_CHECK,
    out={RESULT: dg.Out(), **{name: dg.Out() for name in QUESTIONS}},
    config_schema=_CONFIG,
)
def _check(context: dg.AssetExecutionContext, chom: Chom) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Runs the pending migrations of one server on a copy, and judges them."""
    key, config = context.asset_key_for_output(RESULT), context.op_execution_context.op_config
    with failures(context):
        inventory = chom.inventory()
        server = inventory.server(server_of(key))
        record(inventory.repository, "migration check", server.name, run=context.run.run_id)
        found = check_migrations(inventory, server, Mode(config["mode"]), context.log.info, timeout=config["timeout"])
    context.log.info("%s", found.verdict)
    checks = [
        check_result(key, name, Verdict(outcome, reason)) for name, (outcome, reason) in answers(found.findings).items()
    ]
    yield dg.MaterializeResult(metadata=_metadata(found), check_results=checks)


def with_migrations(servers: Iterable[Server]) -> list[Server]:
    """Those of which chom.yaml names migrations."""
    return [server for server in servers if server.migrations]


def migration_check(server: Server) -> dg.AssetsDefinition:
    """The asset of one server."""
    key = asset_key(server.name, MIGRATION_CHECK)
    return asset_of(
        _check,
        server,
        description=(
            f"What the pending migrations would do to `{server.name}`, found out on a copy of its schema. Each "
            "question that they raise is a check; the run succeeds where there is a verdict, whatever it is, and "
            "`chom deploy-check` waits for that."
        ),
        pool=None,
        checks=tuple(dg.AssetCheckSpec(name, asset=key, description=text) for name, text in QUESTIONS.items()),
        partitions=None,
    )


def migration_check_job(servers: Iterable[Server]) -> dg.Definitions:
    """Of these servers, where there is one with migrations."""
    checked = with_migrations(servers)
    if not checked:
        return dg.Definitions()
    return asset_job(
        MIGRATION_CHECK_JOB, MIGRATION_CHECK, checked, "Judges pending migrations; production is only read."
    )


def _metadata(found: MigrationCheck) -> dict[str, Any]:
    counts = {each.value: sum(one.severity is each for one in found.findings) for each in Severity}
    findings = [
        dg.TableRecord(
            {
                "code": each.code,
                "severity": each.severity.value,
                "migration": each.migration,
                "what": each.what,
                "instead": each.remedy,
                "why": each.why,
            }
        )
        for each in found.findings
    ]
    plan = [
        dg.TableRecord(
            {
                "migration": each.step.migration,
                "statement": each.step.statement.short(),
                "how": "fails" if each.step.failure else each.step.algorithm.words,
                "who waits": each.step.waiting if each.prediction else "",
                "time": each.prediction.words if each.prediction and each.step.is_structure else "",
            }
        )
        for each in found.plan
    ]
    past = [
        dg.TableRecord(
            {
                "deployed": f"{run.started:%Y-%m-%d %H:%M}",
                "migration": each.migration,
                "seconds": each.seconds,
                "foretold": "" if each.most is None else f"{each.least:.1f} to {each.most:.1f} s",
                "as foretold": {True: "yes", False: "no", None: ""}[each.is_within],
            }
        )
        for run in reversed(found.past)
        for each in run.migrations
    ]
    most = sum(each.prediction.most for each in found.plan if each.prediction)
    return {
        "outcome": found.outcome.value,
        "verdict": found.verdict,
        "place": str(found.place),
        "files": found.files,
        "pending": len(found.pending),
        "errors": counts[Severity.ERROR.value],
        "warnings": counts[Severity.WARNING.value],
        "not_verified": counts[Severity.UNKNOWN.value],
        "accepted": len(found.accepted),
        "most_seconds_in_production": round(most, 2),
        "seconds": round(found.seconds, 2),
        "findings": dg.MetadataValue.table(findings, schema=_FINDINGS),
        "plan": dg.MetadataValue.table(plan, schema=_PLAN),
        "past_migrations": dg.MetadataValue.table(past, schema=_PAST),
    }
