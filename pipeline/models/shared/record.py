"""Record limits: a feature is odd where it goes beyond all that it has done before.

    limit    U + m,  and L - m where low values are odd as well
    margin   m = margin · (U - L) · (1 + CAUTION / rows), and never below the feature's fineness
    learning L ← min(L, x), U ← max(U, x)   of rows that are not in alarm, PATIENCE rows later

L and U are the smallest and largest value of the last `history` rows (two blocks of half of it),
`rows` is the number of rows behind them: a short past gets a wide margin. The theory of records
says why this works without a distribution: the n-th value of an exchangeable series is its record
with probability 1/n (Rényi 1962), whatever it is drawn from.

A slowly growing fault would widen the limits as it comes. So rows wait before they are learnt:
every PATIENCE rows those of the turn before are learnt, and an alarm drops the rows that wait.

A past that no longer fits is given up in three cases:
- after a gap (AFTER_GAP) nothing is an alarm for SETTLE rows. If half of them would have been one,
  the past is forgotten. In any case, DROP rows later the rows since the gap replace the past;
- an alarm that lasts `let_go` rows becomes the new normal, and the limits start again;
- when an alarm has been over for CALM rows, the limits widen by the part TAKEN of its excess, so
  that what happens again and again is reported less and less often.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipeline.kernel import kernel, macro, part
from pipeline.models.shared.contract import GroupParameter, cut, empty_scores, weights_sha256
from pipeline.models.shared.extent import empty_extents
from pipeline.models.shared.family import FEATURE_SCHEMA, PAIR, Family
from pipeline.models.shared.rules import RecordRule, Rule
from schemas.columns import F8, NO_VERDICT, U1, Grid, Quality, Scores
from schemas.mission import Level
from schemas.words import figure

CAUTION = 2000.0  # after so many rows the margin is doubled
LEAST = 300  # rows before the first verdict
SETTLE = 100
DROP = 1000
CALM = 100
TAKEN = 0.5
PATIENCE = 12
MOST_ROWS = 2.0**53  # weights may claim more
TENTH = 0.1  # fineness of a logarithm: ten per cent more or less
HUGE = 1e150  # beyond any quantity of physics: squares of more may overflow
TEACHES_NOTHING = np.uint8(Quality.INVALID | Quality.OUT_OF_RANGE | Quality.HELD | Quality.STALE)
GAP_BIT = np.uint8(Quality.AFTER_GAP)
_WATCH = np.uint8(Level.WATCH)
# of Scores.detail
_WHICH, _VALUE, _LOW, _HIGH, _ROWS, _DETAILS = range(6)


class Feature(NamedTuple):
    """A feature judged by its record, and its fineness: no margin is below least + share · S.

    S is the extent of the parameter (`models.shared.extent`). known: a feature up to known · S is
    never odd. below: whether low values are odd as well.
    """

    name: str
    below: bool = False
    least: float = 0.0
    share: float = 0.0
    known: float = 0.0


class Fineness(NamedTuple):
    """f8[g] each, below u1[g], of g features (`Feature`)."""

    below: U1
    least: F8
    share: F8
    known: F8


class Weights(NamedTuple):
    """f8[f] each: margin; half of the history and `let_go`, in rows."""

    margin: F8
    half: F8
    let_go: F8


class Past(NamedTuple):
    """f8[g, f] each, of g features; calm and odd are u1 (CALM and SETTLE at most). Separate arrays,
    so that a loop over parameters is vectorised.

    low, high: of the block being filled, past_ of the one before it; next_ and new_ of rows that
    wait, worst_ of the active alarm. filled: rows in this block; seen: rows behind the record;
    waited: rows since the last turn; alarm: rows in alarm; calm: rows since it; odd: alarms within
    SETTLE rows of a gap.
    """

    past_low: F8
    past_high: F8
    low: F8
    high: F8
    worst_low: F8
    worst_high: F8
    next_low: F8
    next_high: F8
    new_low: F8
    new_high: F8
    filled: F8
    seen: F8
    waited: F8
    alarm: F8
    calm: U1
    odd: U1


def _empty_past(g: int, f: int) -> Past:
    begin = {"low": np.inf, "high": -np.inf}
    small = {"calm": np.uint8, "odd": np.uint8}
    return Past(
        *(np.full((g, f), begin.get(k.rsplit("_")[-1], 0.0), small.get(k)) for k in Past._fields)
    )


class RecordModel(Family):
    """A family that extracts features of each row and judges them by record. WATCH at most."""

    Rule: ClassVar[type[Rule]] = RecordRule
    theta = "margin"
    phased = True
    evidence_schema: ClassVar[dict[str, Any]] = {
        **FEATURE_SCHEMA,
        "record": PAIR | {"description": "smallest and largest before"},
        "record_rows": {"type": "integer", "description": "rows that the record rests on"},
    }
    features: ClassVar[tuple[Feature, ...]]

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[RecordRule]
    ) -> None:
        del period_ns  # it counts rows
        f, g = len(parameters), len(self.features)
        self._weights = Weights(
            margin=np.array([r.margin for r in rules]),
            half=np.array([max(r.history // 2, 1) for r in rules], np.float64),
            let_go=np.array([r.let_go for r in rules], np.float64),
        )
        below = np.array([x.below for x in self.features], np.uint8)
        fine = [np.array([getattr(x, k) for x in self.features]) for k in Fineness._fields[1:]]
        self._fineness = Fineness(below, *fine)
        self.min_samples = np.ones(f, np.int64)
        self.min_ns = np.zeros(f, np.int64)
        self.leave_samples = np.full(f, CALM, np.int64)
        self.weights_sha256 = [weights_sha256(self.name, self.version, r) for r in rules]
        self._past = _empty_past(g, f)
        self.state = {f"record.{k}": v for k, v in self._past._asdict().items()}
        self.state |= {"since_gap": np.full(f, float(DROP))}
        self._busy = np.empty(f, np.uint8)
        self._scores, self._features = empty_scores(0, f, _DETAILS), np.empty((0, g, f))
        self._extent = np.zeros((0, f))  # per row, for features whose fineness depends on it

    @abstractmethod
    def extract(self, grid: Grid, features: F8, predicted: F8) -> None:
        """Fill features [k, g, f], of the rows up to and including each; NaN: none. Also learns."""

    def feed(self, grid: Grid) -> Scores:
        """Scores of each row; views on buffers that the next feed overwrites."""
        n, f = grid.value.shape
        if n > len(self._features):
            self._scores = empty_scores(n, f, _DETAILS)
            self._features = np.empty((n, len(self.features), f))
            self._extent = np.zeros((n, f))
        o = self._scores
        o.predicted[:n] = np.nan
        self.extract(grid, self._features[:n], o.predicted[:n])
        judge(
            self._features[:n], self._extent[:n], grid.quality, self._fineness, self._weights,
            self._past, self.state["since_gap"], self._busy, o,
        )  # fmt: skip
        return cut(o, n)

    def evidence(self, parameter: int, detail: np.ndarray[Any, Any]) -> dict[str, Any]:  # noqa: ARG002
        which, value, low, high, rows = detail.tolist()
        return {
            "feature": self.features[int(which)].name,
            "feature_value": value,
            "record": [low, high],
            "record_rows": int(min(rows, MOST_ROWS)),
        }

    @staticmethod
    def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:
        if "record" not in alert:
            return Family.sentence(alert, seen, unit)
        low, high = map(figure, alert["record"])
        what = f"its {alert['feature']} is {figure(alert['feature_value'])}"
        return f"{seen}: {what}, beyond the {low} to {high} of {alert['record_rows']} rows before"


class ExtentModel(RecordModel):
    """A family that measures in extents of the parameter."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._extents = empty_extents(len(self.min_ns))
        self.state |= {f"extent.{k}": v for k, v in self._extents._asdict().items()}


@part
def heard(x: float, quality: int) -> bool:
    """Whether a sample is one to learn from."""
    good: bool = (abs(x) < HUGE) & ((quality & TEACHES_NOTHING) == 0)
    return good


@kernel
def judge(
    features: F8,
    extent: F8,
    quality: U1,
    fineness: Fineness,
    w: Weights,
    past: Past,
    since_gap: F8,
    busy: U1,
    out: Scores,
) -> None:
    """Sequential in rows: the limits that judge a row do not include the row itself.

    Most rows are calm and change little: they are handled for all parameters at once, and the rest
    one by one. Detail is written at least for rows with an alarm level. busy u1[f]: scratch.
    """
    for i in range(len(features)):
        gap = np.uint8(0)
        for j in range(len(since_gap)):
            gap |= quality[i, j] & GAP_BIT
            out.enter[i, j], out.score[i, j] = NO_VERDICT, np.nan
        if gap != 0:
            for j in range(len(since_gap)):
                if (quality[i, j] & GAP_BIT) != 0:
                    since_gap[j] = 0.0
                    for g in range(len(fineness.below)):
                        _close(g, j, past)
        drops = np.uint8(0)
        for j in range(len(since_gap)):
            since_gap[j] += 1.0
            drops |= np.uint8(since_gap[j] == DROP)
        for g in range(len(fineness.below)):
            if drops == 0 and not _any(features[i, g]):
                continue  # nothing to judge, as in most rows of a spectrum
            left = _calm(
                features[i, g], extent[i], g, fineness, w, _row(g, past), since_gap, busy,
                out.enter[i], out.score[i],
            )  # fmt: skip
            if left == 0:
                continue
            for j in range(len(since_gap)):
                if busy[j] != 0:
                    _feature(
                        features[i, g, j], extent[i, j], i, g, j, fineness, w, since_gap[j], past,
                        out,
                    )  # fmt: skip


@part
def _row(g: int, p: Past) -> Past:
    """The past of one feature, f8[f] each."""
    return Past(
        p.past_low[g], p.past_high[g], p.low[g], p.high[g], p.worst_low[g], p.worst_high[g],
        p.next_low[g], p.next_high[g], p.new_low[g], p.new_high[g], p.filled[g], p.seen[g],
        p.waited[g], p.alarm[g], p.calm[g], p.odd[g],
    )  # fmt: skip


@part
def _any(x: F8) -> bool:
    here = np.uint8(0)
    for j in range(len(x)):
        here |= np.uint8(x[j] == x[j])
    found: bool = here != 0
    return found


@macro
def _excess(
    x: float,
    low: float,
    high: float,
    seen: float,
    below: int,
    margin: float,
    finest: float,
    known: float,
    extent: float,
) -> float:
    """How far x is beyond the record, in margins, but at most x / (known · extent). Numerator and
    denominator are multiplied by the rows seen, which saves a division."""
    return min(
        max(x - high, (low - x) if below != 0 else -np.inf)
        * seen
        / max(margin * (high - low) * (seen + CAUTION), finest * seen),
        x / max(known * extent, 1e-300) if known > 0.0 else np.inf,
    )


@part
def _calm(
    x: F8,
    extent: F8,
    g: int,
    fineness: Fineness,
    w: Weights,
    past: Past,
    since: F8,
    busy: U1,
    enter: U1,
    score: F8,
) -> np.uint8:
    """Judge and learn the plain cases; marks the others in `busy`, and returns whether any is.

    Conditions are joined by & and |: an `and` is a branch, and loops with branches stay scalar.
    """
    left, below = np.uint8(0), fineness.below[g]
    least, share, known = fineness.least[g], fineness.share[g], fineness.known[g]
    for j in range(len(since)):
        value, seen, filled, waited = x[j], past.seen[j], past.filled[j], past.waited[j]
        new_low, new_high = past.new_low[j], past.new_high[j]
        low, high = min(past.past_low[j], past.low[j]), max(past.past_high[j], past.high[j])
        before, word = score[j], enter[j]
        excess = _excess(
            value, low, high, seen, below, w.margin[j], max(least + share * extent[j], 1e-300),
            known, extent[j],
        )  # fmt: skip
        judged = (seen >= LEAST) & (low <= high)
        turns = (
            (waited >= PATIENCE - 1)
            | (since[j] == DROP)
            | ((filled >= w.half[j] - 1) & (since[j] >= DROP))
        )
        here = value == value
        other = (here & (turns | (past.alarm[j] > 0) | (judged & (excess > 1.0)))) | (
            since[j] == DROP
        )
        plain = here & (not other)
        one = 1.0 if plain else 0.0
        past.new_low[j] = min(new_low, value) if plain else new_low
        past.new_high[j] = max(new_high, value) if plain else new_high
        past.seen[j], past.filled[j], past.waited[j] = seen + one, filled + one, waited + one
        better = plain & judged & (not before >= excess)
        score[j] = excess if better else before
        enter[j] = np.uint8(0) if plain & judged & (word == NO_VERDICT) else word
        busy[j] = np.uint8(other)
        left |= np.uint8(other)
    return left


@part
def _feature(
    x: float,
    extent: float,
    i: int,
    g: int,
    j: int,
    fineness: Fineness,
    w: Weights,
    since: float,
    past: Past,
    out: Scores,
) -> None:
    """Judge one feature of one row, then learn from it."""
    enter, score, detail = out.enter, out.score, out.detail
    if since == DROP and past.filled[g, j] >= DROP // 2:
        past.past_low[g, j], past.past_high[g, j] = np.inf, -np.inf
        past.seen[g, j] = past.filled[g, j]
        past.waited[g, j] = past.seen[g, j] % PATIENCE
    if x != x:
        return
    low = min(past.past_low[g, j], past.low[g, j])
    high = max(past.past_high[g, j], past.high[g, j])
    seen = past.seen[g, j]
    alarm = False
    if seen >= LEAST and low <= high:
        excess = _excess(
            x, low, high, seen, fineness.below[g], w.margin[j],
            max(fineness.least[g] + fineness.share[g] * extent, 1e-300), fineness.known[g], extent,
        )  # fmt: skip
        alarm = excess > 1.0
        if not score[i, j] >= excess:
            score[i, j], detail[i, _WHICH, j], detail[i, _VALUE, j] = excess, g, x
            detail[i, _LOW, j], detail[i, _HIGH, j] = low, high
            detail[i, _ROWS, j] = seen
        if alarm and since <= SETTLE:
            alarm = False
            past.odd[g, j] += 1
            if past.odd[g, j] == SETTLE // 2:
                _forget(g, j, past)
        word = _WATCH if alarm else np.uint8(0)
        enter[i, j] = word if enter[i, j] == NO_VERDICT else max(enter[i, j], word)
    if alarm:
        past.alarm[g, j] += 1.0
        past.calm[g, j] = 0
        past.worst_low[g, j] = min(past.worst_low[g, j], x)
        past.worst_high[g, j] = max(past.worst_high[g, j], x)
        _drop_waiting(g, j, past)
        if past.alarm[g, j] > w.let_go[j]:
            _forget(g, j, past)
        return
    if past.alarm[g, j] > 0:
        past.calm[g, j] += 1
        if past.calm[g, j] >= CALM:
            _take(low, high, g, j, past)
    past.seen[g, j] += 1.0
    past.filled[g, j] += 1.0
    _wait(x, g, j, past)
    learnt = past.low[g, j] <= past.high[g, j]  # a short block may end before any row was learnt
    if past.filled[g, j] >= w.half[j] and since >= DROP and learnt:
        past.past_low[g, j], past.past_high[g, j] = past.low[g, j], past.high[g, j]
        past.low[g, j], past.high[g, j] = np.inf, -np.inf
        past.filled[g, j] = 0.0


@part
def _wait(x: float, g: int, j: int, p: Past) -> None:
    """A row joins those that wait; at each turn those of the turn before are learnt."""
    p.new_low[g, j], p.new_high[g, j] = min(p.new_low[g, j], x), max(p.new_high[g, j], x)
    p.waited[g, j] += 1.0
    if p.waited[g, j] >= PATIENCE:
        p.low[g, j] = min(p.low[g, j], p.next_low[g, j])
        p.high[g, j] = max(p.high[g, j], p.next_high[g, j])
        p.next_low[g, j], p.next_high[g, j] = p.new_low[g, j], p.new_high[g, j]
        p.new_low[g, j], p.new_high[g, j] = np.inf, -np.inf
        p.waited[g, j] = 0.0


@part
def _drop_waiting(g: int, j: int, p: Past) -> None:
    p.next_low[g, j], p.next_high[g, j] = np.inf, -np.inf
    p.new_low[g, j], p.new_high[g, j] = np.inf, -np.inf


@part
def _close(g: int, j: int, p: Past) -> None:
    """At a gap, merge the block being filled into the past."""
    p.past_low[g, j] = min(p.past_low[g, j], p.low[g, j])
    p.past_high[g, j] = max(p.past_high[g, j], p.high[g, j])
    p.low[g, j], p.high[g, j] = np.inf, -np.inf
    p.filled[g, j], p.odd[g, j] = 0.0, 0


@part
def _forget(g: int, j: int, p: Past) -> None:
    """Forget everything, as if no row had ever come."""
    p.past_low[g, j], p.past_high[g, j] = np.inf, -np.inf
    p.low[g, j], p.high[g, j] = np.inf, -np.inf
    p.worst_low[g, j], p.worst_high[g, j] = np.inf, -np.inf
    _drop_waiting(g, j, p)
    p.filled[g, j], p.seen[g, j], p.waited[g, j] = 0.0, 0.0, 0.0
    p.alarm[g, j], p.calm[g, j], p.odd[g, j] = 0.0, 0, 0


@part
def _take(low: float, high: float, g: int, j: int, p: Past) -> None:
    """An alarm is over: widen the limits by a part of its excess."""
    worst_low, worst_high = p.worst_low[g, j], p.worst_high[g, j]
    if worst_high > high:
        p.high[g, j] = max(p.high[g, j], high + TAKEN * (worst_high - high))
    if worst_low < low:
        p.low[g, j] = min(p.low[g, j], low - TAKEN * (low - worst_low))
    p.worst_low[g, j], p.worst_high[g, j] = np.inf, -np.inf
    p.alarm[g, j] = 0.0
