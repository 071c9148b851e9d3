"""Record limits: a feature is odd where it goes beyond all that it has done before.

    limit    U + m,  and L - m where too little is odd as well
    margin   m = margin · (U - L) · (1 + CAUTION / rows), and never finer than the feature is
    learning L ← min(L, x), U ← max(U, x)   of rows that are not in alarm, PATIENCE rows later

L and U are the smallest and largest value of the last `history` rows (two blocks of half of it),
`rows` how many they rest on: a short past earns a wide margin. The theory of records says why this
works without a distribution: the n-th value of an exchangeable series is its record with
probability 1/n (Rényi 1962), whatever it is drawn from.

A fault that creeps would teach the limits as it comes. So rows wait: every PATIENCE rows those of
the turn before are learnt, and when an alarm is raised what waits is dropped.

What lets go of a past that no longer fits:
- a gap (AFTER_GAP): for SETTLE rows nothing is an alarm, and where half of them would have been,
  the past is forgotten; in any case it is, DROP rows later, for what came since;
- an alarm that lasts `let_go` rows is the new normal, and the limits begin anew;
- when an alarm has ended for CALM rows, the limits take over the part TAKEN of its excess: what
  happens again and again is said less and less often.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.kernel import kernel, part
from pipeline.models.contract import GroupParameter, cut, empty_scores, weights_sha256
from pipeline.models.extent import empty_extents
from schemas.columns import F8, I8, NO_WORD, U1, Grid, Quality, Scores
from schemas.mission import Level
from schemas.settings import RecordRule
from schemas.state import Stateful

CAUTION = 2000.0  # so many rows earn twice the margin
LEAST = 300  # rows before anything is said
SETTLE = 100
DROP = 1000
CALM = 100
TAKEN = 0.5
PATIENCE = 12
TENTH = 0.1  # a logarithm is no finer: a tenth more or less
HUGE = 1e150  # beyond any quantity of physics: squares of it are no numbers
UNHEARD = np.uint8(Quality.INVALID | Quality.OUT_OF_RANGE | Quality.HELD | Quality.STALE)
GAP_BIT = np.uint8(Quality.AFTER_GAP)
_WATCH = np.uint8(Level.WATCH)
_NO_WORD = np.uint8(NO_WORD)
# of Scores.detail
_WHICH, _VALUE, _LOW, _HIGH, _ROWS, _DETAILS = range(6)
# of the counters
_FILLED, _SEEN, _ALARM, _CALM, _ODD, _COUNTERS = range(6)
# of the bounds
_PAST_LOW, _PAST_HIGH, _OWN_LOW, _OWN_HIGH, _WORST_LOW, _WORST_HIGH = range(6)
_NEXT_LOW, _NEXT_HIGH, _NEW_LOW, _NEW_HIGH, _BOUNDS = range(6, 11)


class Feature(NamedTuple):
    """What is judged by its records, and how fine it is: no margin is below least + share · S.

    S is the extent of the parameter (`pipeline.models.extent`). known: up to known · S it is never
    odd. below: whether too little is odd as well.
    """

    name: str
    below: bool = False
    least: float = 0.0
    share: float = 0.0
    known: float = 0.0


class Fineness(NamedTuple):
    """f8[g] each, of g features (`Feature`)."""

    least: F8
    share: F8
    known: F8


class RecordModel(Stateful):
    """A family that gives features of each row, and is judged by their records. WATCH at most."""

    family: str
    version: int
    features: ClassVar[tuple[Feature, ...]]

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[RecordRule]
    ) -> None:
        del period_ns  # it counts rows
        f, g = len(parameters), len(self.features)
        self._margin = np.array([r.margin for r in rules])
        self._half = np.array([max(r.history // 2, 1) for r in rules], np.int64)
        self._let_go = np.array([r.let_go for r in rules], np.int64)
        self._below = np.array([x.below for x in self.features], np.uint8)
        columns = [np.array([getattr(x, k) for x in self.features]) for k in Fineness._fields]
        self._fineness = Fineness(*columns)
        self.min_samples = np.ones(f, np.int64)
        self.min_ns = np.zeros(f, np.int64)
        self.leave_samples = np.full(f, CALM, np.int64)
        self.weights_sha256 = [weights_sha256(self.family, self.version, r) for r in rules]
        bounds = np.empty((_BOUNDS, g, f))
        bounds[::2], bounds[1::2] = np.inf, -np.inf
        self.state = {
            "bounds": bounds, "counters": np.zeros((_COUNTERS, g, f), np.int64),
            "since_gap": np.full(f, DROP, np.int64),
        }  # fmt: skip
        self._scores, self._features = empty_scores(0, f, _DETAILS), np.empty((0, g, f))
        self._extent = np.zeros((0, f))  # of each row, where a feature's fineness is a part of it

    @abstractmethod
    def extract(self, grid: Grid, features: F8, predicted: F8) -> None:
        """Fill features [k, g, f] of the rows up to and with each; NaN: none. Learns as it goes."""

    def feed(self, grid: Grid) -> Scores:
        """Scores of each row; views on buffers that the next feed overwrites."""
        n, f = grid.value.shape
        if n > len(self._features):
            self._scores = empty_scores(n, f, _DETAILS)
            self._features = np.empty((n, len(self.features), f))
            self._extent = np.zeros((n, f))
        o, s = self._scores, self.state
        o.predicted[:n] = np.nan
        self.extract(grid, self._features[:n], o.predicted[:n])
        judge(
            self._features[:n], self._extent[:n], grid.quality, self._below, self._fineness,
            self._margin, self._half, self._let_go, s["bounds"], s["counters"], s["since_gap"],
            o.enter, o.score, o.detail,
        )  # fmt: skip
        return cut(o, n)

    def threshold(self, parameter: int) -> float:  # noqa: ARG002
        return 1.0

    def evidence(self, parameter: int, detail: np.ndarray[Any, Any]) -> dict[str, Any]:  # noqa: ARG002
        which, value, low, high, rows = detail.tolist()
        return {
            "feature": self.features[int(which)].name, "feature_value": value,
            "record": [low, high], "record_rows": int(rows),
        }  # fmt: skip


class ExtentModel(RecordModel):
    """A family that measures in extents of the parameter."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._extents = empty_extents(len(self.min_ns))
        self.state |= {f"extent.{k}": v for k, v in self._extents._asdict().items()}


@part
def heard(x: float, quality: int) -> bool:
    """Whether a sample is one to learn from."""
    good: bool = (abs(x) < HUGE) & ((quality & UNHEARD) == 0)
    return good


@kernel
def judge(
    features: F8,
    extent: F8,
    quality: U1,
    below: U1,
    fineness: Fineness,
    margin: F8,
    half: I8,
    let_go: I8,
    bounds: F8,
    counters: I8,
    since_gap: I8,
    enter: U1,
    score: F8,
    detail: F8,
) -> None:
    """Sequential in rows: what is said of a row does not know the row's own value."""
    for i in range(len(features)):
        for j in range(len(margin)):
            enter[i, j], score[i, j] = _NO_WORD, np.nan
            for d in range(_DETAILS):
                detail[i, d, j] = np.nan
            if (quality[i, j] & GAP_BIT) != 0:
                since_gap[j] = 0
                for g in range(len(below)):
                    _close(g, j, bounds, counters)
            since_gap[j] += 1
        for g in range(len(below)):
            for j in range(len(margin)):
                _feature(
                    features[i, g, j], extent[i, j], i, g, j, below[g], fineness, margin[j],
                    half[j], let_go[j], since_gap[j], bounds, counters, enter, score, detail,
                )  # fmt: skip


@part
def _close(g: int, j: int, bounds: F8, counters: I8) -> None:
    """A gap: what was before it is the past."""
    bounds[_PAST_LOW, g, j] = min(bounds[_PAST_LOW, g, j], bounds[_OWN_LOW, g, j])
    bounds[_PAST_HIGH, g, j] = max(bounds[_PAST_HIGH, g, j], bounds[_OWN_HIGH, g, j])
    bounds[_OWN_LOW, g, j], bounds[_OWN_HIGH, g, j] = np.inf, -np.inf
    counters[_FILLED, g, j], counters[_ODD, g, j] = 0, 0


@part
def _drop_waiting(g: int, j: int, bounds: F8) -> None:
    bounds[_NEXT_LOW, g, j], bounds[_NEXT_HIGH, g, j] = np.inf, -np.inf
    bounds[_NEW_LOW, g, j], bounds[_NEW_HIGH, g, j] = np.inf, -np.inf


@part
def _wait(x: float, turn: bool, g: int, j: int, bounds: F8) -> None:
    """A row joins those that wait; at each turn those of the turn before are learnt."""
    bounds[_NEW_LOW, g, j] = min(bounds[_NEW_LOW, g, j], x)
    bounds[_NEW_HIGH, g, j] = max(bounds[_NEW_HIGH, g, j], x)
    if turn:
        bounds[_OWN_LOW, g, j] = min(bounds[_OWN_LOW, g, j], bounds[_NEXT_LOW, g, j])
        bounds[_OWN_HIGH, g, j] = max(bounds[_OWN_HIGH, g, j], bounds[_NEXT_HIGH, g, j])
        bounds[_NEXT_LOW, g, j] = bounds[_NEW_LOW, g, j]
        bounds[_NEXT_HIGH, g, j] = bounds[_NEW_HIGH, g, j]
        bounds[_NEW_LOW, g, j], bounds[_NEW_HIGH, g, j] = np.inf, -np.inf


@part
def _forget(g: int, j: int, bounds: F8, counters: I8) -> None:
    for b in range(0, _BOUNDS, 2):
        bounds[b, g, j], bounds[b + 1, g, j] = np.inf, -np.inf
    for c in range(_COUNTERS):
        counters[c, g, j] = 0


@part
def _feature(
    x: float,
    extent: float,
    i: int,
    g: int,
    j: int,
    below: int,
    fineness: Fineness,
    margin: float,
    half: int,
    let_go: int,
    since: int,
    bounds: F8,
    counters: I8,
    enter: U1,
    score: F8,
    detail: F8,
) -> None:
    """Judge one feature of one row, then learn from it."""
    if since == DROP and counters[_FILLED, g, j] >= DROP // 2:
        bounds[_PAST_LOW, g, j], bounds[_PAST_HIGH, g, j] = np.inf, -np.inf
        counters[_SEEN, g, j] = counters[_FILLED, g, j]
    if x != x:
        return
    low = min(bounds[_PAST_LOW, g, j], bounds[_OWN_LOW, g, j])
    high = max(bounds[_PAST_HIGH, g, j], bounds[_OWN_HIGH, g, j])
    seen = counters[_SEEN, g, j]
    alarm = False
    if seen >= LEAST:
        finest = max(fineness.least[g] + fineness.share[g] * extent, 1e-300)
        m = max(margin * (high - low) * (1.0 + CAUTION / seen), finest)
        excess = max(x - high, low - x if below != 0 else -np.inf) / m
        if fineness.known[g] > 0.0:
            excess = min(excess, x / (fineness.known[g] * extent))
        alarm = excess > 1.0
        if not score[i, j] >= excess:
            score[i, j], detail[i, _WHICH, j], detail[i, _VALUE, j] = excess, g, x
            detail[i, _LOW, j], detail[i, _HIGH, j] = low, high
            detail[i, _ROWS, j] = seen
        if alarm and since <= SETTLE:
            alarm = False
            counters[_ODD, g, j] += 1
            if counters[_ODD, g, j] == SETTLE // 2:
                _forget(g, j, bounds, counters)
        word = _WATCH if alarm else np.uint8(0)
        enter[i, j] = word if enter[i, j] == _NO_WORD else max(enter[i, j], word)
    if alarm:
        counters[_ALARM, g, j] += 1
        counters[_CALM, g, j] = 0
        bounds[_WORST_LOW, g, j] = min(bounds[_WORST_LOW, g, j], x)
        bounds[_WORST_HIGH, g, j] = max(bounds[_WORST_HIGH, g, j], x)
        _drop_waiting(g, j, bounds)
        if counters[_ALARM, g, j] > let_go:
            _forget(g, j, bounds, counters)
        return
    if counters[_ALARM, g, j] > 0:
        counters[_CALM, g, j] += 1
        if counters[_CALM, g, j] >= CALM:
            _take(low, high, g, j, bounds, counters)
    counters[_SEEN, g, j] += 1
    counters[_FILLED, g, j] += 1
    _wait(x, counters[_SEEN, g, j] % PATIENCE == 0, g, j, bounds)
    if counters[_FILLED, g, j] >= half and since >= DROP:
        bounds[_PAST_LOW, g, j] = bounds[_OWN_LOW, g, j]
        bounds[_PAST_HIGH, g, j] = bounds[_OWN_HIGH, g, j]
        bounds[_OWN_LOW, g, j], bounds[_OWN_HIGH, g, j] = np.inf, -np.inf
        counters[_FILLED, g, j] = 0


@part
def _take(low: float, high: float, g: int, j: int, bounds: F8, counters: I8) -> None:
    """An alarm is over: a part of what it went beyond is known from now on."""
    worst_low, worst_high = bounds[_WORST_LOW, g, j], bounds[_WORST_HIGH, g, j]
    if worst_high > high:
        taken = high + TAKEN * (worst_high - high)
        bounds[_OWN_HIGH, g, j] = max(bounds[_OWN_HIGH, g, j], taken)
    if worst_low < low:
        taken = low - TAKEN * (low - worst_low)
        bounds[_OWN_LOW, g, j] = min(bounds[_OWN_LOW, g, j], taken)
    bounds[_WORST_LOW, g, j], bounds[_WORST_HIGH, g, j] = np.inf, -np.inf
    counters[_ALARM, g, j] = 0
