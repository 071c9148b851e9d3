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
        return self.name.lower()


ALARM_LEVELS = (Level.WATCH, Level.WARNING, Level.DISTRESS, Level.CRITICAL, Level.SEVERE)


@dataclass(frozen=True, slots=True)
class IntegerEncoding:
    """IntegerDataEncoding: `bits` 1..64, unsigned or two's complement."""

    bits: int
    signed: bool = False
    little_endian: bool = False


@dataclass(frozen=True, slots=True)
class FloatEncoding:
    """FloatDataEncoding, IEEE 754 of 32 or 64 bits."""

    bits: int
    little_endian: bool = False


@dataclass(frozen=True, slots=True)
class BinaryEncoding:
    """BinaryDataEncoding of a fixed number of bits, of any width."""

    bits: int


Encoding = IntegerEncoding | FloatEncoding | BinaryEncoding


@dataclass(frozen=True, slots=True)
class AlarmRanges:
    """StaticAlarmRanges of form "outside": normal inside [low, high] of a level, both inclusive.

    One (low, high) a level of `ALARM_LEVELS`, in engineering units; an open end is infinite.
    """

    low: tuple[float, float, float, float, float]
    high: tuple[float, float, float, float, float]
    min_violations: int = 1


@dataclass(frozen=True, slots=True)
class TimeEncoding:
    """Of an AbsoluteTimeParameterType: ns since 1970 UTC = epoch_ns + round(raw * ns_per_unit)."""

    epoch_ns: int
    ns_per_unit: Fraction


@dataclass(frozen=True, slots=True)
class ParameterType:
    """One ParameterType; `kind` is integer, float, boolean, enumerated, binary or time."""

    name: str
    kind: str
    encoding: Encoding
    unit: str = ""
    calibrator: tuple[float, ...] = ()  # polynomial coefficients by rising exponent; () is none
    labels: tuple[tuple[int, str], ...] = ()  # enumerated and boolean: raw value, label
    alarm: AlarmRanges | None = None
    time: TimeEncoding | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    qualified_name: str  # /SpaceSystem/Name
    type: ParameterType
    description: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One Comparison of a RestrictionCriteria; a list of them is a conjunction."""

    parameter: str
    operator: str  # == != < <= > >=
    value: float | int
    calibrated: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an EntryList: a parameter, or a container to be put in its place."""

    kind: str  # parameter | container
    name: str


@dataclass(frozen=True, slots=True)
class Container:
    name: str
    qualified_name: str
    abstract: bool
    base: str | None
    restriction: tuple[Comparison, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class MissionDatabase:
    """One SpaceSystem's telemetry: types resolved, references checked, hash of the file's bytes."""

    name: str
    parameters: dict[str, Parameter]
    containers: dict[str, Container]
    root: str
    sha256: str
    path: str
