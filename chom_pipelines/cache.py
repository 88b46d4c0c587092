"""Where this project keeps what it can make again."""

import os
from pathlib import Path


def cache_directory() -> Path:
    """The directory of this user: $CHOM_CACHE, else ~/.cache/chom. It may not be there yet."""
    named = os.environ.get("CHOM_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "chom"
