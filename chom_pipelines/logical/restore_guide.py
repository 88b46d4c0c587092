"""RESTORE.md: the commands that restore a backup with stock tools alone. Pure; a test runs them in a plain shell."""

from chom_pipelines.logical.definitions import INVALID_VIEW
from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.keys import KeyKind, WrappedKey
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.objects import ENCRYPTED

_DECODERS = {
    Codec.ZSTD: "zstd -dcq",
    Codec.GZIP: "gzip -dc",
    Codec.BZIP2: "bzip2 -dc",
    Codec.XZ: "xz -dc",
    Codec.NONE: "cat",
}


def restore_guide(manifest: Manifest, key: WrappedKey | None) -> str:
    """The text for one backup, and its data key. It holds no secret: the person brings the master key."""
    client = "mariadb" if manifest.source.flavour == "mariadb" else "mysql"
    payload, end = manifest.logical, manifest.coordinates.end
    where = (
        f"binary log file `{end.file}`, position {end.position}, GTID `{end.gtid or 'none'}`"
        if end
        else "the server wrote no binary log"
    )
    return f"""# Restore {manifest.id} of {manifest.server} without chom

Taken from {manifest.source.flavour} {manifest.source.version} at {manifest.as_of:%Y-%m-%d %H:%M:%S} UTC;
{where}. {len(payload.tables)} tables, {payload.rows} rows in: {", ".join(payload.databases)}.

You need a shell, {_tools(manifest)} and the `{client}` client, room for {manifest.raw_bytes} bytes, and an empty server
that allows `local_infile`. With chom at hand, `chom restore {manifest.id}` does all of this, faster, and checks it.

Run this in this directory. `OUT` is where the decoded files go; `CLIENT` is how you connect.
{_key_needed(key)}
```sh
set -eu
OUT=${{OUT:-/var/tmp/{manifest.id}}}
CLIENT=${{CLIENT:-"{client} --defaults-extra-file=$HOME/.my.cnf"}}
{_key_commands(key)}
sed -n 's/.*{{"path": "\\([^"]*\\)".*/\\1/p' manifest.json | while read -r object; do
{_check(key)}
  mkdir -p "$OUT/$(dirname "$object")"
  {_decode(manifest)} > "$OUT/${{object%{_suffix(manifest)}}}"
done
cd "$OUT"
for bundle in data/bundle-*.tar; do [ ! -e "$bundle" ] || tar -xf "$bundle" -C data; done
$CLIENT --binary-mode < schema/10-tables.sql
$CLIENT --binary-mode --local-infile=1 --show-warnings < schema/load.sql
$CLIENT --binary-mode --comments < schema/20-programs.sql
{_invalid_views(manifest)}```

Every warning that `schema/load.sql` gives names a value that was not stored as it was dumped: there should be none, but
for 1265 where an ENUM column held its error value, which is stored all the same.
Events are as they were: start the server with `--event-scheduler=OFF` if they must not run on the copy. Accounts and
grants are in `schema/90-accounts.sql`; feed it to the client where you want them.
"""


def _invalid_views(manifest: Manifest) -> str:
    """Views that did not work in the source: what can be created of them, and errors for the rest."""
    if not any(each.kind == INVALID_VIEW for each in manifest.logical.schema_objects):
        return ""
    return "$CLIENT --binary-mode --comments --force < schema/30-invalid-views.sql || true\n"


def _tools(manifest: Manifest) -> str:
    tools = ["tar", "sed", "openssl" if manifest.key else "sha256sum"]
    decoder = _DECODERS[_codec(manifest)].split()[0]
    return ", ".join(f"`{tool}`" for tool in [*tools, *([decoder] if decoder != "cat" else [])])


def _codec(manifest: Manifest) -> Codec:
    """The one of all its objects."""
    (codec,) = {stored.codec for stored in manifest.objects}
    return codec


def _suffix(manifest: Manifest) -> str:
    return _codec(manifest).suffix + (ENCRYPTED if manifest.key else "")


def _key_needed(key: WrappedKey | None) -> str:
    if key is None:
        return ""
    if key.kind is KeyKind.RSA:
        return f"\n`MASTER` is the file with the private key `{key.key_name}` (PEM).\n"
    return (
        f"\n`MASTER` is the `encryption` value (64 hexadecimal digits) of the key `{key.key_name}` in the key file; "
        "set it with\n`read -rs MASTER`, so that it stays out of the shell's history.\n"
    )


def _key_commands(key: WrappedKey | None) -> str:
    if key is None:
        return ""
    if key.kind is KeyKind.RSA:
        unwrap = (
            'openssl pkeyutl -decrypt -inkey "$MASTER" -pkeyopt rsa_padding_mode:oaep '
            "-pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256"
        )
    else:
        unwrap = f'openssl enc -d -aes-256-cbc -K "$MASTER" -iv {key.iv}'
    return f"""
KEYS=$(printf %s '{key.wrapped}' | openssl base64 -d -A |
  {unwrap} | od -An -v -tx1 | tr -d ' \\n')
ENCRYPTION=$(printf %s "$KEYS" | cut -c1-64)
MAC=$(printf %s "$KEYS" | cut -c65-128)
hmac() {{ openssl dgst -sha256 -mac HMAC -macopt "hexkey:$MAC" -r | cut -d' ' -f1; }}"""


def _check(key: WrappedKey | None) -> str:
    if key is None:
        return (
            "  sum=$(sha256sum < \"$object\" | cut -d' ' -f1)\n"
            '  grep -q "\\"path\\": \\"$object\\".*\\"sha256\\": \\"$sum\\"" manifest.json ||\n'
            '    { echo "damaged: $object" >&2; exit 1; }'
        )
    return (
        '  mac=$(hmac < "$object")\n'
        '  grep -q "\\"path\\": \\"$object\\".*\\"mac\\": \\"$mac\\"" manifest.json ||\n'
        '    { echo "damaged: $object" >&2; exit 1; }'
    )


def _decode(manifest: Manifest) -> str:
    decoder = _DECODERS[_codec(manifest)]
    if manifest.key is None:
        return f'{decoder} < "$object"'
    return (
        f"iv=$(printf 'iv:%s' \"{manifest.id}/$object\" | hmac | cut -c1-32)\n"
        f'  openssl enc -d -aes-256-cbc -K "$ENCRYPTION" -iv "$iv" -in "$object" | {decoder}'
    )
