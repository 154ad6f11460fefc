"""Safetensors files are read and written as the format says, and nothing else passes for one."""

import json
import struct

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from exagirl.artifact import hash_file
from exagirl.errors import ModelError
from exagirl.export.safetensors_stream import (
    DTYPE_NAMES,
    Planned,
    byte_pieces,
    read_checkpoint,
    read_header,
    read_rows,
    row_pieces,
)
from exagirl.export.tensor_writer import write_tensors

SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)
TENSORS = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
    st.tuples(SHAPES, st.sampled_from(list(DTYPE_NAMES))),
    max_size=5,
)


def _plans(tensors):
    return {
        name: Planned(dtype=DTYPE_NAMES[t.dtype], shape=tuple(t.shape))
        for name, t in tensors.items()
    }


@given(TENSORS)
@settings(deadline=None)
def test_what_is_written_piece_by_piece_is_what_safetensors_reads(tmp_path_factory, facts):
    """Names, dtypes, shapes and bytes come back, and size and hash are those of the file."""
    tensors = {name: torch.randn(shape).to(dtype) for name, (shape, dtype) in facts.items()}
    path = tmp_path_factory.mktemp("file") / "x.safetensors"
    record = write_tensors(path, _plans(tensors), ([t] for t in tensors.values()))
    back = load_file(path)
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor)
    assert (record.size, record.sha256) == (path.stat().st_size, hash_file(path))


@given(st.integers(1, 9), st.integers(1, 7), st.integers(1, 64))
@settings(deadline=None)
def test_pieces_put_together_are_the_tensor(tmp_path_factory, rows, columns, piece):
    """Rows and bytes come in pieces of any size without loss."""
    tensor = torch.randn(rows, columns).bfloat16()
    path = tmp_path_factory.mktemp("file") / "x.safetensors"
    save_file({"before": torch.ones(3), "x": tensor}, path)
    stored = read_header(path)["x"]
    pieces = [read_rows(stored, first, last) for first, last in row_pieces(stored, piece)]
    assert torch.equal(torch.cat(pieces), tensor)
    assert torch.equal(
        torch.cat(list(byte_pieces(stored, piece))).view(torch.bfloat16).reshape(rows, columns),
        tensor,
    )


def test_a_tensor_that_is_not_what_was_planned_is_refused(tmp_path):
    """A piece too few is noticed when the file is written."""
    plan = {"x": Planned(dtype="F32", shape=(4, 2))}
    with pytest.raises(ModelError, match="x: F32.*32바이트인데 24바이트"):
        write_tensors(tmp_path / "x", plan, [[torch.zeros(3, 2)]])


def _file(path, header, data=b"\0" * 16):
    text = header if isinstance(header, str) else json.dumps(header)
    path.write_bytes(struct.pack("<Q", len(text.encode())) + text.encode() + data)
    return path


def _entry(first, last, *, dtype="F32", shape=(2,)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [first, last]}


DAMAGED = {
    "overlapping": ({"a": _entry(0, 8), "b": _entry(4, 12)}, "겹칩니다"),
    "a gap": ({"a": _entry(0, 4, shape=(1,)), "b": _entry(8, 16)}, "빈 자리"),
    "backwards": ({"a": _entry(0, 8), "b": _entry(16, 8)}, "-8바이트"),
    "negative": ({"a": _entry(-8, 0), "b": _entry(0, 16, shape=(4,))}, "자연수가 아닙니다"),
    "more than the shape": ({"a": _entry(0, 16)}, "16바이트가 적혀"),
    "a shape that is no number": ({"a": _entry(0, 16, shape=("4",))}, "자연수가 아닙니다"),
    "an unknown dtype": ({"a": _entry(0, 16, dtype="PICKLE")}, "모르는 형식 PICKLE"),
    "bytes left over": ({"a": _entry(0, 8)}, "바이트여야 하는데"),
    "beyond the end": ({"a": _entry(0, 32, shape=(8,))}, "바이트여야 하는데"),
    "no offsets": ({"a": {"dtype": "F32", "shape": [4]}}, "data_offsets"),
    "a list": ([1], "safetensors"),
    "deep nesting": ("[" * 100_000, "safetensors"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_header_that_contradicts_itself_is_refused(tmp_path, kind):
    """Sizes, places and dtypes must agree with each other and with the file."""
    header, hint = DAMAGED[kind]
    with pytest.raises(ModelError, match=hint) as caught:
        read_header(_file(tmp_path / "bad.safetensors", header))
    assert "bad.safetensors" in str(caught.value)


def test_a_name_that_stands_twice_in_a_header_is_refused(tmp_path):
    """JSON would let the second one win without a word."""
    entry = json.dumps(_entry(0, 8)), json.dumps(_entry(8, 16))
    text = f'{{"a": {entry[0]}, "a": {entry[1]}}}'
    with pytest.raises(ModelError, match="'a' 이름이 두 번"):
        read_header(_file(tmp_path / "bad.safetensors", text))


def test_a_name_that_stands_in_two_files_is_refused(tmp_path):
    """Which of them counts would depend on the order of reading."""
    files = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    for file in files:
        save_file({"a": torch.zeros(2)}, file)
    with pytest.raises(ModelError, match="two.safetensors: 텐서 a.*one.safetensors에도"):
        read_checkpoint(files)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_arbitrary_bytes_are_refused_with_one_message(tmp_path_factory, junk):
    """Whatever stands in the file, the answer is a ModelError that names it."""
    path = tmp_path_factory.mktemp("file") / "junk.safetensors"
    path.write_bytes(junk)
    with pytest.raises(ModelError, match="junk.safetensors"):
        read_header(path)


def test_a_file_that_shrinks_while_it_is_read_is_named(tmp_path):
    """A cut is noticed even after the header was checked."""
    path = tmp_path / "x.safetensors"
    save_file({"x": torch.zeros(8)}, path)
    stored = read_header(path)["x"]
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ModelError, match="x.safetensors.*짧아졌습니다"):
        read_rows(stored)
