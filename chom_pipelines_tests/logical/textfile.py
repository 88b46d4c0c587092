"""How LOAD DATA reads a text with tabs between fields and backslashes as escapes, by its manual: a model."""

_ESCAPED = {b"0": b"\0", b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"Z": b"\x1a"}


def rows_of(text: bytes) -> list[list[bytes | None]]:
    r"""Rows of fields; None where a field is exactly \N."""
    rows: list[list[bytes | None]] = []
    row: list[bytes | None] = []
    field, raw = bytearray(), bytearray()
    position = 0
    while position < len(text):
        byte = text[position : position + 1]
        position += 1
        if byte == b"\\":
            following = text[position : position + 1]
            position += 1
            field += _ESCAPED.get(following, following)
            raw += byte + following
        elif byte in {b"\t", b"\n"}:
            row.append(None if raw == b"\\N" else bytes(field))
            field.clear()
            raw.clear()
            if byte == b"\n":
                rows.append(row)
                row = []
        else:
            field += byte
            raw += byte
    assert not row + [raw] * bool(raw), "the text does not end with a newline"
    return rows
