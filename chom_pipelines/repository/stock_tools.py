"""Pieces of shell, and of text, for RESTORE.md: how stock tools authenticate and decode stored objects. Pure."""

from chom_pipelines.repository.codecs import Codec
from chom_pipelines.repository.data_keys import KeySource, StreamKey
from chom_pipelines.repository.manifest import Manifest
from chom_pipelines.repository.master_keys import KeyKind, WrappedKey
from chom_pipelines.repository.objects import ENCRYPTED

_DECODERS = {
    Codec.ZSTD: "zstd -dcq",
    Codec.GZIP: "gzip -dc",
    Codec.BZIP2: "bzip2 -dc",
    Codec.XZ: "xz -dc",
    Codec.NONE: "cat",
}


_ITSELF = """\
This file cannot vouch for itself: who can write into this directory can change these commands. Read them before you run
them, or take the file from a copy that nobody else can write. In the manifest, once its seal was found right, `guide`
is this file's SHA-256."""

_PLAIN = "The backup is not encrypted. Its checksums find damage, no forgery: who can write here can write new ones."

_EXPOSED = """\
`openssl enc` takes a key only as an argument, and every user of the machine can read the arguments of a program that
runs. So while a file is decoded the list of processes shows the key that decrypts {opens}{master}.
Work where nobody else can log in, or hide the processes of others first, as root: `mount -o remount,hidepid=2 /proc`.
The key with which everything is authenticated is never an argument where `printf` belongs to the shell, as in dash,
bash and the sh of nearly every system."""

_MASTER = "; for a\nmoment it shows `MASTER` too, which decrypts every backup under `{name}`"

_FORGEABLE = """\
Who holds the public half of `{name}` can make a backup under it: the seal proves that the backup is what was written,
not who wrote it."""


def limits(key: WrappedKey | None, opens: str) -> str:
    """What stock tools, or the key, which `opens` something, leave open: the person decides where to run this."""
    if key is None:
        return f"{_PLAIN}\n\n{_ITSELF}"
    if key.kind is KeyKind.RSA:
        return "\n\n".join((_EXPOSED.format(opens=opens, master=""), _FORGEABLE.format(name=key.key_name), _ITSELF))
    return "\n\n".join((_EXPOSED.format(opens=opens, master=_MASTER.format(name=key.key_name)), _ITSELF))


def tools(manifest: Manifest, *others: str) -> str:
    """The programs that a person needs, as Markdown; `others` beside those that decode."""
    names = [*others, "sed", "openssl" if manifest.key else "sha256sum"]
    decoder = _DECODERS[_codec(manifest)].split()[0]
    return ", ".join(f"`{tool}`" for tool in [*names, *([decoder] if decoder != "cat" else [])])


def _codec(manifest: Manifest) -> Codec:
    """The one of all its objects."""
    (codec,) = {stored.codec for stored in manifest.objects}
    return codec


def suffix(manifest: Manifest) -> str:
    """What the paths of its objects end with."""
    return _codec(manifest).suffix + (ENCRYPTED if manifest.key else "")


def key_needed(key: WrappedKey | None, source: KeySource | None) -> str:
    """The text that says what `MASTER` is; "" where nothing is encrypted."""
    if key is None:
        return ""
    file = f"../keys/{source.stream_key}.json" if isinstance(source, StreamKey) else "manifest.json"
    of = {
        KeyKind.RSA: "the file with the private key (PEM)",
        KeyKind.AES_256: (
            "the `encryption` value (64 hexadecimal digits) in the key file, set\nwith "
            "`stty -echo; read -r MASTER; stty echo`, so that it stays out of the shell's history"
        ),
    }
    other = KeyKind.AES_256 if key.kind is KeyKind.RSA else KeyKind.RSA
    return (
        f"\n`MASTER` is of the master key `{key.key_name}`: {of[key.kind]}.\nAfter a rotation of keys it is of the one "
        f"that `key_name` in `{file}` names; where that is of the kind\n{other.value}, it is {of[other]}.\n"
    )


def key_commands(key: WrappedKey | None, source: KeySource | None) -> str:
    """Commands that unwrap the data key, and the function `digest`: of what it is fed, as the manifest has it.

    They read the wrapped key where it is, as it may be wrapped by another master key since.
    """
    if key is None:
        return "digest() { sha256sum | cut -d' ' -f1; }"
    if isinstance(source, StreamKey):
        member = f"""s/^ "'"$1"'": "\\([^"]*\\)".*/\\1/p' ../keys/{source.stream_key}.json"""
    else:
        member = """/^ "key": /s/.*"'"$1"'": "\\([^"]*\\)".*/\\1/p' manifest.json"""
    # HMAC (RFC 2104) of two hashes, its key in printf's hands only: no option of openssl takes one but as an argument.
    # Without the test of the length, a key that does not unwrap would leave the empty one, which a forger knows too.
    return f"""
member() {{ sed -n '{member} | tr -d '\\n'; }}
unwrap() {{
  case "$(member kind)" in
  rsa) openssl pkeyutl -decrypt -inkey "$MASTER" -pkeyopt rsa_padding_mode:oaep \\
         -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256 ;;
  *) openssl enc -d -aes-256-cbc -K "$MASTER" -iv "$(member iv)" ;;
  esac
}}
KEYS=$(member wrapped | openssl base64 -d -A | unwrap | od -An -v -tx1 | tr -d ' \\n')
[ ${{#KEYS}} -eq 128 ] || {{ echo "MASTER is not the key $(member key_name) of this backup" >&2; exit 1; }}
ENCRYPTION=$(printf %s "$KEYS" | cut -c1-64)
MAC=$(printf %s "$KEYS" | cut -c65-128)
pad() {{ for byte in $(printf '%s%064d' "$MAC" 0 | sed 's/../& /g'); do printf '\\\\%03o' $((0x$byte ^ $1)); done; }}
INNER=$(pad 0x36)
OUTER=$(pad 0x5c)
digest() {{
  {{ printf "$INNER"; cat; }} | openssl dgst -sha256 -binary |
    {{ printf "$OUTER"; cat; }} | openssl dgst -sha256 -r | cut -d' ' -f1
}}"""


def manifest_commands(key: WrappedKey | None) -> str:
    """Commands that put the manifest of this directory, without its seal, into `$OUT/manifest`, or stop."""
    return f"""\
cp manifest.json "$OUT/sealed.json"
sed '/^ "seal": /,$d' "$OUT/sealed.json" > "$OUT/manifest"
seal=$(sed -n 's/^ "seal": "\\(.*\\)"$/\\1/p' "$OUT/sealed.json")
[ "$seal" = "{_seal(key)}" ] || {{ echo "{_unsealed(key)}" >&2; exit 1; }}"""


def objects_commands(key: WrappedKey | None) -> str:
    """The head of a loop over `$object`, each of the manifest's, of which the checked copy is `$OUT/object`."""
    return f"""\
sed -n 's/.*{{"path": "\\([^"]*\\)".*"{"mac" if key else "sha256"}": "\\([0-9a-f]*\\)".*/\\2 \\1/p' "$OUT/manifest" |
while read -r written object; do
  cp "$object" "$OUT/object"  # so that what is checked is what is decoded
  [ "$(digest < "$OUT/object")" = "$written" ] || {{ echo "damaged: $object" >&2; exit 1; }}"""


def _seal(key: WrappedKey | None) -> str:
    """What the seal has to be; see repository/sealing.py."""
    if key is None:
        return 'sha256:$(digest < "$OUT/manifest")'
    return 'hmac-sha256:$({ printf manifest:; cat "$OUT/manifest"; } | digest)'


def _unsealed(key: WrappedKey | None) -> str:
    found = "manifest.json is not what was written: its seal does not match"
    return found if key is None else f"{found}, or MASTER is not the master key $(member key_name)"


def decode(manifest: Manifest) -> str:
    """The command, within that loop, that writes what is in the object."""
    decoder = _DECODERS[_codec(manifest)]
    if manifest.key is None:
        return f'{decoder} < "$OUT/object"'
    return (
        f"iv=$(printf 'iv:%s' \"{manifest.id}/$object\" | digest | cut -c1-32)\n"
        f'  openssl enc -d -aes-256-cbc -K "$ENCRYPTION" -iv "$iv" -in "$OUT/object" | {decoder}'
    )
