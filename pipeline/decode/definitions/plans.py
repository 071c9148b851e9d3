"""Containers flattened into tables that a kernel can follow (XTCE 1.2, container inheritance)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from pipeline.decode.definitions.layout import (
    ALWAYS,
    BELOW,
    COUNT,
    DERIVE,
    FIELD,
    MOVE,
    PRESENT,
    SKIP,
    START,
    UNLESS,
    Field,
    Layout,
    Step,
    layout,
)
from pipeline.decode.definitions.runs import Runs, runs_of
from pipeline.decode.definitions.tables import BITS, BYTE, SHIFT, Place, Tables, Writer, scaled_term
from pipeline.errors import MissionError
from pipeline.mdb.epochs import parse_epoch
from pipeline.mdb.leap_seconds import LEAP_OFFSET_NS, LEAP_TAI_NS
from schemas.columns import I8
from schemas.mission import (
    THIS,
    AllOf,
    AnyOf,
    Comparison,
    Criteria,
    Derived,
    MissionDatabase,
    Parameter,
    Reference,
)
from schemas.settings import TimeSettings

# columns of the node table
CHILD, CHILD_N, CRITERIA, CRITERIA_N, PLAN, BY_HEAD = range(6)
HEAD_BITS = 16  # version, type, secondary header flag, APID: the first word of a packet
FIRST_TIME = -2  # generation time: the first absolute time that the packet holds
MAX_TABLE_FIELDS = 1_000_000
MAX_NESTED_CONTAINERS = 128


Choice = tuple[int, tuple[Criteria, ...]]


def _choice(column: int, criteria: tuple[Criteria, ...]) -> Choice:
    """Key by column if the criteria refer to THIS; otherwise one answer serves all columns."""
    itself = any(r.parameter == THIS for c in criteria for r in _references(c))
    return column if itself else -1, criteria


@dataclass(frozen=True, slots=True)
class Plan:
    """One concrete container: its columns in entry order, then those that are derived.

    choices: (column that THIS stands for, or -1; criteria, of which each row records the first that
    holds).
    """

    container: str
    qualified_name: str
    fields: tuple[Field, ...]
    bits: int
    static: bool
    choices: tuple[Choice, ...] = ()

    @property
    def file_name(self) -> str:
        """Its container's name where it names a file; no name holds a dot (XTCE NameType)."""
        return self.container.replace("/", ".")

    @property
    def names(self) -> list[str]:
        return [f.parameter.name for f in self.fields]

    def choice(self, column: int, criteria: tuple[Criteria, ...]) -> int:
        """Column of Rows.choice that records which of the criteria is the first to hold."""
        return self.choices.index(_choice(column, criteria))


class PlanTables(NamedTuple):
    """`i8`: plan p owns rows x_start[p] to x_start[p + 1] of table x.

    start (of its columns in the field table); columns; bits (of a static plan); static; program
    (kind, a, b, c, target); time row (-1: reception time, or
    FIRST_TIME); times (column, time row) of the columns
    that are absolute times; published (column, slot); choices; nodes of the inheritance tree, root
    first; runs; registers and slots needed.
    """

    start: I8
    columns: I8
    bits: I8
    static: I8
    program: I8
    program_start: I8
    time: I8
    times: I8
    times_start: I8
    published: I8
    published_start: I8
    choices: I8
    choices_start: I8
    nodes: I8
    runs: Runs
    registers: int
    slots: int


class Counted(NamedTuple):
    """Something whose count the packet gives: its container, the name of the array or repeated
    entry, and the number of elements that have columns."""

    container: str
    name: str
    most: int


@dataclass(frozen=True, slots=True)
class PlanSet:
    """All plans of a mission, and what kernels read of them."""

    plans: tuple[Plan, ...]
    layout: PlanTables
    tables: Tables
    counted: Mapping[int, Counted]  # by place in the program


def compile_plans(mdb: MissionDatabase, time: TimeSettings) -> PlanSet:
    """Flatten every concrete container below the root. MissionError where a reference fails."""
    return _Compiler(mdb, time).compile()


class _Compiler:
    def __init__(self, mdb: MissionDatabase, time: TimeSettings) -> None:
        self._mdb, self._time = mdb, time
        self._order = list(_tree(mdb))
        self._layouts = {name: layout(mdb, name) for name in self._order}
        carried: dict[str, Parameter] = {}
        for one in self._layouts.values():
            carried |= {f.parameter.name: f.parameter for f in one.fields}
        carried |= {d.output: mdb.parameters[d.output] for d in mdb.derived}
        self._writer = Writer({}, carried)
        self._starts: list[int] = []
        self._program: list[list[int]] = []
        self._counted: dict[int, Counted] = {}
        self._program_start = [0]
        self._times: list[list[int]] = []
        self._times_start = [0]
        self._plan_time: list[int] = []
        self._choices: list[int] = []
        self._choices_start = [0]
        self._registers = 0

    def compile(self) -> PlanSet:
        nodes = np.zeros((len(self._order), 6), np.int64)
        plans: list[Plan] = []
        children: dict[str | None, list[int]] = {}
        for i, name in enumerate(self._order):
            children.setdefault(self._mdb.containers[name].base, []).append(i)
        for i, name in enumerate(self._order):
            container, mine = self._mdb.containers[name], children.get(name, [])
            nodes[i, CHILD], nodes[i, CHILD_N] = (mine[0] if mine else 0), len(mine)
            if i:  # the root takes every packet, whatever it inherits
                nodes[i, CRITERIA], nodes[i, CRITERIA_N] = self._restriction(name)
            nodes[i, PLAN] = -1
            if not container.abstract:
                nodes[i, PLAN] = len(plans)
                plans.append(self._plan(name))
        if not plans:
            raise MissionError(f"{self._mdb.path}: every container is abstract.")
        published, published_start, slot_fields = self._published(plans)
        tables = self._writer.finish(slot_fields, LEAP_TAI_NS, LEAP_OFFSET_NS, self._time.runs)
        _mark_head(nodes, tables)
        static = [
            range(first, first + len(p.fields)) if p.static else range(0)
            for first, p in zip(self._starts, plans, strict=True)
        ]
        return PlanSet(
            tuple(plans),
            PlanTables(
                np.array(self._starts, np.int64),
                np.array([len(p.fields) for p in plans], np.int64),
                np.array([p.bits for p in plans], np.int64),
                np.array([int(p.static) for p in plans], np.int64),
                _table(self._program, 5),
                np.array(self._program_start, np.int64),
                np.array(self._plan_time, np.int64),
                _table(self._times, 2),
                np.array(self._times_start, np.int64),
                published,
                published_start,
                np.array(self._choices, np.int64),
                np.array(self._choices_start, np.int64),
                nodes,
                runs_of(static, tables.fields),
                self._registers,
                len(self._writer.slots),
            ),
            tables,
            self._counted,
        )

    def _where(self, name: str) -> str:
        return f"{self._mdb.path}: container {name}"

    def _restriction(self, name: str) -> tuple[int, int]:
        """Restriction criteria, on fields of the base whose places are known beforehand."""
        container = self._mdb.containers[name]
        base = self._layouts[container.base or ""]
        by_name = {f.parameter.name: f for f in reversed(base.fields)}
        wanted = list(dict.fromkeys(r.parameter for r in _references(container.restriction)))
        first = len(self._writer.rows["fields"])
        none = Place(self._where(name), {}, first, 0, ())
        for parameter in wanted:
            field = by_name.get(parameter)
            if field is None:
                raise MissionError(
                    f"{self._where(name)}: its restriction looks at {parameter}, which its base "
                    "container does not hold."
                )
            if field.bit < 0 or field.bits < 0 or field.presence != ALWAYS:
                raise MissionError(
                    f"{self._where(name)}: its restriction looks at {parameter}, whose place "
                    "depends on what stands before it, which is not supported."
                )
            if field.parameter.type.context_calibrators:
                raise MissionError(
                    f"{self._where(name)}: its restriction looks at {parameter}, which has "
                    "context calibrators, which is not supported."
                )
            self._writer.field(field, none)
        place = Place(
            self._where(name), {p: i for i, p in enumerate(wanted)}, first, len(wanted),
            (ALWAYS,) * len(wanted),
        )  # fmt: skip
        return self._writer.criteria(container.restriction, place)

    def _plan(self, name: str) -> Plan:
        one = self._layouts[name]
        derived = self._derived_of(name, one)
        fields = (*one.fields, *self._derived_fields(derived, one))
        columns: dict[str, int] = {}
        for i, f in enumerate(fields):
            columns.setdefault(f.parameter.name, i)
        first = len(self._writer.rows["fields"])
        presence = tuple(f.presence for f in fields)

        def before(column: int) -> Place:
            return Place(self._where(name), columns, first, column, presence)

        for i, f in enumerate(fields):
            self._writer.field(f, before(i))
            if len(self._writer.rows["fields"]) > MAX_TABLE_FIELDS:
                raise MissionError(f"{self._mdb.path}: more than {MAX_TABLE_FIELDS} fields.")
        self._starts.append(first)
        steps = [] if one.static else list(one.steps)
        steps += self._derivations(derived, columns, len(one.fields), presence, len(steps))
        self._write_program(name, steps, before)
        self._write_times(name, fields, columns)
        choices = _alarm_choices(fields)
        for column, criteria in choices:
            place = before(len(fields))._replace(this=column)
            self._choices.append(self._writer.choice(criteria, place))
        self._choices_start.append(len(self._choices))
        self._registers = max(self._registers, one.registers)
        return Plan(
            name, self._mdb.containers[name].qualified_name, fields, one.bits, one.static, choices
        )

    def _derived_of(self, name: str, one: Layout) -> list[Derived]:
        """Derived parameters that this container triggers, each after its inputs and triggers."""
        here = set(one.names)
        chosen: list[Derived] = []
        grew = True
        while grew:
            grew = False
            for d in self._mdb.derived:
                if d not in chosen and any(t in here for t in d.triggers):
                    chosen.append(d)
                    here.add(d.output)
                    grew = True
        ordered: list[Derived] = []
        waiting = list(chosen)
        while waiting:
            outputs = {d.output for d in waiting}
            ready = [
                d for d in waiting
                if not outputs.intersection((*d.triggers, *(r.parameter for r in _inputs(d))))
            ]  # fmt: skip
            if not ready:
                raise MissionError(
                    f"{self._where(name)}: {', '.join(d.output for d in waiting)} are computed "
                    "from each other in a circle."
                )
            ordered += ready
            waiting = [d for d in waiting if d not in ready]
        return ordered

    def _derived_fields(self, derived: list[Derived], one: Layout) -> Iterator[Field]:
        """A field each, present where one of its triggers is: a part of the packet, or another
        derived parameter, which may itself be absent."""
        presence = {f.parameter.name: f.presence for f in reversed(one.fields)}
        for d in derived:
            sure = any(presence[t] == ALWAYS for t in d.triggers if t in presence)
            # its own presence class, beyond those of the packet's parts
            own = ALWAYS if sure else -1 - self._mdb.derived.index(d)
            presence.setdefault(d.output, own)
            yield Field(self._mdb.parameters[d.output], -1, 64, own, derived=True)

    def _derivations(
        self, derived: list[Derived], columns: dict[str, int], first: int,
        presence: tuple[int, ...], at: int,
    ) -> list[Step]:  # fmt: skip
        """Steps that compute derived columns, each only if a trigger is in the packet."""
        steps: list[Step] = []
        for i, d in enumerate(derived):
            column = first + i
            if presence[column] != ALWAYS:
                triggers = [columns[t] for t in d.triggers if t in columns]
                here = at + len(steps)
                go = here + len(triggers) + 1
                steps += [Step(PRESENT, column=t, target=go) for t in triggers]
                steps.append(Step(SKIP, target=go + 1))
            steps.append(Step(DERIVE, column=column, formula=d.formula))
        return steps

    def _write_program(self, name: str, steps: list[Step], before: object) -> None:
        place, decoded = before, 0
        for step in steps:
            here: Place = place(decoded)  # type: ignore[operator]
            w, row = self._writer, [step.kind, 0, 0, 0, step.target]
            if step.kind == FIELD:
                row[1], row[2] = step.column, here.first_field + step.column
                decoded = step.column + 1
            elif step.kind == MOVE:
                row[1], row[2] = step.depth, w.size(step.value, here)
            elif step.kind == START:
                row[1] = step.depth
            elif step.kind == UNLESS:
                assert step.criteria is not None
                row[1], row[2] = w.criteria(step.criteria, here)
            elif step.kind == COUNT:
                row[1:4] = [step.register, w.size(step.value, here), step.index]
                self._counted[len(self._program)] = Counted(name, step.name, step.index)
            elif step.kind == BELOW:
                row[1], row[2] = step.register, step.index
            elif step.kind == DERIVE:
                assert step.formula is not None
                row[1] = step.column
                row[2], row[3] = w.formula(step.formula, place(step.column))  # type: ignore[operator]
                decoded = step.column + 1
            else:
                row[1] = step.column
            self._program.append(row)
        self._program_start.append(len(self._program))

    def _write_times(self, name: str, fields: tuple[Field, ...], columns: dict[str, int]) -> None:
        """The container's generation time, and the columns that are absolute times."""
        rows: dict[int, int] = {}
        for i, f in enumerate(fields):
            if f.parameter.type.kind == "time":
                rows[i] = self._time_row(name, fields, columns, i, ())
                self._times.append([i, rows[i]])
        self._times_start.append(len(self._times))
        t = self._time
        composite = t.day or t.milliseconds or t.microseconds
        if composite:
            self._plan_time.append(self._composite(columns))
        elif t.parameter:
            self._plan_time.append(rows.get(columns.get(t.parameter, -1), -1))
        else:
            self._plan_time.append(FIRST_TIME if rows else -1)

    def _time_row(
        self, name: str, fields: tuple[Field, ...], columns: dict[str, int], column: int,
        above: tuple[int, ...],
    ) -> int:  # fmt: skip
        time = fields[column].parameter.type.time
        assert time is not None
        where = f"{self._where(name)}: {fields[column].parameter.name}"
        own = self._writer.term(column, time, where)
        if not time.offset_from:
            return self._writer.time(time.epoch_ns, time.continuous, [own])
        origin = columns.get(time.offset_from, -1)
        if origin < 0 or column in above:
            raise MissionError(
                f"{where}: is an offset from {time.offset_from}, which must stand in the same "
                "container and not be an offset from this one."
            )
        base = self._time_row(name, fields, columns, origin, (*above, column))
        epoch, continuous, first, n = self._writer.rows["times"][base]
        terms = [tuple(r) for r in self._writer.rows["terms"][first : first + n]]
        return self._writer.time(epoch + time.epoch_ns, bool(continuous), [*terms, own])

    def _composite(self, columns: dict[str, int]) -> int:
        t = self._time
        parts = ((t.day, 86400 * 10**9), (t.milliseconds, 10**6), (t.microseconds, 10**3))
        terms = [scaled_term(columns[n], Fraction(ns), n) for n, ns in parts if n and n in columns]
        return self._writer.time(parse_epoch(t.epoch), False, terms) if terms else -1

    def _published(self, plans: list[Plan]) -> tuple[I8, I8, I8]:
        """Columns whose newest values are kept, by plan; and a field of each slot."""
        rows: list[list[int]] = []
        start = [0]
        fields = np.zeros(len(self._writer.slots), np.int64)
        for first, plan in zip(self._starts, plans, strict=True):
            columns: dict[str, int] = {}
            for i, name in enumerate(plan.names):
                columns.setdefault(name, i)
            for name, slot in self._writer.slots.items():
                if name in columns:
                    rows.append([columns[name], slot])
                    fields[slot] = first + columns[name]
            start.append(len(rows))
        return _table(rows, 2), np.array(start, np.int64), fields


def _tree(mdb: MissionDatabase) -> Iterator[str]:
    """Names from the root down, breadth first, so that the children of a node are adjacent."""
    children: dict[str | None, list[str]] = {}
    for c in mdb.containers.values():
        children.setdefault(c.base, []).append(c.name)
    order = [mdb.root]
    for name in order:
        yield name
        order += children.get(name, [])


def _references(criteria: Criteria) -> Iterator[Reference]:
    """Every reference of criteria."""
    if isinstance(criteria, Comparison):
        yield criteria.left
        if isinstance(criteria.right, Reference):
            yield criteria.right
    elif isinstance(criteria, AllOf | AnyOf):
        for part in criteria.parts:
            yield from _references(part)


def _alarm_choices(fields: tuple[Field, ...]) -> tuple[Choice, ...]:
    """The criteria that the alarms of these columns test on a row, without repetition."""
    asked: dict[Choice, None] = {}
    for column, field in enumerate(fields):
        alarm = field.parameter.type.alarm
        for variant in alarm.variants if alarm else ():
            for choices in (variant.contexts, variant.conditions):
                if choices:
                    asked[_choice(column, tuple(c for c, _ in choices))] = None
    return tuple(asked)


def _inputs(derived: Derived) -> list[Reference]:
    return [t for t in derived.formula.tokens if isinstance(t, Reference)]


def _mark_head(nodes: I8, tables: Tables) -> None:
    """Set BY_HEAD where the first word of a packet is enough to choose among the children."""
    for node in nodes:
        decided = True
        for child in nodes[node[CHILD] : node[CHILD] + node[CHILD_N]]:
            tokens = tables.criteria[child[CRITERIA] : child[CRITERIA] + child[CRITERIA_N]]
            for kind, argument in tokens:
                if kind == 0:
                    left, _, mode, other, _ = tables.comparisons[argument]
                    used = [left, other] if mode == 3 else [left]
                    for reference in used:
                        row = tables.fields[tables.references[reference, 1]]
                        decided &= 8 * row[BYTE] + row[SHIFT] + row[BITS] <= HEAD_BITS
        node[BY_HEAD] = int(decided)


def _table(rows: list[list[int]], columns: int) -> I8:
    return np.array(rows, np.int64).reshape(len(rows), columns)
