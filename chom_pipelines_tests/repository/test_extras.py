import pytest

from chom_pipelines.errors import ConfigurationError
from chom_pipelines.repository.extras import refuse_missing


@pytest.mark.parametrize("module", ["azure.nothing", "nothing.at.all"])
def test_a_library_that_is_not_installed_is_named_with_what_installs_it(module: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"(?s){module}, which is not installed.*chom-pipelines\[azure\]"):
        refuse_missing(module, "azure")


def test_one_that_is_installed_is_no_matter() -> None:
    refuse_missing("azure.storage.blob", "azure")
    refuse_missing("google.cloud.storage", "google")
