"""Arrow record batches whose schema stands elsewhere (docs/outputs.md).

A stream of Arrow IPC is a schema, its dictionaries, then record batches. All records of one kind
share the beginning, so it is published once, under its SHA-256 (the *definition*), and a record is
a record batch alone: definition and records one after the other are an Arrow stream.

The header of a record batch is a flatbuffer of fixed size, in which only whole numbers change from
batch to batch: pyarrow writes it once, and the numbers are written over it (Arrow columnar format
1.5, Encapsulated message format; schemas of format/Message.fbs).
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from schemas.columns import U1

_PREFIX = 8  # continuation marker and length, before the flatbuffer
_HEADER, _BODY = 2, 3  # fields of Message: the record batch, and the length of the body
_LENGTH, _NODES, _BUFFERS = 0, 1, 2  # fields of RecordBatch
END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"


class Form:
    """What all records of one kind share.

    like: a record batch of one row, of which only schema and dictionaries matter. head: the bytes
    of a record up to its body. places: in it, of the rows, of the length of the body, of the field
    nodes (rows and nulls of each) and of the buffers (offset in the body, length).
    """

    def __init__(self, like: pa.RecordBatch) -> None:
        sink = io.BytesIO()
        with ipc.new_stream(sink, like.schema) as writer:
            writer.write_batch(like)
        messages = list(ipc.MessageReader.open_stream(sink.getvalue()))
        self.definition = b"".join(m.serialize().to_pybytes() for m in messages[:-1])
        self.sha256 = hashlib.sha256(self.definition).hexdigest()
        whole = messages[-1].serialize().to_pybytes()
        size = struct.unpack_from("<i", whole, 4)[0]
        self.head: U1 = np.frombuffer(whole[: _PREFIX + size], np.uint8).copy()
        root = _PREFIX + struct.unpack_from("<I", whole, _PREFIX)[0]
        batch = _target(whole, _field(whole, root, _HEADER))
        self.places = (
            _field(whole, batch, _LENGTH),
            _field(whole, root, _BODY),
            _target(whole, _field(whole, batch, _NODES)) + 4,  # behind their number
            _target(whole, _field(whole, batch, _BUFFERS)) + 4,
        )


# columns of one row, for `Form`: `pa.array` would import pandas, which takes half a second


def zero(kind: pa.DataType) -> pa.Array:
    """A number."""
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(bytes(8))])


def one_list(child: pa.Array) -> pa.Array:
    """A list that holds a column of one row."""
    ends = pa.py_buffer(np.array([0, 1], np.int32).tobytes())
    return pa.Array.from_buffers(pa.list_(child.type), 1, [None, ends], children=[child])


def word_of(words: Sequence[str]) -> pa.Array:
    """The first word of a dictionary."""
    texts = [w.encode() for w in words] or [b""]
    ends = np.cumsum([0, *map(len, texts)]).astype(np.int32)
    buffers = pa.py_buffer(ends.tobytes()), pa.py_buffer(b"".join(texts))
    every = pa.StringArray.from_buffers(len(texts), *buffers)
    return pa.DictionaryArray.from_arrays(zero(pa.int32()), every)


def read_record(definition: bytes, record: bytes) -> pa.RecordBatch:
    """The record batch of a record. pa.ArrowInvalid, where one of them is not what it should be."""
    try:
        batch = ipc.open_stream(definition + record).read_next_batch()
    except StopIteration:
        raise pa.ArrowInvalid("an empty record") from None
    batch.validate(full=True)
    return batch


def _field(buffer: bytes, table: int, number: int) -> int:
    """Place of a table's field. The template has a value for each, so none is left out."""
    vtable = table - struct.unpack_from("<i", buffer, table)[0]
    return table + int(struct.unpack_from("<H", buffer, vtable + 4 + 2 * number)[0])


def _target(buffer: bytes, at: int) -> int:
    return at + int(struct.unpack_from("<I", buffer, at)[0])
