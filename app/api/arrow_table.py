"""Arrow streams in and out, where pyarrow is installed; serving does not need it otherwise.

A stream is looked at before pyarrow unpacks it: packed buffers say for themselves how large they become, and a few
bytes may claim gigabytes.
"""

import struct
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from werkzeug.exceptions import BadRequest, NotAcceptable, RequestEntityTooLarge, UnsupportedMediaType

from app.errors import InvalidInput, clip
from app.tensors import Array

ARROW = "application/vnd.apache.arrow.stream"

_ABSENT = "This server has no pyarrow; install requirements-arrow.txt beside it, or send JSON or CSV."
_MOST_COLUMNS = 10_000
_MOST_AXES = 16
_NO_NUMBERS = "must hold numbers, of the same shape in every row"
_DICTIONARY, _BATCH = 2, 3
"""Kinds of message, as the format numbers them."""


def read_arrow(raw: bytes, max_rows: int, max_bytes: int) -> dict[str, Array]:
    """Column name -> values of shape (rows, ...): numbers in their own dtype, texts and gaps among integers as objects.

    Raises:
        UnsupportedMediaType: pyarrow is not installed, or the stream is packed.
        BadRequest: no Arrow stream.
        InvalidInput: no rows or too many, or a type that no feature takes.
        RequestEntityTooLarge: texts that many rows share, or truths of one bit each, that are more than a body may be.
    """
    arrow = _pyarrow()
    if arrow is None:
        raise UnsupportedMediaType(_ABSENT)
    try:
        _refuse_packed(arrow, raw)
        table = _table(arrow, raw, max_rows, max_bytes)
    except (arrow.ArrowException, struct.error, OSError, ValueError) as error:
        raise BadRequest(f"The body is no valid Arrow stream: {' '.join(str(error).split())[:200]}.") from None
    return {name: _values(arrow, name, column, max_bytes) for name, column in table.items()}


def write_arrow(names: Sequence[str], columns: Sequence[Sequence[Any]]) -> bytes:
    """Columns of equal length as a stream of one batch.

    Raises:
        NotAcceptable: pyarrow is not installed.
    """
    arrow = _pyarrow()
    if arrow is None:
        raise NotAcceptable(_ABSENT)
    batch = arrow.record_batch([arrow.array(column) for column in columns], names=list(names))
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    written: bytes = sink.getvalue().to_pybytes()
    return written


@cache
def _pyarrow() -> Any:
    """The module, imported when the first table comes: it takes 50 MiB."""
    try:
        return import_module("pyarrow")
    except ImportError:
        return None


def _table(arrow: Any, raw: bytes, max_rows: int, max_bytes: int) -> Mapping[str, Any]:
    with arrow.ipc.open_stream(raw) as reader:
        names = reader.schema.names
        if not 0 < len(names) <= _MOST_COLUMNS or len(set(names)) != len(names):
            raise InvalidInput({"columns": [f"must have names of their own, from 1 to {_MOST_COLUMNS} of them"]})
        _refuse_types(arrow, reader.schema)
        batches, rows, texts = [], 0, dict[int, int]()
        for batch in reader:
            rows += batch.num_rows
            if rows > max_rows:
                raise InvalidInput({"columns": [f"holds more rows than one request takes: {max_rows}"]})
            batch.validate()
            texts |= _viewed_texts(arrow.types, batch)
            _refuse_long_texts(sum(texts.values()), max_bytes)
            batch.validate(full=True)
            batches.append(batch)
    if not rows:
        raise InvalidInput({"columns": ["must hold at least one row"]})
    table = arrow.Table.from_batches(batches)
    return {name: table.column(at).combine_chunks() for at, name in enumerate(names)}


def _viewed_texts(types: Any, batch: Any) -> dict[int, int]:
    """Where views of texts lie, and the bytes they stand for: any number of them may be of the same few.

    Batches share a dictionary, whose place they have in common.
    """
    columns = [column.dictionary if types.is_dictionary(column.type) else column for column in batch.columns]
    views = [(column.buffers()[1], len(column)) for column in columns if types.is_string_view(column.type)]
    return {
        buffer.address: int(np.frombuffer(buffer, "<u4", 4 * count)[::4].sum(dtype=np.uint64))
        for buffer, count in views
        if count
    }


def _refuse_types(arrow: Any, schema: Any) -> None:
    """Before any values are read: in nulls, runs and lists of views or no length few bytes stand for any number."""
    for name, kind in zip(schema.names, schema.types, strict=True):
        if not _is_taken(arrow.types, kind):
            raise InvalidInput(
                {f"columns.{clip(name)}": [f"is of Arrow type {clip(str(kind))}, which no feature takes"]}
            )


def _is_taken(types: Any, kind: Any) -> bool:
    if types.is_dictionary(kind):
        return _is_plain(types, kind.value_type)
    if not _is_list(types, kind):
        return _is_plain(types, kind) or bool(types.is_null(kind))
    for _ in range(_MOST_AXES):
        if types.is_fixed_size_list(kind) and not kind.list_size:
            return False
        kind = kind.value_type
        if not _is_list(types, kind):
            return _is_number(types, kind)
    return False


def _is_number(types: Any, kind: Any) -> bool:
    return bool(types.is_floating(kind) or types.is_integer(kind))


def _is_plain(types: Any, kind: Any) -> bool:
    """Whether each value takes bytes of the stream. Nulls take none: a few words may claim two thousand million."""
    return bool(
        _is_number(types, kind)
        or types.is_boolean(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
    )


def _is_list(types: Any, kind: Any) -> bool:
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _values(arrow: Any, name: str, column: Any, max_bytes: int) -> Array:
    types, kind = arrow.types, column.type
    if types.is_dictionary(kind):
        indices = column.indices.to_pylist()
        values = {at: column.dictionary[at].as_py() for at in set(indices) - {None}}
        return _objects([values.get(at) for at in indices], max_bytes)
    if _is_list(types, kind):
        return _nested(types, name, column)
    if not (_is_number(types, kind) or types.is_boolean(kind)) or (column.null_count and not types.is_floating(kind)):
        return _objects(column.to_pylist(), max_bytes)
    numbers: Array = column.to_numpy(zero_copy_only=False)
    return numbers


def _objects(values: Sequence[Any], max_bytes: int) -> Array:
    _refuse_long_texts(sum(len(value) for value in values if type(value) is str), max_bytes)
    array: Array = np.empty(len(values), dtype=np.object_)
    array[:] = values
    return array


def _refuse_long_texts(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise RequestEntityTooLarge(f"The texts of the table are larger than {max_bytes} bytes.")


def _nested(types: Any, name: str, column: Any) -> Array:
    """The numbers of lists, level by level, in their own dtype; an absent one is NaN, as a plain one would be."""
    shape = [len(column)]
    while _is_list(types, column.type):
        length, inner = _common_length(types, column), column.flatten()
        if not length:
            raise InvalidInput({f"columns.{clip(name)}": [_NO_NUMBERS]})
        shape.append(length)
        column = inner
    numbers: Array = column.to_numpy(zero_copy_only=False)
    return numbers.reshape(shape)


def _common_length(types: Any, column: Any) -> int | None:
    """How long each list is, None where they differ or one is absent."""
    if column.null_count:
        return None
    if types.is_fixed_size_list(column.type):
        return int(column.type.list_size)
    lengths = column.value_lengths().to_numpy()
    return int(lengths[0]) if len(lengths) and bool((lengths == lengths[0]).all()) else None


def _refuse_packed(arrow: Any, raw: bytes) -> None:
    reader = arrow.ipc.MessageReader.open_stream(raw)
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return
        if _is_packed(memoryview(message.metadata)):
            raise UnsupportedMediaType("Send Arrow streams with plain buffers; Content-Encoding: gzip packs the whole.")


def _is_packed(metadata: memoryview) -> bool:
    """Whether a message's batch names a compression: a field of its flatbuffer that is there or not."""
    (root,) = struct.unpack_from("<I", metadata, 0)
    kind_at, header = _field(metadata, root, 1), _field(metadata, root, 2)
    if not (kind_at and header) or metadata[kind_at] not in (_DICTIONARY, _BATCH):
        return False
    batch = _followed(metadata, header)
    if metadata[kind_at] == _DICTIONARY:
        inner = _field(metadata, batch, 1)
        return bool(inner) and _field(metadata, _followed(metadata, inner), 3) > 0
    return _field(metadata, batch, 3) > 0


def _followed(data: memoryview, at: int) -> int:
    return int(at + struct.unpack_from("<I", data, at)[0])


def _field(data: memoryview, table: int, number: int) -> int:
    """Where a table's field stands, 0 where it does not."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", data, vtable)[0]:
        return 0
    offset = struct.unpack_from("<H", data, vtable + 4 + 2 * number)[0]
    return int(table + offset) if offset else 0
