"""Whether every value of a column of one type is one of another: known, to be asked of the rows, or not known. Pure.

What is not listed here is not known, and nothing is said to be safe but what is provably so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from chom_pipelines.migrations.shapes import Column
from chom_pipelines.server.identifiers import literal

VALUE = "\0"
"""Which is in no literal."""
_WIDENED = {("utf8mb3", "utf8mb4"), ("utf8", "utf8mb4"), ("latin1", "utf8mb4"), ("ascii", "utf8mb4")}
"""Character sets of which the second has all that the first has."""
_BYTES = {"ascii": 1, "latin1": 1, "utf8": 3, "utf8mb3": 3}
_MOST_BYTES = 4
_MOST_DIGITS = 60
_INTEGER_BITS = 32
"""That a DOUBLE holds exactly, and more."""


@dataclass(frozen=True)
class Offending:
    """A condition that rows meet whose value is none of the new type; `VALUE` stands for the column."""

    condition: str
    what: str
    code: str = "DD04"
    shown: str = VALUE


@dataclass(frozen=True)
class Conversion:
    """`offending` is to be asked; without it every value fits. `kept`: a value is afterwards what it was."""

    offending: tuple[Offending, ...] = ()
    kept: bool = True


def conversion(old: Column, new: Column) -> Conversion | None:
    """None where it is not known whether the values fit."""
    if (old.type, old.collation) == (new.type, new.collation):
        return Conversion()
    if "zerofill" in old.type or "zerofill" in new.type:
        return None
    if old.integers:
        return _of_integers(old.integers, new)
    if old.members:
        return _of_members(old, new)
    if old.length is not None:
        return (_of_text if old.collation else _of_binary)(old, old.length, new)
    return _of_decimals(old, new) if old.base_type == new.base_type == "decimal" else _of_others(old, new)


def same_order(old: Column, new: Column) -> bool:
    """Whether what was alike is alike, and nothing else; of text that is a matter of its collation."""
    return (old.collation or "").partition("_")[2] == (new.collation or "").partition("_")[2]


def _of_integers(limits: tuple[int, int], new: Column) -> Conversion | None:
    if new.base_type == "decimal":
        return _within(limits, _whole(new))
    if new.integers:
        return _within(limits, new.integers)
    if new.base_type == "double" and new.type == "double" and limits[1] < 2**_INTEGER_BITS:
        return Conversion()
    if new.collation and new.length is not None and not new.members:
        return _not_longer(max(len(str(each)) for each in limits), new, kept=False)
    return None


def _within(limits: tuple[int, int], wanted: tuple[int, int]) -> Conversion:
    if wanted[0] <= limits[0] and limits[1] <= wanted[1]:
        return Conversion()
    return Conversion((Offending(f"{VALUE} < {wanted[0]} OR {VALUE} > {wanted[1]}", "has values beyond"),))


def _of_members(old: Column, new: Column) -> Conversion | None:
    if not _has_all_characters(old, new):
        return None
    if old.base_type == new.base_type:
        removed = [each for each in old.members if each not in new.members]
        if not removed:
            return Conversion()
        if old.base_type == "enum":
            condition = f"{VALUE} IN ({', '.join(map(literal, removed))})"
        else:
            condition = " OR ".join(f"FIND_IN_SET({literal(each)}, {VALUE})" for each in removed)
        return Conversion((Offending(condition, "loses values that rows have", "DS06"),))
    if new.collation and new.length is not None and not new.members:
        longest = max(map(len, old.members)) if old.base_type == "enum" else len(",".join(old.members))
        return _not_longer(longest, new, kept=False)
    return None


def _of_text(old: Column, length: int, new: Column) -> Conversion | None:
    if new.integers:
        least, most = new.integers
        number = f"CAST({VALUE} AS CHAR) REGEXP '^-?[0-9]{{1,{_MOST_DIGITS}}}$'"
        beyond = f"CAST({VALUE} AS DECIMAL(65)) NOT BETWEEN {least} AND {most}"
        # of what is no number the second is not asked
        condition = f"{VALUE} IS NOT NULL AND IF({number}, {beyond}, TRUE)"
        return Conversion((Offending(condition, "has what is no such number"),), kept=False)
    if not _has_all_characters(old, new):
        return None
    if new.base_type == "enum" and same_order(old, new):
        listed = ", ".join(map(literal, new.members))
        return Conversion(
            (Offending(f"{VALUE} NOT IN ({listed})", "has values that it does not take", "DS06"),), kept=False
        )
    if new.length is None or new.members or (new.base_type == "char" and old.base_type != "char"):
        return None  # CHAR drops the blanks at the end
    return _not_longer(length, new, old_type=old)


def _not_longer(longest: int, new: Column, *, kept: bool = True, old_type: Column | None = None) -> Conversion:
    """`longest` in characters; what TEXT holds is counted in bytes."""
    assert new.length is not None  # noqa: S101  (asked by who calls)
    if "text" not in new.base_type:
        if longest <= new.length:
            return Conversion(kept=kept)
        asked = Offending(f"CHAR_LENGTH({VALUE}) > {new.length}", "has longer values", shown=f"CHAR_LENGTH({VALUE})")
        return Conversion((asked,), kept)
    text = _character_set(new)
    same = old_type is not None and "text" in old_type.base_type and _character_set(old_type) == text
    if longest * (1 if same else _BYTES.get(text, _MOST_BYTES)) <= new.length:
        return Conversion(kept=kept)
    length = f"LENGTH(CONVERT({VALUE} USING {text}))"
    return Conversion((Offending(f"{length} > {new.length}", "has longer values", shown=length),), kept)


def _of_binary(old: Column, length: int, new: Column) -> Conversion | None:
    if new.collation or new.length is None or (new.base_type == "binary" and old.base_type != "binary"):
        return None  # BINARY is filled up
    if length <= new.length:
        return Conversion()
    return Conversion((Offending(f"LENGTH({VALUE}) > {new.length}", "has longer values", shown=f"LENGTH({VALUE})"),))


def _of_decimals(old: Column, new: Column) -> Conversion | None:
    before, after = _digits(old), _digits(new)
    if after[1] < before[1]:
        return None  # it is rounded
    asked = _not_negative(old, new)
    if after[0] - after[1] >= before[0] - before[1]:
        return Conversion(asked)
    most = 10 ** (after[0] - after[1])
    return Conversion((*asked, Offending(f"ABS({VALUE}) >= {most}", "has values beyond")))


def _not_negative(old: Column, new: Column) -> tuple[Offending, ...]:
    becomes = "unsigned" in new.type and "unsigned" not in old.type
    return (Offending(f"{VALUE} < 0", "has negative values"),) if becomes else ()


def _of_others(old: Column, new: Column) -> Conversion | None:
    kinds = (old.base_type, new.base_type)
    if kinds == ("float", "double") and "(" not in old.type + new.type:
        return Conversion(_not_negative(old, new))
    if kinds == ("date", "datetime"):
        return Conversion()
    if kinds[0] == kinds[1] and kinds[0] in {"datetime", "timestamp", "time"} and _fraction(new) >= _fraction(old):
        return Conversion()
    return None


def _has_all_characters(old: Column, new: Column) -> bool:
    text = _character_set(old), _character_set(new)
    return bool(text[1]) and (text[0] == text[1] or text in _WIDENED)


def _character_set(column: Column) -> str:
    return (column.collation or "").partition("_")[0]


def _digits(column: Column) -> tuple[int, int]:
    found = re.search(r"\((\d+)(?:,(\d+))?\)", column.type)
    return (int(found[1]), int(found[2] or 0)) if found else (10, 0)


def _whole(column: Column) -> tuple[int, int]:
    digits, fraction = _digits(column)
    most = 10 ** (digits - fraction) - 1
    return (0 if "unsigned" in column.type else -most), most


def _fraction(column: Column) -> int:
    found = re.search(r"\((\d)\)", column.type)
    return int(found[1]) if found else 0
