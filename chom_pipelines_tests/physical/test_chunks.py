"""The stream of files: what the stock program writes is understood, and what is not as it was is refused."""

import io
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.errors import DamagedError
from chom_pipelines.physical import parts as parts_module
from chom_pipelines.physical.chunks import LARGEST, MAGIC, Chunk, chunks, end_chunk, payload_chunk
from chom_pipelines.physical.file_order import Files
from chom_pipelines.physical.parts import parts


def stream_of(files: dict[str, bytes], piece: int = 7) -> bytes:
    return b"".join(chunk.head + chunk.payload for chunk in chunked(files, piece))


def chunked(files: dict[str, bytes], piece: int = 7) -> list[Chunk]:
    found = []
    for path, data in files.items():
        found += [payload_chunk(path, start, data[start : start + piece]) for start in range(0, len(data), piece)]
        found.append(end_chunk(path, len(data)))
    return found


def read(stream: bytes) -> dict[str, bytes]:
    """The files of a stream, as whoever checks everything reads them."""
    found: dict[str, bytes] = {}
    files = Files()
    for chunk in chunks(io.BytesIO(stream).read):
        chunk.refuse_damage()
        files.add(chunk.extent)
        found[chunk.extent.path] = found.get(chunk.extent.path, b"") + chunk.payload
    files.refuse_unfinished()
    return found


FILES = {"ibdata1": b"pages and pages and pages", "shop/orders.ibd": b"rows", "shop/empty.frm": b""}


def test_the_stock_program_reads_what_is_written_here(tmp_path: Path) -> None:
    subprocess.run(["/usr/bin/mbstream", "-x", "-C", tmp_path], input=stream_of(FILES), check=True)
    assert {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*.*")} == {
        path: data for path, data in FILES.items() if "." in path
    }
    assert (tmp_path / "ibdata1").read_bytes() == FILES["ibdata1"]


def test_what_the_stock_program_writes_is_read(tmp_path: Path) -> None:
    large = bytes(range(256)) * (11 << 12)
    (tmp_path / "large").write_bytes(large)  # of more than one chunk
    (tmp_path / "empty").touch()
    done = subprocess.run(["/usr/bin/mbstream", "-c", "large", "empty"], cwd=tmp_path, check=True, capture_output=True)
    assert read(done.stdout) == {"large": large, "empty": b""}
    assert len(list(chunks(io.BytesIO(done.stdout).read))) > 3


@given(st.dictionaries(st.text("abc@#_$0", min_size=1), st.binary(max_size=40), min_size=1), st.integers(1, 50))
def test_parts_one_after_the_other_are_the_stream(files: dict[str, bytes], size: int) -> None:
    stream = stream_of(files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts_module, "PART", size)
        cut = [b"".join(chunk.head + chunk.payload for chunk in part) for part in parts(chunked(files))]
    assert b"".join(cut) == stream
    assert all(part.startswith(MAGIC) for part in cut)
    assert read(stream) == files


BETWEEN = {len(stream_of(dict(list(FILES.items())[:count]))) for count in range(1, len(FILES))}
"""Lengths after which a stream could have ended: that a file lacks is for others to say."""


@given(st.integers(0, len(stream_of(FILES)) - 1).filter(lambda length: length not in BETWEEN))
def test_a_stream_that_is_cut_within_a_file_is_refused(length: int) -> None:
    with pytest.raises(DamagedError, match="cut off"):
        read(stream_of(FILES)[:length])


@given(st.integers(0, len(stream_of(FILES)) - 1), st.integers(1, 255))
def test_no_flipped_byte_changes_a_file_unseen(place: int, flip: int) -> None:
    stream = bytearray(stream_of(FILES))
    stream[place] ^= flip
    try:
        found = read(bytes(stream))
    except DamagedError:
        return
    assert list(found.values()) == list(FILES.values())  # a name is what the hashes of objects are for


@pytest.mark.parametrize("path", ["../up", "/etc/passwd", "shop/../../up", "./", ".", "shop//t", "shop/", "a\0b"])
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(DamagedError, match="leads elsewhere"):
        read(stream_of({path: b"rows"}))


def test_a_path_that_begins_where_the_directory_is_is_the_same_path() -> None:
    assert read(stream_of({"./shop/orders.ibd": b"rows"})) == {"shop/orders.ibd": b"rows"}


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ([0, 2, 1, 3], "a piece is missing"),
        ([0, 0, 1, 2, 3], "a piece is there twice"),
        ([0, 2, 3], "a piece is missing"),
        ([0, 1, 2, 3, 3], "something follows its end"),
        ([0, 1, 2, 3, 0], "something follows its end"),
        ([0, 1, 2], "cut off"),
        ([], "there is no file in it"),
    ],
    ids=["swapped", "twice", "left out", "ended twice", "goes on", "no end", "nothing"],
)
def test_chunks_that_are_not_a_whole_file_in_order_are_refused(order: list[int], why: str) -> None:
    whole = chunked({"orders.ibd": b"0123456789"}, 4)
    with pytest.raises(DamagedError, match=why):
        read(b"".join(whole[number].head + whole[number].payload for number in order))


def test_a_chunk_of_an_unknown_type_is_refused() -> None:
    stream = stream_of({"t": b"rows"}).replace(b"XBSTCK01\0P", b"XBSTCK01\1S")
    with pytest.raises(DamagedError, match="unknown type b'S'"):
        read(stream)


def test_a_chunk_that_would_not_fit_in_memory_is_refused_before_it_is_read() -> None:
    head = payload_chunk("t", 0, b"rows").head
    with pytest.raises(DamagedError, match="a chunk of"):
        read(head[:-20] + (LARGEST + 1).to_bytes(8, "little") + head[-12:])
