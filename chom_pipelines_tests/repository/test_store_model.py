import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chom_pipelines.errors import ObjectExistsError
from chom_pipelines.repository.store import Folder, Listed, Store
from chom_pipelines_tests.examples import SHARING

SOME = st.sampled_from(["a/1", "a/2 ü", "a/b/1", "a/b/%+", "ab/1", "c"])
FOLDERS = st.sampled_from(["a", "a/b", "ab", "x"])
CONTENTS = st.binary(max_size=9)
NUMBERS = itertools.count()
STEPS = st.one_of(
    st.tuples(st.sampled_from(["put", "replace", "abort"]), SOME, CONTENTS),
    st.tuples(st.sampled_from(["delete"]), SOME, st.just(b"")),
    st.tuples(st.sampled_from(["delete_folder"]), FOLDERS, st.just(b"")),
)


@settings(SHARING, max_examples=20)
@given(st.lists(STEPS, max_size=12))
def test_a_folder_does_what_a_dictionary_would(store: Store, steps: list[tuple[str, str, bytes]]) -> None:
    top, model = Folder(store, f"top {next(NUMBERS)}"), dict[str, bytes]()
    for step, name, data in steps:
        if step == "put" and name in model:
            with pytest.raises(ObjectExistsError):
                top.write(name, data)
        elif step == "put":
            top.write(name, data)
            model[name] = data
        elif step == "abort":
            upload = top.put(name)
            upload.write(data)
            upload.abort()
        elif step == "replace":
            top.replace(name, data)
            model[name] = data
        elif step == "delete":
            top.delete(name)
            model.pop(name, None)
        else:
            (top / name).delete_all()
            model = {each: there for each, there in model.items() if not each.startswith(f"{name}/")}
    assert top.below() == [Listed(name, len(model[name])) for name in sorted(model)]
    assert all(top.read(name) == data for name, data in model.items())
    for folder, begin in ((top, ""), (top / "a", "a/"), (top / "a" / "b", "a/b/")):
        inside = [name.removeprefix(begin) for name in model if name.startswith(begin)]
        assert [each.name for each in folder.below()] == sorted(inside)
        assert folder.folders() == sorted({name.split("/")[0] for name in inside if "/" in name})
