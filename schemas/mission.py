"""Mission definitions: what XTCE 1.2 (OMG formal/2018-10-04) says of a spacecraft, frozen.

Nothing here decodes or evaluates: definition is kept apart from execution.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction


class Level(IntEnum):
    """XTCE's severity ladder (ConcernLevels of the alarm ranges), in rising order."""

    NORMAL = 0
    WATCH = 1
    WARNING = 2
    DISTRESS = 3
    CRITICAL = 4
    SEVERE = 5

    @property
    def word(self) -> str:
        return _WORDS[self]


_WORDS = tuple(level.name.lower() for level in Level)  # an enumeration's own name takes 1 us
LEVELS = {level.word: level for level in Level}
ALARM_LEVELS = (Level.WATCH, Level.WARNING, Level.DISTRESS, Level.CRITICAL, Level.SEVERE)


@dataclass(frozen=True, slots=True)
class Reference:
    """ParameterInstanceRef: the newest value of a parameter, in this packet or before it.

    parameter: key of a parameter, with `.member` and `[index]` where it is a part of one.
    """

    parameter: str
    calibrated: bool = True


@dataclass(frozen=True, slots=True)
class Comparison:
    """One Comparison or Condition. right: a number, a text (of strings), or another parameter."""

    left: Reference
    operator: str  # == != < <= > >=; of texts also begins, ends, holds
    right: float | int | bytes | Reference


@dataclass(frozen=True, slots=True)
class AllOf:
    """ComparisonList and ANDedConditions; without parts it always holds."""

    parts: tuple[Criteria, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """ORedConditions."""

    parts: tuple[Criteria, ...]


Criteria = Comparison | AllOf | AnyOf  # MatchCriteria


@dataclass(frozen=True, slots=True)
class DynamicValue:
    """IntegerValue read from the packet: slope * parameter + intercept."""

    reference: Reference
    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True, slots=True)
class LookupValue:
    """DiscreteLookupList: the value of the first criteria that hold."""

    choices: tuple[tuple[Criteria, int], ...]


IntegerValue = int | DynamicValue | LookupValue


@dataclass(frozen=True, slots=True)
class IntegerEncoding:
    """IntegerDataEncoding. coding: XTCE's word, unsigned by default.

    unsigned and twosComplement to 1,024 bits, the others to 64 (BCD: 8 bits a digit; packedBCD: 4).
    """

    bits: int
    coding: str = "unsigned"
    little_endian: bool = False

    @property
    def signed(self) -> bool:
        return self.coding == "twosComplement"


@dataclass(frozen=True, slots=True)
class FloatEncoding:
    """FloatDataEncoding: IEEE754 of 16, 32 or 64 bits, MILSTD_1750A of 32 or 48."""

    bits: int
    coding: str = "IEEE754"
    little_endian: bool = False


@dataclass(frozen=True, slots=True)
class BinaryEncoding:
    """BinaryDataEncoding of a fixed or dynamic number of bits."""

    bits: IntegerValue


@dataclass(frozen=True, slots=True)
class StringEncoding:
    """StringDataEncoding. The box is the space of the string; None: as much as its content needs.

    The content begins after a size tag of `leading_bits` (which counts the content's bits), or
    ends before the first `terminator`, or fills the box.
    """

    charset: str  # XTCE's word: UTF-8, US-ASCII, …
    box: IntegerValue | None
    leading_bits: int = 0
    terminator: bytes = b""


Encoding = IntegerEncoding | FloatEncoding | BinaryEncoding | StringEncoding


@dataclass(frozen=True, slots=True)
class Polynomial:
    """PolynomialCalibrator: coefficients by rising exponent."""

    coefficients: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Spline:
    """SplineCalibrator of order 0 (steps) or 1 (straight lines); points by rising raw value.

    Outside its points a value is invalid, unless it extrapolates.
    """

    order: int
    points: tuple[tuple[float, float], ...]
    extrapolate: bool


THIS = "this"  # the uncalibrated value, in a Formula


@dataclass(frozen=True, slots=True)
class Formula:
    """MathOperation in postfix: numbers, THIS, references and XTCE's operators (MathOperators)."""

    tokens: tuple[float | str | Reference, ...]


Calibrator = Polynomial | Spline | Formula


Five = tuple[float, float, float, float, float]  # one a level of ALARM_LEVELS


@dataclass(frozen=True, slots=True)
class ChangeRanges:
    """ChangeAlarmRanges: normal while the change from one sample to the next is inside."""

    low: Five
    high: Five
    per_second: bool  # else per sample


@dataclass(frozen=True, slots=True)
class StateLevels:
    """EnumerationAlarmList: the level of each raw value that has one, and that of all others."""

    levels: tuple[tuple[int, Level], ...]
    default: Level = Level.NORMAL


@dataclass(frozen=True, slots=True)
class Band:
    """A range of form "inside": `level` while the value is in [low, high], inclusive."""

    level: Level
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class AlarmRanges:
    """An alarm. Ranges of form "outside": normal inside [low, high], inclusive.

    One (low, high) a level of `ALARM_LEVELS`, in engineering units; an open end is infinite.
    bands: ranges of form "inside". min_violations, min_conformance: samples in a row to enter a
    level, and to leave it. conditions: AlarmConditions and StringAlarmList, the first that holds.
    contexts: ContextAlarmList; the first whose criteria hold takes the place of all of this.
    """

    low: Five
    high: Five
    min_violations: int = 1
    min_conformance: int = 1
    change: ChangeRanges | None = None
    states: StateLevels | None = None
    bands: tuple[Band, ...] = ()
    conditions: tuple[tuple[Criteria, Level], ...] = ()
    contexts: tuple[tuple[Criteria, AlarmRanges], ...] = ()

    @property
    def variants(self) -> tuple[AlarmRanges, ...]:
        """Itself, then those of its contexts."""
        return (self, *(alarm for _, alarm in self.contexts))


@dataclass(frozen=True, slots=True)
class SegmentedTime:
    """CCSDS time codes in a binary field (CCSDS 301.0-B-4): CUC (3.2) and CDS (3.3), T-field.

    code "CUC": `major` octets of seconds, `minor` octets of their binary fraction; "CDS": `major`
    octets of days, four of milliseconds of day, `minor` octets of their fraction (0, 2: us, 4: ps).
    p_field: octets that must stand before it (3.2.2, 3.3.2), else the time is invalid.
    """

    code: str
    major: int
    minor: int
    p_field: bytes = b""

    @property
    def octets(self) -> int:
        return len(self.p_field) + self.major + self.minor + (4 if self.code == "CDS" else 0)


@dataclass(frozen=True, slots=True)
class TimeEncoding:
    """Absolute time: ns since 1970 = epoch_ns + round(raw * ns_per_unit).

    continuous: the epoch is on a scale without leap seconds (TAI, GPS, J2000), and `epoch_ns` in
    TAI; UTC follows by the leap second table. Else days of 86,400 s are counted (POSIX, CDS).
    offset_from: another absolute time takes the epoch's place.
    """

    epoch_ns: int
    ns_per_unit: Fraction
    continuous: bool = False
    segmented: SegmentedTime | None = None
    offset_from: str = ""


@dataclass(frozen=True, slots=True)
class ParameterType:
    """One ParameterType. `kind` is one of integer, float, boolean, enumerated, string, binary,
    time (absolute), duration (relative time), aggregate, array.

    encoding: None for local and derived parameters. valid: (low, high, of calibrated values),
    outside which a value is invalid.
    """

    name: str
    kind: str
    encoding: Encoding | None = None
    unit: str = ""
    calibrator: Calibrator | None = None
    context_calibrators: tuple[tuple[Criteria, Calibrator], ...] = ()
    labels: tuple[tuple[int, str], ...] = ()  # enumerated and boolean: raw value, label
    alarm: AlarmRanges | None = None
    time: TimeEncoding | None = None
    valid: tuple[float, float, bool] | None = None
    members: tuple[tuple[str, ParameterType], ...] = ()  # aggregate
    element: ParameterType | None = None  # array
    dimensions: tuple[tuple[int, IntegerValue], ...] = ()  # array: first and last index of each


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str  # its key: the path below the root SpaceSystem
    qualified_name: str  # /SpaceSystem/Name
    type: ParameterType
    description: str = ""


@dataclass(frozen=True, slots=True)
class Derived:
    """A MathAlgorithm or an expression: `output` is computed whenever a trigger is updated."""

    name: str
    output: str
    formula: Formula
    triggers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an EntryList: a parameter, or a container to be put in its place.

    location: (anchor, bits) of LocationInContainerInBits, anchor previousEntry or containerStart.
    repeat: how often, and how many bits lie between.
    """

    kind: str  # parameter | container
    name: str
    location: tuple[str, IntegerValue] | None = None
    include: Criteria | None = None
    repeat: tuple[IntegerValue, IntegerValue] | None = None


@dataclass(frozen=True, slots=True)
class Container:
    name: str  # its key: the path below the root SpaceSystem
    qualified_name: str
    abstract: bool
    base: str | None
    restriction: Criteria  # AllOf(()) where there is none
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class MissionDatabase:
    """One file's telemetry: types resolved, references checked, hash of the file's bytes.

    notes: what was passed over on purpose, a line each.
    """

    name: str
    parameters: dict[str, Parameter]
    containers: dict[str, Container]
    root: str
    sha256: str
    path: str
    derived: tuple[Derived, ...] = ()
    notes: tuple[str, ...] = ()
