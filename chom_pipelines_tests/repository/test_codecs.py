import os
from collections.abc import Iterator

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from chom_pipelines.errors import ConfigurationError, DamagedError
from chom_pipelines.repository.codecs import FRAME, Codec, compressor, decompressed
from chom_pipelines_tests.repository.samples import binary, codecs

compressing = st.sampled_from([codec for codec in Codec if codec is not Codec.NONE])
one_stream = st.sampled_from([Codec.GZIP, Codec.BZIP2, Codec.XZ])


def compressed(codec: Codec, raw: bytes, level: int = 3) -> bytes:
    stream = compressor(codec, level)
    return stream.compress(raw) + stream.flush()


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@given(codecs, binary, st.integers(1, 5000))
def test_what_was_compressed_comes_back_whatever_the_chunks(codec: Codec, raw: bytes, size: int) -> None:
    assert b"".join(decompressed(codec, cut(compressed(codec, raw), size))) == raw


@pytest.mark.parametrize("codec", Codec)
def test_every_level_that_a_codec_claims_works(codec: Codec) -> None:
    for level in {codec.levels.start, 3, codec.levels.stop - 1}:
        assert b"".join(decompressed(codec, [compressed(codec, b"x" * 1000, level)])) == b"x" * 1000


@pytest.mark.parametrize(("codec", "level"), [(Codec.ZSTD, 23), (Codec.GZIP, 0), (Codec.BZIP2, 10), (Codec.XZ, 10)])
def test_a_level_that_the_codec_does_not_know_is_refused(codec: Codec, level: int) -> None:
    with pytest.raises(ConfigurationError, match=f"level {level} is none of {codec.value}'s"):
        compressor(codec, level)


@given(compressing, binary, st.integers(1, 5000), st.data())
def test_data_that_is_cut_short_is_never_taken_for_complete(
    codec: Codec, raw: bytes, size: int, data: st.DataObject
) -> None:
    whole = compressed(codec, raw)
    part = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(DamagedError):
        list(decompressed(codec, cut(part, size)))


@given(compressing, binary, st.integers(1, 5000), st.binary(min_size=1, max_size=40) | st.just(bytes(2000)))
def test_data_after_the_end_is_never_ignored(codec: Codec, raw: bytes, size: int, more: bytes) -> None:
    with pytest.raises(DamagedError):
        list(decompressed(codec, cut(compressed(codec, raw) + more, size)))


@given(binary, binary, st.integers(1, 5000))
def test_zstd_frames_follow_one_another(raw: bytes, more: bytes, size: int) -> None:
    stored = compressed(Codec.ZSTD, raw) + compressed(Codec.ZSTD, more)
    assert b"".join(decompressed(Codec.ZSTD, cut(stored, size))) == raw + more


def test_large_data_is_cut_into_frames_that_come_back() -> None:
    raw = os.urandom(3 * FRAME + 5)
    stream = compressor(Codec.ZSTD, 3)
    stored = b"".join([*(stream.compress(piece) for piece in cut(raw, 1 << 20)), stream.flush()])
    assert b"".join(decompressed(Codec.ZSTD, cut(stored, 1 << 20))) == raw


@given(one_stream, binary, st.integers(1, 5000))
def test_a_second_frame_is_never_ignored(codec: Codec, raw: bytes, size: int) -> None:
    with pytest.raises(DamagedError, match="follow"):
        list(decompressed(codec, cut(compressed(codec, raw) * 2, size)))


@pytest.mark.parametrize("codec", Codec)
def test_data_that_shrinks_ten_thousandfold_comes_in_small_pieces(codec: Codec) -> None:
    raw = bytes(40 << 20)
    pieces = list(map(len, decompressed(codec, cut(compressed(codec, raw), 1 << 20))))
    assert sum(pieces) == len(raw)
    assert max(pieces) <= 17 << 20


def test_data_that_does_not_shrink_comes_in_pieces_worth_sending() -> None:
    raw = os.urandom(8 << 20)
    pieces = list(map(len, decompressed(Codec.ZSTD, cut(compressed(Codec.ZSTD, raw), 1 << 20))))
    assert len(pieces) < 20


def test_an_error_of_where_the_data_comes_from_is_not_called_corruption() -> None:
    def failing() -> Iterator[bytes]:
        yield compressed(Codec.BZIP2, b"abc")[:5]
        raise PermissionError

    with pytest.raises(PermissionError):
        list(decompressed(Codec.BZIP2, failing()))


@pytest.mark.parametrize("size", [7, 1 << 20])
def test_a_frame_of_zstd_that_holds_more_than_it_says_is_corrupt(size: int) -> None:
    frame = bytearray(zstandard.ZstdCompressor(level=1, write_checksum=True).compress(bytes(200_000)))
    at = frame.index((200_000).to_bytes(4, "little"))
    frame[at : at + 4] = (100_000).to_bytes(4, "little")
    given = bytes(frame)
    with pytest.raises(DamagedError, match="corrupt"):
        list(decompressed(Codec.ZSTD, (given[start : start + size] for start in range(0, len(given), size))))
