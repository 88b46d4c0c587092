"""`chom deploy-check`: for deploy pipelines, the verdict of a migration check that Dagster runs."""

import time
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit, urlunsplit

import typer

from chom_pipelines.cli import output
from chom_pipelines.cli.options import JsonOption
from chom_pipelines.errors import MigrationCheckError
from chom_pipelines.migrations.file_digest import file_digest
from chom_pipelines.outcome import Outcome

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_JOB: Final = "migration_check_job"
_ASSET: Final = "migration_check"
_POLL_SECONDS = 0.5
_ANSWER_SECONDS = 30
_BAD_REQUEST = 400
_COLOURS = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.NOT_VERIFIED: "magenta"}
_WHERE = """query {
  repositoriesOrError { __typename ... on RepositoryConnection { nodes { name location { name }
    jobs { name } assetNodes { assetKey { path } } } } ... on PythonError { message } }
}"""
_LAUNCH = """mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message } ... on RunConfigValidationInvalid { errors { message } }
    ... on InvalidSubsetError { message } ... on PipelineNotFoundError { message } }
}"""
_STATUS = """query ($run: ID!) {
  runOrError(runId: $run) { __typename ... on Run { status
    eventConnection { events { __typename
      ... on MaterializationEvent { assetKey { path } metadataEntries { label ... on TextMetadataEntry { text }
        ... on TableMetadataEntry { table { records } } } }
      ... on ExecutionStepFailureEvent { error { message causes { message } } } } } } }
}"""
_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


@app.command("deploy-check")
def deploy_check(
    url: Annotated[str, typer.Option("--url", metavar="URL", help="Of Dagster's webserver, as http://dagster:3000.")],
    server: Annotated[
        str, typer.Option("--server", metavar="NAME", help="Of which server; optional where there is one.")
    ] = "",
    timeout: Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=1, help="For the whole check.")] = 300,
    release: Annotated[
        Path | None,
        typer.Option(
            "--release",
            metavar="DIRECTORY",
            help="What is to be deployed: a verdict of other files is none.",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Have Dagster check the pending migrations, wait for the verdict, and print it. Needs no chom.yaml here.

    Dagster checks the application that its chom.yaml names. With --release the names and contents of the migrations
    there have to be those of this directory: a Laravel project, or a folder of SQL files.

    Exit code 0 where nothing speaks against the deploy, 1 where something does, 3 where it could not be told: Dagster
    does not answer, the run failed, it checked other files, or a question of the check is open.
    """
    ours = file_digest(release) if release else None
    give_up = time.monotonic() + timeout
    dagster = _Dagster(url.rstrip("/"))
    name, selector = dagster.find(server)
    run = dagster.launch(name, selector)
    found = dagster.wait(run, give_up)
    try:
        outcome = Outcome(found.get("outcome", ""))
    except ValueError as error:
        raise MigrationCheckError(
            f"run {run} of Dagster has no verdict", f"look at {dagster.url}/runs/{run}"
        ) from error
    if ours is not None and found.get("files") != ours:
        what = f"run {run} of Dagster has checked other migrations, in {found.get('place')}, than those of {release}"
        raise MigrationCheckError(
            what, "bring the release to where Dagster's chom.yaml has `migrations`, and ask again"
        )
    if json:
        document = {
            "server": name,
            "run": run,
            "outcome": outcome.value,
            "verdict": found["verdict"],
            "place": found.get("place"),
            "files": found.get("files"),
        }
        output.document("deploy-check", {**document, "findings": found.get("findings", [])})
    else:
        typer.secho(found["verdict"], fg=_COLOURS[outcome], bold=True)
        typer.echo(f"of the application in {found.get('place')}, on Dagster's machine")
        for each in found.get("findings", []):
            if each["severity"] != "info":
                typer.echo(f"{each['severity']} {each['code']}  {each['what']}")
                typer.echo(f"    in: {each['migration']}")
                for line in str(each["instead"]).splitlines():
                    typer.echo(f"    {line}")
        typer.echo(f"{dagster.url}/runs/{run}")
    raise typer.Exit(output.EXIT_CODES[outcome])


class _Dagster:
    """Dagster's GraphQL, as far as it is needed. Every method raises MigrationCheckError where there is no answer."""

    def __init__(self, url: str) -> None:
        self.address = url
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self.url = urlunsplit(parts._replace(netloc=host))  # as it is shown: without a password

    def find(self, server: str) -> tuple[str, dict[str, Any]]:
        """The server's name, and the job's selector, of the one code location that has it."""
        answer = self._asked(_WHERE, {})["repositoriesOrError"]
        found = {
            node["assetKey"]["path"][0]: {
                "repositoryLocationName": repository["location"]["name"],
                "repositoryName": repository["name"],
                "jobName": _JOB,
            }
            for repository in answer.get("nodes", [])
            if any(job["name"] == _JOB for job in repository["jobs"])
            for node in repository["assetNodes"]
            if node["assetKey"]["path"][1:] == [_ASSET]
        }
        names = ", ".join(sorted(found)) or "none"
        if not server and len(found) == 1:
            return next(iter(found.items()))
        if server not in found:
            what = f"{self.url} checks migrations of {names}" + (f", and not of {server}" if server else "")
            raise MigrationCheckError(
                what, "give --server one of these names, or `migrations` to the server in chom.yaml"
            )
        return server, found[server]

    def launch(self, server: str, selector: dict[str, Any]) -> str:
        """Launch a run; its id."""
        asset = [{"path": [server, _ASSET]}]
        params = {
            "selector": {**selector, "assetSelection": asset},
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": "chom/server", "value": server}]},
        }
        answer = self._asked(_LAUNCH, {"params": params})["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            why = answer.get("message") or "; ".join(each["message"] for each in answer.get("errors", []))
            raise MigrationCheckError(f"{self.url} does not launch {_JOB}: {why}", "look at its code location")
        return str(answer["run"]["runId"])

    def wait(self, run: str, give_up: float) -> dict[str, Any]:
        """What the check has told of itself, when the run is over."""
        while True:
            answer = self._asked(_STATUS, {"run": run})["runOrError"]
            status = answer.get("status", answer["__typename"])
            if status in _ENDED:
                break
            if time.monotonic() > give_up:
                what = f"run {run} of Dagster is {status.lower()}, and the time is over"
                raise MigrationCheckError(
                    what, "see that Dagster's daemon runs, and what it runs; or give --timeout more"
                )
            time.sleep(_POLL_SECONDS)  # Dagster's GraphQL is asked; it tells nothing by itself
        events = answer["eventConnection"]["events"]
        if status != "SUCCESS":
            errors = [event["error"] for event in events if event.get("error")]
            causes = [each["message"] for error in errors for each in (*error.get("causes", []), error)]
            why = " ".join(causes[0].split()) if causes else "it says no more"
            raise MigrationCheckError(
                f"run {run} of Dagster ended with {status}: {why}", f"look at {self.url}/runs/{run}"
            )
        found: dict[str, Any] = {}
        for event in events:
            for entry in event.get("metadataEntries", []):
                if "table" in entry:
                    found[entry["label"]] = [_record(each) for each in entry["table"]["records"]]
                else:
                    found[entry["label"]] = entry.get("text")
        return found

    def _asked(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        import requests

        reachable = "see that the webserver runs, and that --url is its address"
        try:
            answer = requests.post(
                f"{self.address}/graphql", json={"query": query, "variables": variables}, timeout=_ANSWER_SECONDS
            )
            if answer.status_code != _BAD_REQUEST:  # which a question has that it does not understand, with the reason
                answer.raise_for_status()
            told = answer.json()
        except requests.RequestException as error:  # with the body that is no JSON among them
            raise MigrationCheckError(f"{self.url} does not answer: {type(error).__name__}", reachable) from error
        if told.get("errors") or "data" not in told:
            why = "; ".join(str(each.get("message")) for each in told.get("errors", []))
            raise MigrationCheckError(f"{self.url} does not understand the question: {why}", "use Dagster 1.13")
        data: dict[str, Any] = told["data"]
        return data


def _record(text: str) -> Any:  # noqa: ANN401  (JSON)
    import json

    found = json.loads(text)
    return found.get("data", found)
