"""What XTCE cannot say of a mission: `mission.toml`, as frozen values with their defaults.

Parameter rules are lists of glob patterns on parameter names; the last rule that matches wins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from schemas.mission import AlarmRanges

READ = {"read": True}  # of what is found out, not written in mission.toml


@dataclass(frozen=True, slots=True)
class ClockPair:
    """The on-board clock showed `onboard_ns` at `utc_ns`, and went on with this drift."""

    onboard_ns: int
    utc_ns: int
    drift: float


@dataclass(frozen=True, slots=True)
class ClockRun:
    """A clock between two resets: for packets received from then on."""

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
    invalid_s: float = 60.0  # a sensor without a valid value for so long is told; 0: never
    correlation: str = ""  # CSV of on-board times and what they are in UTC
    runs: tuple[ClockRun, ...] = field(default=(), metadata=READ)


@dataclass(frozen=True, slots=True)
class ResampleRule:
    match: str = "*"
    hz: float = 1.0
    method: str = "last"  # last | linear | mean
    max_age_s: float = 5.0
    counter: bool = False  # it counts and wraps: models and statistics see it go on


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """A rolling window made of whole panes, closed by event time."""

    window_s: float
    pane_s: float


@dataclass(frozen=True, slots=True)
class ResidualRule:
    """Settings of the adaptive residual for the parameters that match."""

    match: str = "*"
    enabled: bool = True
    half_life_s: float = 20.0  # of the level; trend and scale forget four times slower
    threshold: float = 10.0  # residual, in robust scales
    warm_up_s: float = 60.0
    min_samples: int = 3  # persistence
    min_seconds: float = 2.0
    resolution: float = 0.0  # smallest scale believed, engineering units


@dataclass(frozen=True, slots=True)
class TimeToLimitRule:
    """Settings of time-to-limit for the parameters that match."""

    match: str = "*"
    enabled: bool = True
    memory_s: float = 30.0  # 1/(1-discount), of the local linear trend
    horizon_s: float = 120.0  # a crossing further away than this is nobody's business yet
    significance: float = 6.0  # slope in standard deviations, below which it stays quiet
    min_samples: int = 5
    min_seconds: float = 10.0
    resolution: float = 0.0


@dataclass(frozen=True, slots=True)
class FlatRule:
    """Settings of the flat line for the parameters that match."""

    match: str = "*"
    enabled: bool = True
    threshold: float = 20.0  # times the longest rest so far
    changes: int = 100  # that must have been seen before
    min_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class RecordRule:
    """Settings of a family that knows a feature's record, for the parameters that match. It is off
    until a mission has seen on its own flights what it says (docs/models.md)."""

    match: str = "*"
    enabled: bool = False
    margin: float = 0.2  # beyond the record, in its own extents
    history: int = 8000  # rows that a record lasts
    let_go: int = 1000  # an alarm of so many rows is the new normal


@dataclass(frozen=True, slots=True)
class LevelRule(RecordRule):
    """Settings of the level's record for the parameters that match."""


@dataclass(frozen=True, slots=True)
class ActivityRule(RecordRule):
    """Settings of the record of activity for the parameters that match."""


@dataclass(frozen=True, slots=True)
class ShapeRule(RecordRule):
    """Settings of the shape memory for the parameters that match."""

    margin: float = 0.3


@dataclass(frozen=True, slots=True)
class ForecasterRule(RecordRule):
    """Settings of the forecaster for the parameters that match."""


@dataclass(frozen=True, slots=True)
class DepartureRule(RecordRule):
    """Settings of the distance from the 64-row mean for the parameters that match."""

    margin: float = 0.5


@dataclass(frozen=True, slots=True)
class SeasonalRule(RecordRule):
    """Settings of the profile over an orbit or a day for the parameters that match."""

    period_s: float = 0.0  # of one turn, which must be given


@dataclass(frozen=True, slots=True)
class BandsRule(RecordRule):
    """Settings of the spectral bands for the parameters that match: from each edge to the next."""

    edges_hz: tuple[float, ...] = ()  # octaves below half the rate where none are given
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResonanceRule(RecordRule):
    """Settings of the resonance that lies in a band, for the parameters that match."""

    low_hz: float = 0.0
    high_hz: float = 0.0


@dataclass(frozen=True, slots=True)
class CoupledRule(RecordRule):
    """Settings of a subsystem: the parameters that match are told of by each other."""

    memory: float = 5000.0  # rows after which two thirds of a relation are forgotten
    across: bool = False  # of any containers, and looked at on every tick


@dataclass(frozen=True, slots=True)
class VotingRule:
    """Settings of redundant sensors: those that match measure one quantity."""

    match: str = "*"
    enabled: bool = False
    tolerance: float = 0.0  # engineering units
    min_samples: int = 3  # persistence
    min_seconds: float = 0.0
    memory_s: float = 60.0  # of a sensor's bias and drift
    across: bool = False  # of any containers, and looked at on every tick


@dataclass(frozen=True, slots=True)
class CorridorRule:
    """Settings of the corridor, which comes trained or not at all (docs/gate.md). Mission time is
    counted from the first row in which `zero_on` is above `zero_above`."""

    match: str = "*"
    enabled: bool = False
    margin: float = 1.0  # times the room beside the flights' own corridor
    horizon_s: float = 600.0
    lag_s: float = 5.0  # of the change that is looked at
    zero_on: str = ""
    zero_above: float = 0.0


@dataclass(frozen=True, slots=True)
class FatigueRule:
    """Settings of fatigue for the parameters that match: a range of `reference` units is stood
    `cycles` times, and the S-N line falls with `slope`. All three are the part's own."""

    match: str = "*"
    enabled: bool = False
    reference: float = 0.0
    cycles: float = 1e6
    slope: float = 5.0
    threshold: float = 0.8  # of its life
    horizon_s: float = 0.0  # an end that is nearer than this is told
    memory_s: float = 3600.0  # of the rate at which life is used


# What a model family's table is called, and what stands in it.
MODEL_RULES: dict[str, type[Any]] = {
    "residual": ResidualRule,
    "time_to_limit": TimeToLimitRule,
    "flat": FlatRule,
    "level": LevelRule,
    "activity": ActivityRule,
    "shape": ShapeRule,
    "forecaster": ForecasterRule,
    "departure": DepartureRule,
    "seasonal": SeasonalRule,
    "bands": BandsRule,
    "resonance": ResonanceRule,
    "coupled": CoupledRule,
    "voting": VotingRule,
    "corridor": CorridorRule,
    "fatigue": FatigueRule,
}
TRAINED_ALONE = ("corridor",)  # of which nothing is known without flights


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
        """Of all phases, from phase 0 on; none where the mission has none."""
        return ("other", *self.labels) if self.labels else ()


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What a trained model must show before it may speak, and what it may cost while it does.

    A false alarm in flight is one that ends, or lasts for `confirm_s`, without its parameter being
    beyond a limit of warning or above meanwhile.
    """

    false_alarms_per_parameter_day: float = 0.05
    found: float = 0.8  # of the labelled faults of its parameters
    confirm_s: float = 600.0


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
    residual: tuple[ResidualRule, ...] = (ResidualRule(),)
    time_to_limit: tuple[TimeToLimitRule, ...] = (TimeToLimitRule(),)
    flat: tuple[FlatRule, ...] = (FlatRule(),)
    level: tuple[LevelRule, ...] = (LevelRule(),)
    activity: tuple[ActivityRule, ...] = (ActivityRule(),)
    shape: tuple[ShapeRule, ...] = (ShapeRule(),)
    forecaster: tuple[ForecasterRule, ...] = (ForecasterRule(),)
    departure: tuple[DepartureRule, ...] = (DepartureRule(),)
    seasonal: tuple[SeasonalRule, ...] = (SeasonalRule(),)
    bands: tuple[BandsRule, ...] = (BandsRule(),)
    resonance: tuple[ResonanceRule, ...] = (ResonanceRule(),)
    coupled: tuple[CoupledRule, ...] = (CoupledRule(),)
    voting: tuple[VotingRule, ...] = (VotingRule(),)
    corridor: tuple[CorridorRule, ...] = (CorridorRule(),)
    fatigue: tuple[FatigueRule, ...] = (FatigueRule(),)
    gate: GateSettings = GateSettings()
    phases: PhaseSettings = PhaseSettings()
    alarms: dict[str, AlarmRule] = field(default_factory=dict)
    gauges: tuple[str, ...] = ()  # parameters whose statistics become Prometheus gauges
    frame_values: int = 65536  # a frame of samples closes at a tick, or at this many values
    sha256: str = field(default="", metadata=READ)
