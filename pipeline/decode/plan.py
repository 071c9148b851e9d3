"""Containers flattened into tables that a kernel can follow (XTCE 1.2, container inheritance).

Every entry supported so far has a fixed size, so each field of a container has one bit offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pipeline.errors import MissionError
from pipeline.mdb.types import parse_epoch
from schemas.columns import F8, I8, U8
from schemas.mission import (
    BinaryEncoding,
    Comparison,
    FloatEncoding,
    MissionDatabase,
    Parameter,
)
from schemas.settings import TimeSettings

# columns of the field table
BYTE, SHIFT, DROP, KIND, LITTLE, POLY, POLY_N, LABEL, LABEL_N, BITS, PLAIN = range(11)
FIELD_COLUMNS = 11
# kinds of field
UNSIGNED, SIGNED, FLOAT32, FLOAT64, BOOLEAN, BINARY = range(6)
# columns of the node table
CHILD, CHILD_N, COMPARE, COMPARE_N, PLAN, BY_HEAD = range(6)
# columns of the comparison table; FIELD leads to a row of `compare_fields`
OPERATOR, CALIBRATED = range(2)
OPERATORS = {"==": 0, "!=": 1, "<": 2, "<=": 3, ">": 4, ">=": 5}
HEAD_BITS = 16  # version, type, secondary header flag, APID: the first word of a packet


@dataclass(frozen=True, slots=True)
class Field:
    parameter: Parameter
    bit: int  # offset from the start of the packet
    bits: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One concrete container: its fields in entry order."""

    container: str
    qualified_name: str
    fields: tuple[Field, ...]
    bits: int
    wide_bytes: int

    def column(self, parameter: str) -> int:
        return self.names.index(parameter)

    @property
    def names(self) -> list[str]:
        return [f.parameter.name for f in self.fields]


@dataclass(frozen=True, slots=True)
class TimeTerm:
    column: int
    ns_per_unit: Fraction


@dataclass(frozen=True, slots=True)
class PlanSet:
    """All plans of a mission as kernel tables.

    `fields i8[n, 11]`, plan p owning rows `plan_start[p]` to `plan_start[p + 1]`;
    `nodes i8[m, 6]` the inheritance tree, root first; `times i8[t, 3]` (column, numerator,
    denominator) a plan; `polynomials f8`, `labels i8`.
    """

    plans: tuple[Plan, ...]
    plan_start: I8
    plan_bits: I8
    plan_wide: I8
    fields: I8
    polynomials: F8
    labels: I8
    nodes: I8
    compares: I8
    compare_fields: I8
    compare_bits: U8
    compare_values: F8
    times: I8
    time_start: I8
    epoch_ns: I8  # a plan; times without terms take the reception time


class _Tables:
    """Grows the tables that fields share."""

    def __init__(self) -> None:
        self.polynomials: list[float] = []
        self.labels: list[int] = []

    def row(self, field: Field) -> list[int]:
        kind = field.parameter.type
        encoding = kind.encoding
        poly = list(kind.calibrator)
        if kind.time is not None:  # engineering value of a time: seconds since 1970
            poly = [kind.time.epoch_ns / 1e9, float(kind.time.ns_per_unit / 10**9)]
        labels = [raw for raw, _ in kind.labels] if kind.kind == "enumerated" else []
        row = [0] * FIELD_COLUMNS
        row[BYTE], row[SHIFT], row[DROP] = field.bit // 8, field.bit % 8, 64 - field.bits
        row[KIND] = _kind(field.parameter)
        row[LITTLE] = int(getattr(encoding, "little_endian", False))
        row[POLY], row[POLY_N] = len(self.polynomials), len(poly)
        row[LABEL], row[LABEL_N] = len(self.labels), len(labels)
        row[BITS] = field.bits
        # nothing to do but to take the bits: the kernel's short way
        plain = row[KIND] in (UNSIGNED, FLOAT32) and field.bits <= 64 and not row[LITTLE]
        row[PLAIN] = int(plain and not poly and not labels)
        self.polynomials += poly
        self.labels += labels
        return row


def _kind(parameter: Parameter) -> int:
    encoding = parameter.type.encoding
    if isinstance(encoding, BinaryEncoding):
        return BINARY
    if isinstance(encoding, FloatEncoding):
        return FLOAT32 if encoding.bits == 32 else FLOAT64
    if parameter.type.kind == "boolean":
        return BOOLEAN
    return SIGNED if encoding.signed else UNSIGNED


def layout(mdb: MissionDatabase, name: str) -> tuple[Field, ...]:
    """All fields of a container in entry order, inherited ones first, with their bit offsets."""
    fields: list[Field] = []
    bit = 0

    def visit(container_name: str) -> None:
        nonlocal bit
        container = mdb.containers[container_name]
        if container.base:
            visit(container.base)
        for entry in container.entries:
            if entry.kind == "container":
                visit(entry.name)
                continue
            parameter = mdb.parameters[entry.name]
            bits = parameter.type.encoding.bits
            fields.append(Field(parameter, bit, bits))
            bit += bits

    visit(name)
    return tuple(fields)


def compile_plans(mdb: MissionDatabase, time: TimeSettings) -> PlanSet:
    """Flatten every concrete container below the root. MissionError where a reference fails."""
    order = _tree(mdb)
    tables = _Tables()
    plans: list[Plan] = []
    rows: list[list[int]] = []
    plan_start, nodes = [0], np.zeros((len(order), 6), np.int64)
    compares: list[Comparison] = []
    compare_rows: list[list[int]] = []
    for i, name in enumerate(order):
        container = mdb.containers[name]
        children = [k for k, c in enumerate(order) if mdb.containers[c].base == name]
        nodes[i, CHILD], nodes[i, CHILD_N] = (children[0] if children else 0), len(children)
        nodes[i, COMPARE], nodes[i, COMPARE_N] = len(compares), len(container.restriction)
        located = layout(mdb, container.base) if container.base else ()
        for comparison in container.restriction:
            field = _locate(mdb, name, comparison, located)
            compares.append(comparison)
            compare_rows.append(tables.row(field))
        nodes[i, PLAN] = -1
        if not container.abstract:
            nodes[i, PLAN] = len(plans)
            plan = _plan(mdb, name)
            rows += [tables.row(field) for field in plan.fields]
            plans.append(plan)
            plan_start.append(len(rows))
    if not plans:
        raise MissionError(f"{mdb.path}: every container is abstract, there is nothing to decode.")
    _mark_head(nodes, compare_rows)
    times, time_start, epochs = _times(mdb, plans, time)
    return PlanSet(
        tuple(plans),
        np.array(plan_start, np.int64),
        np.array([p.bits for p in plans], np.int64),
        np.array([p.wide_bytes for p in plans], np.int64),
        _table(rows, FIELD_COLUMNS),
        np.array([*tables.polynomials, 0.0], np.float64),
        np.array([*tables.labels, 0], np.int64),
        nodes,
        _table([[OPERATORS[c.operator], int(c.calibrated)] for c in compares], 2),
        _table(compare_rows, FIELD_COLUMNS),
        np.array([_bits(c) for c in compares], np.uint64),
        np.array([float(c.value) for c in compares], np.float64),
        times,
        time_start,
        epochs,
    )


def _tree(mdb: MissionDatabase) -> list[str]:
    """Names below the root, breadth first, so that the children of a node stand together."""
    order = [mdb.root]
    for name in order:
        order += [c.name for c in mdb.containers.values() if c.base == name]
    return order


def _plan(mdb: MissionDatabase, name: str) -> Plan:
    fields = layout(mdb, name)
    names = [f.parameter.name for f in fields]
    for twice in {n for n in names if names.count(n) > 1}:
        raise MissionError(
            f"{mdb.path}: container {name}: parameter {twice} stands in it twice, "
            "which is not supported."
        )
    wide = sum(-(-f.bits // 8) for f in fields if f.bits > 64)
    bits = fields[-1].bit + fields[-1].bits if fields else 0
    return Plan(name, mdb.containers[name].qualified_name, fields, bits, wide)


def _locate(
    mdb: MissionDatabase, name: str, comparison: Comparison, located: tuple[Field, ...]
) -> Field:
    for field in located:
        if field.parameter.name == comparison.parameter:
            return field
    raise MissionError(
        f"{mdb.path}: container {name}: its restriction compares {comparison.parameter}, "
        "which its base container does not hold."
    )


def _bits(comparison: Comparison) -> int:
    value = comparison.value
    return int(value) % 2**64 if float(value).is_integer() else 0


def _mark_head(nodes: I8, compare_rows: list[list[int]]) -> None:
    """BY_HEAD: all children of the node are told apart by the first word of the packet."""
    for node in nodes:
        decided = True
        for child in nodes[node[CHILD] : node[CHILD] + node[CHILD_N]]:
            for row in compare_rows[child[COMPARE] : child[COMPARE] + child[COMPARE_N]]:
                decided &= 8 * row[BYTE] + row[SHIFT] + row[BITS] <= HEAD_BITS
        node[BY_HEAD] = int(decided)


def _times(mdb: MissionDatabase, plans: list[Plan], time: TimeSettings) -> tuple[I8, I8, I8]:
    rows: list[list[int]] = []
    start, epochs = [0], []
    for plan in plans:
        epoch, terms = _time_terms(mdb, plan, time)
        rows += [[t.column, t.ns_per_unit.numerator, t.ns_per_unit.denominator] for t in terms]
        start.append(len(rows))
        epochs.append(epoch)
    return _table(rows, 3), np.array(start, np.int64), np.array(epochs, np.int64)


def _time_terms(mdb: MissionDatabase, plan: Plan, time: TimeSettings) -> tuple[int, list[TimeTerm]]:
    names = plan.names
    own = (f.parameter.name for f in plan.fields if f.parameter.type.time is not None)
    composite = time.day or time.milliseconds or time.microseconds
    name = time.parameter or ("" if composite else next(own, ""))
    if name:
        kind = mdb.parameters[name].type.time
        if kind is None or name not in names:
            return 0, []
        unit = kind.ns_per_unit
        if unit.numerator * unit.denominator >= 2**62:
            raise MissionError(
                f"{mdb.path}: {name}: its scale is a fraction of ns too fine to follow exactly."
            )
        return kind.epoch_ns, [TimeTerm(names.index(name), unit)]
    parts = ((time.day, 86400 * 10**9), (time.milliseconds, 10**6), (time.microseconds, 10**3))
    terms = [TimeTerm(names.index(n), Fraction(ns)) for n, ns in parts if n and n in names]
    if not terms:
        return 0, []
    return parse_epoch(time.epoch), terms


def _table(rows: list[list[int]], columns: int) -> I8:
    return np.array(rows, np.int64).reshape(len(rows), columns)
