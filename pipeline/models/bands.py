"""Bands: how strongly a parameter vibrates, and how (`models.shared.record`).

    features ½ log(P_b + (FLOOR · S)²)   of each of up to four bands, too little is odd as well
             kurtosis  m4 / m2² - 3
             crest factor  max |x - x̄| / √m2

P_b is the variance in a band, by the mean spectrum (`models.shared.spectrum`), every HOP rows; m2
and m4 are moments of the last ROWS rows, x̄ their mean, S the parameter's extent
(`models.shared.extent`). A bearing that begins to fail shows impacts before it shows more power:
kurtosis and crest factor rise first (Dyer and Stewart 1978).

It covers frequencies up to half the rate of its grid. Faster vibration is aliased into them unless
it was filtered out before: `resample` such a parameter at its own sampling rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from pipeline.kernel import kernel
from pipeline.models.shared.contract import GroupParameter
from pipeline.models.shared.extent import Extents, stretch
from pipeline.models.shared.record import TENTH, ExtentModel, Feature
from pipeline.models.shared.rules import MAX_HZ, RecordRule, setting
from pipeline.models.shared.spectrum import (
    BINS,
    Segments,
    Tables,
    empty_segments,
    frequencies,
    segment,
    tables,
    whole,
)
from pipeline.models.shared.window import ROWS, mean_of, take
from schemas.columns import F8, I8, U1, Grid

BANDS = 4
FLOOR = 5e-4  # of the extent
_KURTOSIS, _CREST = BANDS, BANDS + 1


@dataclass(frozen=True, slots=True)
class BandsRule(RecordRule):
    """Settings of the spectral bands for the parameters that match: from each edge to the next."""

    edges_hz: tuple[float, ...] = setting((), unit="Hz")  # octaves below half the rate if none
    names: tuple[str, ...] = ()

    def mistake(self) -> tuple[str, str] | None:
        edges, names = self.edges_hz, self.names
        good = all(isinstance(e, int | float) and 0 <= e <= MAX_HZ for e in edges)
        rises = good and list(edges) == sorted(set(edges))
        if not rises or len(edges) > BANDS + 1 or len(edges) == 1:
            what = f"edges_hz must rise, {BANDS + 1} numbers at most, or none for octaves."
            return "edges_hz", what
        texts = all(isinstance(n, str) for n in names)
        if names and not (len(names) == len(edges) - 1 and texts):
            return "names", "names must be texts, one a band of edges_hz."
        return None


class Bands(ExtentModel):
    name, version = "bands", 3
    Rule = BandsRule
    sees = "how strongly it vibrates in each band, and impacts"
    features = (
        *(Feature("band", below=True, least=TENTH) for _ in range(BANDS)),
        Feature("kurtosis"),
        Feature("crest factor"),
    )

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[BandsRule]
    ) -> None:
        super().__init__(parameters, period_ns, list(rules))
        f, hz = len(parameters), frequencies(period_ns)
        edges = [r.edges_hz or _octaves(period_ns) for r in rules]
        self._names = [_names(e, r.names) for e, r in zip(edges, rules, strict=True)]
        # of each bin: its band; -1: none
        self._band = np.array([np.searchsorted(e, hz, "right") - 1 for e in edges], np.int64)
        for row, e in zip(self._band, edges, strict=True):
            row[row >= len(e) - 1] = -1
            if empty := {*range(len(e) - 1)} - {*row.tolist()}:
                k = min(empty)
                raise ValueError(
                    f"no bin of the spectrum is from {e[k]:g} to {e[k + 1]:g} Hz: they are "
                    f"{hz[0]:g} Hz apart, up to {hz[-1]:g} Hz"
                )
        self._segments = empty_segments(f)
        self.state |= self._segments._asdict()
        self._tables = tables()

    def extract(self, grid: Grid, features: F8, predicted: F8) -> None:  # noqa: ARG002
        bands(
            grid.value, grid.quality, self._band, self._segments, self._extents, self._tables,
            features,
        )  # fmt: skip

    def evidence(self, parameter: int, detail: np.ndarray[Any, Any]) -> dict[str, Any]:
        told = super().evidence(parameter, detail)
        which, names = int(detail[0]), self._names[parameter]
        return told | ({"feature": names[which]} if which < len(names) else {})


def _octaves(period_ns: int) -> tuple[float, ...]:
    """Edges of four octaves, up to a little beyond half the rate, to include the bin of that."""
    half = 0.5e9 / period_ns
    return (half / 16, half / 8, half / 4, half / 2, 1.01 * half)


def _names(edges: tuple[float, ...], names: tuple[str, ...]) -> list[str]:
    spans = [f"{a:g} to {b:g} Hz" for a, b in pairwise(edges)]
    called = [f"{n}, {s}" for n, s in zip(names, spans, strict=True)] if names else spans
    return [f"log of the amplitude of {n}" for n in called]


@kernel
def bands(
    value: F8,
    quality: U1,
    band: I8,
    s: Segments,
    extents: Extents,
    table: Tables,
    features: F8,
) -> None:
    for i in range(len(value)):
        for j in range(value.shape[1]):
            for g in range(BANDS + 2):
                features[i, g, j] = np.nan
            x = value[i, j]
            if not take(x, quality[i, j], j, s.ring, s.held):
                continue
            least, most = stretch(x, j, extents)
            if not (whole(s.held[j]) and most > least):
                continue
            floor = (FLOOR * (most - least)) ** 2
            mean = mean_of(s.ring[j])
            segment(s.ring[j], s.held[j], mean, table, s.smooth[j])
            for k in range(BINS):  # the bands rise, so each is one run of bins
                b = band[j, k]
                if b >= 0:
                    before = features[i, b, j]
                    features[i, b, j] = s.smooth[j, k] + (before if before == before else 0.0)
            for b in range(BANDS):
                features[i, b, j] = 0.5 * np.log(features[i, b, j] + floor)
            second, fourth, peak = 0.0, 0.0, 0.0
            for n in range(ROWS):
                square = (s.ring[j, n] - mean) ** 2
                second += square / ROWS
                fourth += square * square / ROWS
                peak = max(peak, square)
            if second > floor:
                features[i, _KURTOSIS, j] = fourth / (second * second) - 3.0
                features[i, _CREST, j] = np.sqrt(peak / second)
