"""Which columns the samples of a container have, and how a row of them lies in memory.

A row is a packet: its generation time, a value a column at the column's own width, and the quality
of each parameter. Texts, binaries and numbers beyond 64 bits are left to `decode`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from pipeline.decode import Plan
from pipeline.decode.definitions.layout import ALWAYS, Field
from pipeline.mission.folder import Mission
from pipeline.outputs.arrow import Form, one_list, zero
from pipeline.outputs.arrow_kernels import WORD
from schemas.mission import FloatEncoding, IntegerEncoding, ParameterType
from schemas.settings import TimeSettings

RAW, SIGNED, FLOAT32, FLOAT64, QUALITY = range(5)  # what a run of a row is made from
TIME_BYTES = 8
MOST_BYTES = 32768  # of the rows of an open batch, unless one row is longer
_UNSIGNED = {1: pa.uint8(), 2: pa.uint16(), 4: pa.uint32(), 8: pa.uint64()}
_SIGNED = {1: pa.int8(), 2: pa.int16(), 4: pa.int32(), 8: pa.int64()}
_IEEE = {32: (RAW, 4, pa.float32()), 64: (RAW, 8, pa.float64())}


class Column(NamedTuple):
    """field: of the plan. made: RAW to FLOAT64. bits: of a raw integer. place: its parameter's
    place in the list of qualities."""

    name: str
    field: int
    made: int
    width: int
    bits: int
    type: pa.DataType
    place: int


@dataclass(frozen=True, slots=True)
class SampleColumns:
    """Of one container. fields: those of the plan that have a place in the list of qualities."""

    columns: tuple[Column, ...]
    fields: tuple[int, ...]
    nullable: tuple[bool, ...]  # a column: a packet may not hold it
    form: Form

    @property
    def row_bytes(self) -> int:
        return TIME_BYTES + sum(c.width for c in self.columns) + len(self.fields)

    @property
    def capacity(self) -> int:
        """Rows of a full batch."""
        return max(1, MOST_BYTES // self.row_bytes)

    @property
    def record_bytes(self) -> int:
        """Most bytes of a record: its head, rows with an end of their list each, bitmaps (of each
        column, and of the lists), and what fills two buffers a column to whole words."""
        rows, columns = self.capacity, len(self.columns)
        bitmaps = (rows + 7) // 8 * (columns + 1)
        filling = WORD * 2 * (2 * columns + 4)
        return len(self.form.head) + rows * (self.row_bytes + 4) + 4 + bitmaps + filling


def sample_columns(mission: Mission, plan: Plan, names: Mapping[str, str]) -> SampleColumns:
    """names: of parameters for people, by qualified name."""
    wanted, time = mission.settings.outputs, mission.settings.time
    times = _times(plan, time)
    fields = [
        i
        for i, f in enumerate(plan.fields)
        if not f.wide and (wanted.header or not (f.in_primary_header or f.parameter.name in times))
    ]
    columns = [
        column for place, i in enumerate(fields) for column in _of(plan, i, place, wanted.samples)
    ]
    columns = _apart([c._replace(name=_named(c, plan, names)) for c in columns])
    nullable = tuple(plan.fields[c.field].presence != ALWAYS for c in columns)
    form = Form(_like(mission, plan, columns, nullable))
    return SampleColumns(tuple(columns), tuple(fields), nullable, form)


def _times(plan: Plan, time: TimeSettings) -> tuple[str, ...]:
    """Names of what the generation time is made from: it has a column of its own."""
    times = [f.parameter.name for f in plan.fields if f.parameter.type.time is not None]
    return time.parts or tuple(times[:1])


def _of(plan: Plan, i: int, place: int, wanted: str) -> Iterator[Column]:
    field = plan.fields[i]
    made, width, arrow = _engineering(field)
    bits = 8 * width if made != SIGNED else field.bits
    engineering = Column("", i, made, width, bits, arrow, place)
    raw = _raw(field)
    if raw is None or wanted == "engineering" or raw == (made, width, arrow):
        yield engineering
        return
    if wanted == "both":
        yield engineering
    yield Column("" if wanted == "raw" else ".raw", i, raw[0], raw[1], field.bits, raw[2], place)


def _engineering(field: Field) -> tuple[int, int, pa.DataType]:
    """The raw type where the raw value is the engineering value."""
    kind, raw = field.parameter.type, _raw(field)
    calibrated = kind.calibrator is not None or kind.context_calibrators
    if raw is not None and not calibrated and _is_number(kind):
        return raw
    if isinstance(kind.encoding, FloatEncoding) and kind.encoding.bits == 16 and not calibrated:
        return FLOAT32, 4, pa.float32()
    return FLOAT64, 8, pa.float64()


def _is_number(kind: ParameterType) -> bool:
    """Whether the raw bits are a number of a type that Arrow has, and not the count of a time."""
    encoding = kind.encoding
    if kind.time is not None:
        return False
    if isinstance(encoding, FloatEncoding):
        return encoding.coding.startswith("IEEE754") and encoding.bits in _IEEE
    return isinstance(encoding, IntegerEncoding) and encoding.coding in (
        "unsigned",
        "twosComplement",
    )


def _raw(field: Field) -> tuple[int, int, pa.DataType] | None:
    """None for derived parameters, which have no raw value."""
    encoding = field.parameter.type.encoding
    if field.derived or not 0 < field.bits <= 64:
        return None
    if _is_number(field.parameter.type) and isinstance(encoding, FloatEncoding):
        return _IEEE[encoding.bits]
    width = next(w for w in _UNSIGNED if field.bits <= 8 * w)
    if isinstance(encoding, IntegerEncoding) and encoding.signed:
        return SIGNED, width, _SIGNED[width]
    return RAW, width, _UNSIGNED[width]


def _named(column: Column, plan: Plan, names: Mapping[str, str]) -> str:
    qualified = plan.fields[column.field].parameter.qualified_name
    return names.get(qualified, qualified) + column.name


def _apart(columns: list[Column]) -> list[Column]:
    """Names made unique: the second of one name is NAME#2."""
    seen: Counter[str] = Counter()
    made = []
    for column in columns:
        seen[column.name] += 1
        n = seen[column.name]
        made.append(column if n == 1 else column._replace(name=f"{column.name}#{n}"))
    return made


def _like(
    mission: Mission, plan: Plan, columns: list[Column], nullable: tuple[bool, ...]
) -> pa.RecordBatch:
    fields = [pa.field("time_ns", pa.int64(), False)]
    fields += [
        pa.field(c.name, c.type, nulls, _about(plan.fields[c.field]))
        for c, nulls in zip(columns, nullable, strict=True)
    ]
    fields.append(pa.field("quality", pa.list_(pa.uint8())))
    names = [
        plan.fields[i].parameter.qualified_name for i in dict.fromkeys(c.field for c in columns)
    ]
    schema = pa.schema(
        fields,
        {
            "mission": mission.settings.name,
            "mission_database": mission.mdb.sha256,
            "settings": mission.settings.sha256,
            "container": plan.qualified_name,
            "quality": orjson.dumps(names),
        },
    )
    numbers = [zero(field.type) for field in fields[:-1]]
    return pa.RecordBatch.from_arrays([*numbers, one_list(zero(pa.uint8()))], schema=schema)


def _about(field: Field) -> dict[str, Any]:
    """What a reader without the mission needs."""
    kind = field.parameter.type
    about = {"parameter": field.parameter.qualified_name, "unit": kind.unit}
    if kind.calibrator is not None:
        name = type(kind.calibrator).__name__.lower()
        about["calibrator"] = orjson.dumps({name: asdict(kind.calibrator)}).decode()
    if kind.labels:
        about["labels"] = orjson.dumps([[value, label] for value, label in kind.labels]).decode()
    return about
