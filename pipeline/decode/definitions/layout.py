"""Where the values of a container are: its columns, and the steps by which they are found.

A container whose places are all known beforehand is a plain list of fields. What depends on the
packet (conditions, counts, sizes) becomes steps of a program, with repetitions unrolled. So a
column is always one value, which is absent if the packet does not hold it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.errors import MissionError
from schemas.mission import (
    BinaryEncoding,
    Container,
    Criteria,
    DynamicValue,
    Entry,
    Formula,
    IntegerEncoding,
    IntegerValue,
    LookupValue,
    MissionDatabase,
    Parameter,
    ParameterType,
    StringEncoding,
)
from schemas.space_packet import HEADER_BYTES

MAX_COLUMNS = 16384
MAX_DYNAMIC = 1024  # elements of an array, or repetitions, where the packet says how many
ALWAYS = 0
# steps of a program
FIELD, MOVE, START, UNLESS, COUNT, BELOW, DERIVE, PRESENT, SKIP = range(9)


@dataclass(frozen=True, slots=True)
class Field:
    """One column. bit, bits: -1 if they depend on the packet; a string's bits are its box's.

    presence: columns with the same number are present together; ALWAYS: in every packet.
    """

    parameter: Parameter
    bit: int
    bits: int
    presence: int = ALWAYS
    derived: bool = False

    @property
    def in_primary_header(self) -> bool:
        return 0 <= self.bit < 8 * HEADER_BYTES

    @property
    def wide(self) -> bool:
        """Whether the raw value is a place in the packet, not a number of up to 64 bits."""
        encoding = self.parameter.type.encoding
        time = self.parameter.type.time
        if isinstance(encoding, StringEncoding) or (time and time.segmented):
            return True
        return not self.derived and not 0 <= self.bits <= 64 and encoding is not None


@dataclass(slots=True)
class Step:
    """One step; `target` is the step to continue with if UNLESS or BELOW does not hold.

    FIELD: read a column at the cursor. MOVE: move the cursor, from the last entry or from where the
    container of `depth` began. START: a container of `depth` begins here. UNLESS: test criteria.
    COUNT: read a value of at most `index` into a register. BELOW: test that `index` is below the
    register. DERIVE: compute a column by its formula. PRESENT: go to the target if the packet holds
    the column. SKIP: go to the target.
    """

    kind: int
    column: int = -1
    depth: int = -1
    value: IntegerValue = 0
    criteria: Criteria | None = None
    register: int = 0
    index: int = 0
    target: int = -1
    formula: Formula | None = None
    name: str = ""  # COUNT: of what is counted


@dataclass(slots=True)
class Layout:
    """Columns and steps of one container. static: every column's place is known."""

    fields: list[Field] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    bits: int = 0  # of a static one
    static: bool = True
    registers: int = 0

    @property
    def names(self) -> list[str]:
        return [f.parameter.name for f in self.fields]


def layout(mdb: MissionDatabase, name: str) -> Layout:
    """Columns of a container in entry order, inherited ones first. MissionError: too many."""
    return _Walk(mdb, name).layout


class _Walk:
    def __init__(self, mdb: MissionDatabase, name: str) -> None:
        self._mdb, self._container = mdb, name
        self.layout = Layout()
        self._cursor: int | None = 0  # None: it depends on the packet
        self._starts: list[int | None] = [0]
        self._presence, self._classes = ALWAYS, 0
        self._times: dict[str, int] = {}
        self._visit(mdb.containers[name], "")

    def _refuse(self, why: str) -> MissionError:
        return MissionError(f"{self._mdb.path}: container {self._container}: {why}")

    def _visit(self, container: Container, suffix: str) -> None:
        if container.base:
            self._visit(self._mdb.containers[container.base], suffix)
        for entry in container.entries:
            self._entry(entry, suffix)

    def _entry(self, entry: Entry, suffix: str) -> None:
        if entry.include is not None:
            self._guarded(
                Step(UNLESS, criteria=entry.include), lambda: self._located(entry, suffix)
            )
        else:
            self._located(entry, suffix)

    def _guarded(self, guard: Step, body: Callable[[], None]) -> None:
        """Add a part that some packets do not hold. Its columns get their own presence number."""
        steps, before = self.layout.steps, self._presence
        self.layout.static = False
        self._classes += 1
        self._presence = self._classes
        steps.append(guard)
        body()
        guard.target = len(steps)
        self._presence, self._cursor = before, None

    def _located(self, entry: Entry, suffix: str) -> None:
        if entry.location is not None:
            anchor, value = entry.location
            self._move(value, -1 if anchor == "previousEntry" else len(self._starts) - 1)
        if entry.repeat is None:
            self._body(entry, suffix)
            return
        count, gap = entry.repeat

        def one(index: str, i: int) -> None:
            if i and gap != 0:
                self._move(gap, -1)
            self._body(entry, suffix + index)

        self._repeat(entry.name + suffix, 0, count, one)

    def _repeat(
        self, name: str, first: int, count: IntegerValue, body: Callable[[str, int], None]
    ) -> None:
        """Add elements from `[first]`; if the packet gives the count, each is guarded by index."""
        if isinstance(count, int):
            for i in range(count):
                body(f"[{first + i}]", i)
            return
        register = self.layout.registers
        self.layout.registers += 1
        most = _most(self._mdb, count)
        self.layout.steps.append(Step(COUNT, value=count, register=register, index=most, name=name))
        self.layout.static = False
        ends = []
        before, cursor_known = self._presence, self._cursor
        for i in range(most):
            step = Step(BELOW, register=register, index=i)
            ends.append(step)
            self._classes += 1
            self._presence = self._classes
            self.layout.steps.append(step)
            body(f"[{first + i}]", i)
        for step in ends:  # after the last element, skip all the rest
            step.target = len(self.layout.steps)
        self._presence = before
        self._cursor = cursor_known if most == 0 else None

    def _move(self, value: IntegerValue, depth: int) -> None:
        self.layout.steps.append(Step(MOVE, depth=depth, value=value))
        origin = self._cursor if depth < 0 else self._starts[depth]
        known = isinstance(value, int) and origin is not None
        self._cursor = origin + value if known else None  # type: ignore[operator]
        if not known:
            self.layout.static = False
        elif self._cursor is not None and self._cursor < 0:
            raise self._refuse("an entry lies before the packet.")

    def _body(self, entry: Entry, suffix: str) -> None:
        if entry.kind == "container":
            self._starts.append(self._cursor)
            self.layout.steps.append(Step(START, depth=len(self._starts) - 1))
            self._visit(self._mdb.containers[entry.name], suffix)
            self._starts.pop()
            return
        parameter = self._mdb.parameters[entry.name]
        self._leaf(parameter, parameter.type, suffix)

    def _leaf(self, parameter: Parameter, of: ParameterType, path: str) -> None:
        """Add members and elements one by one, down to the types that have an encoding."""
        if of.kind == "aggregate":
            for member, inner in of.members:
                self._leaf(parameter, inner, f"{path}.{member}")
        elif of.kind == "array":
            self._array(parameter, of, path, 0)
        else:
            self._field(parameter, of, path)

    def _array(self, parameter: Parameter, of: ParameterType, path: str, dimension: int) -> None:
        """The last dimension's index runs fastest (XTCE 1.2, ArrayParameterType)."""
        if dimension == len(of.dimensions):
            assert of.element is not None
            self._leaf(parameter, of.element, path)
            return
        first, last = of.dimensions[dimension]
        self._repeat(
            parameter.name + path,
            first,
            _count_of(first, last),
            lambda index, _: self._array(parameter, of, path + index, dimension + 1),
        )

    def _field(self, parameter: Parameter, of: ParameterType, path: str) -> None:
        encoding = of.encoding
        if encoding is None:
            raise self._refuse(f"parameter {parameter.name} has no encoding, so no packet has it.")
        name = parameter.name + path
        self._times[name] = self._times.get(name, 0) + 1
        if self._times[name] > 1:  # a parameter that stands in a packet more than once
            path += f"#{self._times[name]}"
        leaf = parameter if of is parameter.type and not path else Parameter(
            parameter.name + path, parameter.qualified_name + path, of, parameter.description
        )  # fmt: skip
        bits = _fixed_bits(of)
        if bits < 0 or not _plain(of):
            self.layout.static = False
        bit = -1 if self._cursor is None else self._cursor
        self.layout.steps.append(Step(FIELD, column=len(self.layout.fields)))
        self.layout.fields.append(Field(leaf, bit, bits, self._presence))
        if len(self.layout.fields) > MAX_COLUMNS:
            raise self._refuse(f"holds more than {MAX_COLUMNS} values.")
        known = bit >= 0 and bits >= 0
        self._cursor = bit + bits if known else None
        if known:
            self.layout.bits = max(self.layout.bits, bit + bits)


def _fixed_bits(of: ParameterType) -> int:
    """Bits that a value occupies, -1 where the packet decides."""
    encoding = of.encoding
    if isinstance(encoding, StringEncoding):
        return encoding.box if isinstance(encoding.box, int) else -1
    if isinstance(encoding, BinaryEncoding):
        return encoding.bits if isinstance(encoding.bits, int) else -1
    assert encoding is not None
    return encoding.bits


def _plain(of: ParameterType) -> bool:
    """Whether a value can be decoded the short way, which needs only its own bits."""
    encoding = of.encoding
    if isinstance(encoding, StringEncoding):
        return not encoding.leading_bits and not encoding.terminator
    if isinstance(encoding, IntegerEncoding) and encoding.bits > 64:
        return False
    refers = isinstance(of.calibrator, Formula)
    return not of.context_calibrators and not refers and of.valid is None


def _count_of(first: int, last: IntegerValue) -> IntegerValue:
    """How many elements lie from `first` to `last`, both included."""
    if isinstance(last, int):
        return last - first + 1
    if isinstance(last, DynamicValue):
        return DynamicValue(last.reference, last.slope, last.intercept + 1 - first)
    return LookupValue(tuple((criteria, value + 1 - first) for criteria, value in last.choices))


def _most(mdb: MissionDatabase, count: DynamicValue | LookupValue) -> int:
    """The largest count for which there are columns; a packet that asks for more is refused."""
    if isinstance(count, LookupValue):
        return min(MAX_DYNAMIC, max((value for _, value in count.choices), default=0))
    parameter = mdb.parameters.get(count.reference.parameter)
    if parameter is None or count.slope < 0:
        return MAX_DYNAMIC
    of = parameter.type
    calibrated = of.calibrator or of.context_calibrators
    if not isinstance(of.encoding, IntegerEncoding) or of.encoding.bits > 32 or calibrated:
        return MAX_DYNAMIC
    return max(0, min(MAX_DYNAMIC, int(count.slope * (2**of.encoding.bits - 1) + count.intercept)))
