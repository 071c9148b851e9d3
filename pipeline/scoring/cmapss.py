"""Remaining life on turbofan engines run to failure: NASA C-MAPSS (Saxena et al. 2008).

A row is a flight. What is left, and what is said of it, is capped at CAP flights, as in the
literature. Score of the PHM 2008 challenge: sum of exp(-d/13) - 1 where d < 0, of exp(d/10) - 1
where not; d = said - true.

Of a training part each engine is told by engines of other folds, at CUTS rows drawn at random. Of a
test part each engine is told at its last row, by the whole training part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import FlightError
from pipeline.models.families import FAMILIES
from pipeline.models.shared.contract import GroupParameter
from pipeline.models.shared.family import Family
from pipeline.scoring.column import grid_of
from schemas.columns import F8, NO_VERDICT, SECOND
from schemas.mission import ParameterType

CAP = 125.0  # flights
FOLDS, CUTS, SEED = 10, 10, 0
SHORTEST = 30  # rows before a cut: the shortest record of the published test parts has 31
SETTINGS = ("setting_1", "setting_2", "setting_3")
SENSORS = tuple(f"sensor_{i}" for i in range(1, 22))
OF_LIVES = next(f for f in FAMILIES if f.to_failure)


@dataclass(frozen=True, slots=True)
class Told:
    """Of each cut: truth, said, low, high and the trivial judge's word, f8[n] in flights. engines:
    how many; cuts: of each."""

    name: str
    engines: int
    cuts: int
    truth: F8
    said: F8
    low: F8
    high: F8
    by_age: F8

    @property
    def inside(self) -> float:
        """Share of truths inside the interval."""
        return float(np.mean((self.low <= self.truth) & (self.truth <= self.high)))

    @property
    def width(self) -> float:
        return float(np.mean(self.high - self.low))

    def rmse(self, said: F8) -> float:
        return float(np.sqrt(np.mean((said - self.truth) ** 2)))

    def score(self, said: F8) -> float:
        """PHM08 score of as many words as there are engines."""
        d = said - self.truth
        each = np.where(d < 0, np.exp(-d / 13) - 1, np.exp(d / 10) - 1)
        return float(each.sum()) / self.cuts


def told(folder: Path) -> Iterator[Told]:
    """Every part in a folder. FlightError where there is none, or one that is not as it should."""
    parts = sorted(folder.glob("train_FD*.txt"))
    if not parts:
        raise FlightError(f"{folder}: holds no train_FDxxx.txt.")
    for path in parts:
        name = path.stem.removeprefix("train_")
        lives = _engines(path)
        yield _by_folds(f"{name}, {FOLDS} folds by engine", lives)
        test, left = folder / f"test_{name}.txt", folder / f"RUL_{name}.txt"
        if test.exists() and left.exists():
            yield _by_test(f"{name}, its test part", lives, _engines(test), _numbers(left, 1), left)


def _numbers(path: Path, columns: int) -> F8:
    try:
        found: F8 = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise FlightError(f"{path}: cannot be read as numbers: {error}.") from None
    if found.shape[1] != columns:
        raise FlightError(f"{path}: has {found.shape[1]} columns, not {columns}.")
    return found


def _engines(path: Path) -> list[F8]:
    """Settings and sensors of each engine, f8[rows, 24]."""
    rows = _numbers(path, 2 + len(SETTINGS) + len(SENSORS))
    return [rows[rows[:, 0] == unit][:, 2:] for unit in np.unique(rows[:, 0])]


def _model() -> Family:
    told: dict[str, Any] = {
        "horizon_s": CAP,
        "foresight_s": CAP,
        "unit": "flights",
        "context": ("setting_*",),
    }
    rule = OF_LIVES.Rule(**told)
    kind = ParameterType("number", "float")
    parameters = [GroupParameter(n, kind, (), ()) for n in (*SETTINGS, *SENSORS)]
    return OF_LIVES(parameters, SECOND, [rule] * len(parameters))


def _said(lives: Sequence[F8], engines: Sequence[F8]) -> Iterator[F8]:
    """(said, low, high) of every row of some engines, f8[rows, 3], by what other lives taught."""
    taught = _model()
    taught.learn_all([grid_of(life) for life in lives])
    known = taught.snapshot()
    for engine in engines:
        model = _model()
        model.restore(known)
        scores = model.feed(grid_of(engine))
        lead = int(np.argmax((scores.enter != NO_VERDICT).any(axis=0)))
        rows = np.full((len(engine), 3), np.nan)
        for i in np.flatnonzero(scores.enter[:, lead] != NO_VERDICT).tolist():
            word = model.evidence(lead, scores.detail[i, :, lead])
            low, high = word["remaining_interval"]
            rows[i] = word["remaining"], low, CAP if high is None else high
        yield rows


def _made(name: str, cuts: int, engines: int, rows: Sequence[tuple[F8, float, float]]) -> Told:
    """rows: (said, low and high; truth; by age) of each cut."""
    said = np.array([r[0] for r in rows])
    truth, by_age = (np.clip(np.array([r[k] for r in rows]), 0, CAP) for k in (1, 2))
    return Told(name, engines, cuts, truth, said[:, 0], said[:, 1], said[:, 2], by_age)


def _by_folds(name: str, lives: Sequence[F8]) -> Told:
    random = np.random.default_rng(SEED)
    order = random.permutation(len(lives))
    at = [random.integers(min(SHORTEST, len(x) - 1), len(x), CUTS) for x in lives]
    rows: list[tuple[F8, float, float]] = []
    for fold in np.array_split(order, FOLDS):
        others = [lives[i] for i in range(len(lives)) if i not in fold]
        usual = float(np.median([len(x) for x in others]))
        for i, said in zip(fold, _said(others, [lives[i] for i in fold]), strict=True):
            rows += [_cut(said, int(k), len(lives[i]) - 1.0 - k, usual) for k in at[i]]
    return _made(name, CUTS, len(lives), rows)


def _by_test(name: str, lives: Sequence[F8], engines: Sequence[F8], left: F8, path: Path) -> Told:
    if len(left) != len(engines):
        raise FlightError(f"{path}: tells of {len(left)} engines, and the test has {len(engines)}.")
    usual = float(np.median([len(x) for x in lives]))
    every = zip(_said(lives, engines), left[:, 0].tolist(), strict=True)
    rows = [_cut(said, len(said) - 1, truth, usual) for said, truth in every]
    return _made(name, 1, len(engines), rows)


def _cut(said: F8, row: int, left: float, usual: float) -> tuple[F8, float, float]:
    """At one row; by age: an engine lives as long as most, and is as old as its rows are many."""
    known = np.flatnonzero(~np.isnan(said[: row + 1, 0]))
    if not len(known):  # it was never in a condition that is known
        return np.array([CAP, 0.0, CAP]), left, usual - row
    return said[known[-1]], left, usual - row
