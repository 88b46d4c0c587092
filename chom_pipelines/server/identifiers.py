"""Names and text as SQL writes them, the same in every sql_mode."""

_LAST_CONTROL = 0x1F
_DELETE = 0x7F


def quote(name: str) -> str:
    """An identifier in backticks."""
    return "`" + name.replace("`", "``") + "`"


def qualified(database: str, name: str) -> str:
    """`database`.`name`."""
    return f"{quote(database)}.{quote(name)}"


def account(user: str, host: str | None) -> str:
    """`user`@`host`; a MariaDB role has no host (None)."""
    return quote(user) if host is None else f"{quote(user)}@{quote(host)}"


def literal(text: str) -> str:
    """A string literal that means `text` in every sql_mode.

    What a backslash means depends on NO_BACKSLASH_ESCAPES, and control characters do not survive every client:
    text with either is written as hexadecimal.
    """
    if any(character == "\\" or ord(character) <= _LAST_CONTROL or ord(character) == _DELETE for character in text):
        return f"_utf8mb4 X'{text.encode().hex()}'"
    return "'" + text.replace("'", "''") + "'"
