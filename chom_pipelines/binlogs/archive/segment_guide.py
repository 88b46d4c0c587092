"""RESTORE.md of a segment: the commands that decode it and replay it with stock tools alone.

Pure; a test runs them in a plain shell.
"""

from __future__ import annotations

from shlex import quote

from chom_pipelines.binlogs.archive.segments import FIRST
from chom_pipelines.repository import stock_tools
from chom_pipelines.repository.manifest import Coordinates, Manifest
from chom_pipelines.repository.master_keys import WrappedKey
from chom_pipelines.repository.payloads import BinlogPayload
from chom_pipelines.server.facts import Flavour

_CLIENTS = {Flavour.MARIADB: ("mariadb", "mariadb-binlog"), Flavour.MYSQL: ("mysql", "mysqlbinlog")}


def segment_guide(manifest: Manifest, key: WrappedKey | None) -> str:
    """The text for one segment, and its stream's data key. It holds no secret: the person brings the master key."""
    flavour = Flavour(manifest.source.flavour)
    client, reader = _CLIENTS[flavour]
    payload, start, end = manifest.payload, manifest.coordinates.start, manifest.coordinates.end
    if start is None or end is None or not isinstance(payload, BinlogPayload):
        raise ValueError("a segment has a start and an end")
    file, before = quote(start.file), 0 if start.position == FIRST else start.position
    log = next(each for each in manifest.objects if each.path == payload.log)
    return f"""# Replay {manifest.id} of {manifest.server} without chom

The binary log of {manifest.source.flavour} {manifest.source.version}, file `{start.file}` from position \
{start.position} to {end.position}:
{payload.transactions} transactions, up to {manifest.as_of:%Y-%m-%d %H:%M:%S} UTC{_gtids(manifest.coordinates)}.

You need a shell, {stock_tools.tools(manifest)}, the clients `{client}` and `{reader}`, room for {log.raw_bytes} bytes,
and a server onto which a full backup from before was restored: its RESTORE.md says in which file of this binary log it
ends, and at which position. With chom at hand, `chom restore --at TIME` does all of this, and checks it.

## Decode

Run this in this directory, and before it the same of each earlier segment from that file on, in the order of their
names. `OUT` is the directory for the decoded files, the same for all of them.
{stock_tools.key_needed(key, manifest.key)}
```sh
set -eu
umask 077
: "${{OUT:?is to be the directory for the decoded files}}"
{stock_tools.key_commands(key, manifest.key)}
mkdir -p "$OUT"
[ $(($(cat "$OUT"/{file} 2> /dev/null | wc -c))) -eq {before} ] ||
  {{ echo "of {start.file} there have to be the {before} bytes before this segment in $OUT" >&2; exit 1; }}
{stock_tools.manifest_commands(key)}
{stock_tools.objects_commands(key)}
  [ "$object" = {quote(payload.log)} ] || continue
  {stock_tools.decode(manifest)} >> "$OUT"/{file}
done
rm -f "$OUT/object" "$OUT/manifest" "$OUT/sealed.json"
```

## Replay

All files in one session, as temporary tables and variables outlive a file. `START` is the position at which the backup
ends in the first of them. `STOP` is the position in the last one at which to end, in front of a transaction; without it
all is replayed. `{reader} --base64-output=decode-rows -vv FILE` shows what is where.
{_server(flavour)}
```shell
set -eu
CLIENT=${{CLIENT:-"{client} --defaults-extra-file=$HOME/.my.cnf"}}
READER=${{READER:-{reader}}}
cd "$OUT"
{_begin(flavour)}{{
  $READER --no-defaults --start-position="$START" ${{STOP:+"--stop-position=$STOP"}} {_files(start.file)} &&
  echo "SELECT 'all of it was replayed';"
}} | $CLIENT --binary-mode --batch --skip-column-names --max-allowed-packet=1G
```

Only where the last line is `all of it was replayed`, it was. Where the client stops at an error, the server is of no
use: restore it again.

## What this does not protect

{stock_tools.limits(key, "all segments under the same key of the stream")}
"""


def _gtids(coordinates: Coordinates) -> str:
    end = coordinates.end
    return f",\nafter which the GTIDs `{end.gtid}` are executed" if end and end.gtid else ""


def _server(flavour: Flavour) -> str:
    if flavour is Flavour.MARIADB:
        return "Start the server with `--event-scheduler=OFF` and without a binary log.\n"
    return (
        "Start the server with `--event-scheduler=OFF --disable-log-bin`, and where the log has GTIDs with "
        "`--gtid-mode=ON\n--enforce-gtid-consistency=ON`: then `GTID` are those that the backup holds, by its "
        "RESTORE.md.\n"
    )


def _begin(flavour: Flavour) -> str:
    if flavour is Flavour.MARIADB:
        return ""
    return '[ -z "${GTID:-}" ] || $CLIENT -e "SET GLOBAL gtid_purged = \'$GTID\'"\n'


def _files(file: str) -> str:
    """All that were decoded, in their order as long as their numbers have six digits."""
    return f"{quote(file.rpartition('.')[0])}.[0-9]*"
