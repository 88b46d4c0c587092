"""Models of what is kept are built when they are first needed: here all of them are, whichever command needs them."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

import chom_pipelines
from chom_pipelines.repository.records import Record


def test_each_can_be_built_and_forbids_what_it_does_not_know() -> None:
    for module in pkgutil.walk_packages(chom_pipelines.__path__, "chom_pipelines."):
        import_module(module.name)
    found = list(_below(Record))
    assert len(found) > 20
    for model in found:
        model.model_rebuild()
        assert model.__pydantic_complete__, model
        assert model.model_config.get("extra") == "forbid", model


def _below(model: type[Record]) -> Iterator[type[Record]]:
    for each in model.__subclasses__():
        yield each
        yield from _below(each)
