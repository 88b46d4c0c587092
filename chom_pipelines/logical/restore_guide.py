"""RESTORE.md: the commands that restore a backup with stock tools alone. Pure; a test runs them in a plain shell."""

from chom_pipelines.logical.definitions import INVALID_VIEW
from chom_pipelines.repository import stock_tools
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.master_keys import WrappedKey


def restore_guide(manifest: Manifest, key: WrappedKey | None) -> str:
    """The text for one backup, and its data key. It holds no secret: the person brings the master key."""
    client = "mariadb" if manifest.source.flavour == "mariadb" else "mysql"
    payload, end = manifest.logical, manifest.coordinates.end
    tools = stock_tools.tools(manifest, "tar")
    where = (
        f"binary log file `{end.file}`, position {end.position}, GTID `{end.gtid or 'none'}`"
        if end
        else "the server wrote no binary log"
    )
    return f"""# Restore {manifest.id} of {manifest.server} without chom

Taken from {manifest.source.flavour} {manifest.source.version} at {manifest.as_of:%Y-%m-%d %H:%M:%S} UTC;
{where}. {len(payload.tables)} tables, {payload.rows} rows in: {", ".join(payload.databases)}.

You need a shell, {tools} and the `{client}` client, room for {manifest.raw_bytes} bytes, and an empty server
that allows `local_infile`. With chom at hand, `chom restore {manifest.id}` does all of this, faster, and checks it.

Run this in this directory. `OUT` is where the decoded files go, readable by you alone; `CLIENT` is how you connect.
{stock_tools.key_needed(key, manifest.key)}
```sh
set -eu
umask 077
OUT=${{OUT:-$(mktemp -d "${{TMPDIR:-/var/tmp}}/restore.XXXXXXXXXX")}}
CLIENT=${{CLIENT:-"{client} --defaults-extra-file=$HOME/.my.cnf"}}
echo "The decoded rows go to $OUT: remove it when they are restored."
{stock_tools.key_commands(key, manifest.key)}
mkdir -p "$OUT"
{stock_tools.manifest_commands(key)}
{stock_tools.objects_commands(key)}
  mkdir -p "$OUT/$(dirname "$object")"
  {stock_tools.decode(manifest)} > "$OUT/${{object%{stock_tools.suffix(manifest)}}}"
done
rm -f "$OUT/object"
cd "$OUT"
for bundle in data/bundle-*.tar; do
  [ ! -e "$bundle" ] || tar -xf "$bundle" --no-same-owner --no-same-permissions -C data
done
$CLIENT --binary-mode < schema/10-tables.sql
$CLIENT --binary-mode --local-infile=1 --show-warnings < schema/load.sql
$CLIENT --binary-mode --comments < schema/20-programs.sql
{_invalid_views(manifest)}```

Every warning that `schema/load.sql` gives names a value that was not stored as it was dumped: there should be none, but
for 1265 where an ENUM column held its error value, which is stored all the same.
Events are as they were: start the server with `--event-scheduler=OFF` if they must not run on the copy. Accounts and
grants are in `schema/90-accounts.sql`; feed it to the client where you want them.

## What this does not protect

{stock_tools.limits(key, "this backup, and no other")}
"""


def _invalid_views(manifest: Manifest) -> str:
    """Views that did not work in the source: what can be created of them, and errors for the rest."""
    if not any(each.kind == INVALID_VIEW for each in manifest.logical.schema_objects):
        return ""
    return "$CLIENT --binary-mode --comments --force < schema/30-invalid-views.sql || true\n"
