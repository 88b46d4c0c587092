"""How InnoDB names the parts of a table. Pure."""

import re

_PART = re.compile(r"#p#.*", re.IGNORECASE | re.DOTALL)


def without_partition(name: str) -> str:
    """`t#P#p0#SP#s1` is a part of `t`. Where the name is a table's as it is, do not ask."""
    return _PART.sub("", name)
