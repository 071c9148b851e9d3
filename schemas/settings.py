"""What XTCE cannot say of a mission: `mission.toml`, as frozen values with their defaults.

Parameter rules are lists of glob patterns on parameter names; the last rule that matches wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.mission import AlarmRanges

READ = {"read": True}  # marks a field that is not a key of mission.toml


@dataclass(frozen=True, slots=True)
class ClockPair:
    """The on-board clock showed `onboard_ns` at `utc_ns`, and went on with this drift."""

    onboard_ns: int
    utc_ns: int
    drift: float


@dataclass(frozen=True, slots=True)
class ClockRun:
    """A clock between two resets; it applies to packets received from `received_ns` on."""

    received_ns: int
    pairs: tuple[ClockPair, ...]


@dataclass(frozen=True, slots=True)
class TimeSettings:
    """Where generation time stands in a packet, and how far it may stray (contract: Time).

    Either `parameter` (an AbsoluteTimeParameterType), or `epoch` with any of `day`,
    `milliseconds`, `microseconds` (a composite, CCSDS 301.0-B day segmented). With neither it is
    each container's first absolute time parameter; a container without one takes the reception
    time.
    """

    parameter: str = ""
    epoch: str = ""
    day: str = ""
    milliseconds: str = ""
    microseconds: str = ""
    lateness_s: float = 0.0  # how much out of order rows may come
    silence_s: float = 5.0  # ticks move the watermark on after this
    jump_s: float = 300.0  # a jump ahead by more must be confirmed by a second packet
    los_s: float = 30.0  # loss of signal: nothing at all received for this long
    invalid_s: float = 60.0  # a sensor without a valid value for so long is reported; 0: never
    correlation: str = ""  # CSV of on-board times and what they are in UTC
    runs: tuple[ClockRun, ...] = field(default=(), metadata=READ)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parameters that the generation time is made from, where any are named."""
        every = (self.parameter, self.day, self.milliseconds, self.microseconds)
        return tuple(name for name in every if name)


MAX_SECONDS = 1_000_000_000  # thirty years, so that ns fit 64 bits
MIN_HZ = 1e-6  # of a grid: every eleven days
MOST_HELD = 100_000  # rows of a grid until a value is stale


@dataclass(frozen=True, slots=True)
class ResampleRule:
    match: str = "*"
    hz: float = 1.0
    method: str = "last"  # last | linear | mean
    max_age_s: float = 5.0
    counter: bool = False  # a counter that wraps: models and statistics see it unwrapped


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """A rolling window made of whole panes, closed by event time."""

    window_s: float
    pane_s: float


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """Limits that XTCE does not hold, or an override of those it does; and what XTCE has no words
    for: a deadband on leaving, seconds that a level must last, latching until acknowledged."""

    parameter: str
    ranges: AlarmRanges | None
    deadband: float = 0.0
    override: bool = False
    min_s: float = 0.0
    latch: bool = False


MAX_PHASES = 16  # named, each with a past of its own


@dataclass(frozen=True, slots=True)
class PhaseSettings:
    """Flight phases, each with a past of its own for the families that judge by records.

    labels: of an enumeration, or its numbers; each is a phase, all other values are one together.
    """

    parameter: str = ""
    labels: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all phases, from phase 0 on; empty where the mission has none."""
        return ("other", *self.labels) if self.labels else ()


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What a trained model must show before it may speak, and what it may cost while it does.

    A false alarm in flight is one that ends, or lasts for `confirm_s`, without its parameter being
    beyond a limit of warning or above meanwhile.
    """

    false_alarms_per_parameter_day: float = 0.05
    found: float = 0.8  # share of the labelled faults of its parameters
    confirm_s: float = 600.0


SAMPLES = ("engineering", "raw", "both", "off")
STATISTICS = ("columns", "json", "off")


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """What is published besides alerts and rejects, and in which form (docs/outputs.md).

    samples: "engineering", "raw", "both" or "off". statistics: "columns", "json" or "off".
    period_s: a batch of samples closes at a tick after so much flight time, or when it is full.
    header: fields of the primary header, and of the packet's time, among the samples.
    """

    samples: str = "engineering"
    statistics: str = "columns"
    period_s: float = 60.0
    header: bool = False


@dataclass(frozen=True, slots=True)
class MissionSettings:
    name: str
    source: str
    xtce: str
    time: TimeSettings = TimeSettings()
    subsystems: tuple[str, ...] = ()  # XTCE files whose SpaceSystems stand inside that of `xtce`
    root_container: str = ""  # the container that every packet is, where the XTCE has several
    segmented_apids: tuple[int, ...] = ()  # whose packets come in segments (133.0-B-2, 4.1.3.4.2)
    allow_trailing_bytes: bool = False
    ignore: tuple[str, ...] = ()  # parameters that are decoded, and nothing more
    resample: tuple[ResampleRule, ...] = (ResampleRule(),)
    statistics: tuple[WindowSettings, ...] = (WindowSettings(60, 10), WindowSettings(600, 60))
    quantiles: tuple[float, ...] = (0.05, 0.5, 0.95)
    gate: GateSettings = GateSettings()
    phases: PhaseSettings = PhaseSettings()
    alarms: dict[str, AlarmRule] = field(default_factory=dict)
    gauges: tuple[str, ...] = ()  # parameters whose statistics become Prometheus gauges
    # alarms that are one incident at the desk: name to patterns of parameters
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    outputs: OutputSettings = OutputSettings()
    models: Mapping[str, tuple[Any, ...]] = field(default_factory=dict, metadata=READ)  # by family
    sha256: str = field(default="", metadata=READ)
