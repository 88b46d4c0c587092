"""RESTORE.md of a physical backup: the commands that restore it with stock tools alone. Pure; a test runs them."""

from chom_pipelines.repository import stock_tools
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.master_keys import WrappedKey


def restore_guide(manifest: Manifest, key: WrappedKey | None) -> str:
    """The text for one backup, and its data key. It holds no secret: the person brings the master key."""
    payload, end = manifest.physical, manifest.coordinates.end
    is_mariadb = manifest.source.flavour == "mariadb"
    folder = "changes" if manifest.parent else "data"
    tools = stock_tools.tools(manifest, "mbstream", *(["mariadb-backup"] if is_mariadb else []))
    where = (
        f"binary log file `{end.file}`, position {end.position}, GTID `{end.gtid or 'none'}`"
        if end
        else "the server wrote no binary log"
    )
    return f"""# Restore {manifest.id} of {manifest.server} without chom

The data files of {manifest.source.flavour} {manifest.source.version} as of {manifest.as_of:%Y-%m-%d %H:%M:%S} UTC;
{where}. {payload.files} files, read by {payload.program}: {_what(manifest)}

You need a shell, {tools}{_VERSION if is_mariadb else _MBSTREAM}, and room for {manifest.raw_bytes} bytes.
With chom at hand, `chom restore {manifest.id} --into-directory DIR` does all of this, faster, and checks it.

Run this in this directory. `OUT` is where the files go, readable by you alone.
{stock_tools.key_needed(key, manifest.key)}
```sh
set -eu
umask 077
OUT=${{OUT:-$(mktemp -d "${{TMPDIR:-/var/tmp}}/restore.XXXXXXXXXX")}}
echo "The data directory will be $OUT/data."
{stock_tools.key_commands(key, manifest.key)}
mkdir -p "$OUT/{folder}"
{stock_tools.manifest_commands(key)}
{{
{stock_tools.objects_commands(key)}
  {stock_tools.decode(manifest)} || exit 1
done && : > "$OUT/whole"
}} | mbstream -x -C "$OUT/{folder}"
[ -e "$OUT/whole" ] || {{ echo "the backup is damaged: do not use $OUT/data" >&2; exit 1; }}
rm -f "$OUT/object" "$OUT/whole"
{_prepare(manifest)}```

`$OUT/data` is then a data directory, for a server of the version above with the settings in its `backup-my.cnf`. As
root, give it to the server's user (`chown -R mysql: "$OUT/data"`), put it where `datadir` is, with nothing there
before, and start the server. Accounts and passwords are those of {manifest.server}; events run on a copy too: start it
with `--event-scheduler=OFF` if they must not.

## What this does not protect

{stock_tools.limits(key, "this backup, and no other")}
"""


_VERSION = " of the server's own version"
_MBSTREAM = " (of MariaDB, in the package mariadb-backup; Percona's `xbstream` reads the same)"


def _what(manifest: Manifest) -> str:
    if manifest.parent is None:
        return "all of the server, its accounts too."
    return f"""what was changed since
{manifest.parent}. First follow `../{manifest.parent}/RESTORE.md`, start no server on what it makes, and keep `OUT`."""


def _prepare(manifest: Manifest) -> str:
    if manifest.source.flavour != "mariadb":
        return ""
    if manifest.parent is None:
        return 'mariadb-backup --prepare --target-dir="$OUT/data"\n'
    return """mariadb-backup --prepare --target-dir="$OUT/data" --incremental-dir="$OUT/changes"
rm -rf "$OUT/changes"
"""
