"""Random text and bytes, in any character set, made of what formats and tools have got wrong. Pure."""

from __future__ import annotations

from random import Random

from chom_pipelines_tests.logical.fidelity import binary

CODECS = {
    "latin1": "cp1252", "sjis": "cp932", "gbk": "gbk", "big5": "big5", "ucs2": "utf-16-be", "utf16": "utf-16-be",
    "utf32": "utf-32-be", "utf8mb3": "utf-8", "utf8mb4": "utf-8", "ascii": "ascii", "euckr": "euc_kr", "ujis": "euc_jp",
}  # fmt: skip
"""Python's name of each character set."""

_AWKWARD = [
    "", " ", "NULL", "\\N", "\\", "\\\\", "\t", "\n", "\r\n", "\0", "\x1a", "'", '"', "`", "a\\", "\\t", "tail  ", "%s",
    "--", ";", "12 pcs", "-0", "1e400", "0x41", "2024-02-31", "é", "ß", "a\tb\\\nc",
]  # fmt: skip
# what looks like another letter, and lies beyond the first plane, is meant
_WIDE = "é ÿ ソ 表 能 十 功 許 蓋 誠 中 한 ਜ਼ Ā ſ İ ı Ω 乗"  # noqa: RUF001
_BEYOND = "💾👍𝔘"  # noqa: RUF001


def text(random: Random, charset: str, longest: int) -> str:
    """SQL of a text of at most `longest` characters of the character set."""
    data = b""
    for _ in range(random.choice([1, 1, 1, 2, 3, 12])):
        data += _piece(random, charset)
    codec = CODECS[charset]
    cut = data.decode(codec, "ignore")[:longest]
    return binary(cut.encode(codec, "ignore"), charset)


def data(random: Random, longest: int) -> str:
    """SQL of at most `longest` bytes."""
    chosen = random.choice([b"", b"\0", b"\\N", b"\t\n\\", b"\xff\xfe\x5c\x5c", random.randbytes(9), bytes(range(256))])
    return binary(chosen[:longest])


def _piece(random: Random, charset: str) -> bytes:
    codec = CODECS[charset]
    kind = random.randrange(4)
    if kind == 0 and charset in {"sjis", "gbk", "big5"}:  # the second byte of a character is a backslash
        return bytes([random.randrange(0x88, 0xF0), 0x5C]).decode(codec, "ignore").encode(codec, "ignore")
    if kind == 1:
        return _encoded(random.choice(_WIDE.split()), charset)
    if kind == 2 and charset in {"utf8mb4", "utf16", "utf32"}:
        return random.choice(_BEYOND).encode(codec)
    return _encoded(random.choice(_AWKWARD), charset)


def _encoded(piece: str, charset: str) -> bytes:
    return piece.encode(CODECS[charset], "ignore")
