"""Libraries that only some second copies need, and that are installed only where somebody asks for them."""

from importlib.util import find_spec

from chom_pipelines.errors import ConfigurationError


def refuse_missing(module: str, extra: str) -> None:
    """Raise ConfigurationError where this library of that extra is not installed; nothing is imported."""
    try:
        found = find_spec(module)
    except ModuleNotFoundError:  # a package above it is missing
        found = None
    if found is None:
        what = f"the second copy needs the library {module}, which is not installed"
        raise ConfigurationError(what, f"pip install 'chom-pipelines[{extra}]'")
