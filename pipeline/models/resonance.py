"""Resonance: where the centre of a band lies, and whether it moves (`models.shared.record`).

    feature  f = Σ f_k Q_k / Σ Q_k     over the bins from low_hz to high_hz

Q is the mean spectrum (`models.shared.spectrum`); f is the spectral centroid of the band. A
structure that loses stiffness rings lower: f is proportional to √(k/m). There is no verdict while
the band holds less than SHARE of the total power, since the centre of mere noise means nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.kernel import kernel
from pipeline.models.shared.contract import GroupParameter
from pipeline.models.shared.record import HUGE, Feature, RecordModel
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
from pipeline.models.shared.window import mean_of, take
from schemas.columns import F8, U1, Grid

SHARE = 0.2


@dataclass(frozen=True, slots=True)
class ResonanceRule(RecordRule):
    """Settings of the resonance that lies in a band, for the parameters that match."""

    low_hz: float = setting(0.0, 0, MAX_HZ, "Hz")
    high_hz: float = setting(
        0.0, 0, MAX_HZ, "Hz", need="where the band ends that the resonance is in"
    )

    def mistake(self) -> tuple[str, str] | None:
        if self.enabled and not self.low_hz < self.high_hz:
            return "low_hz", f"low_hz = {self.low_hz} is not below high_hz = {self.high_hz}."
        return None


class Resonance(RecordModel):
    """ValueError where a rule's band holds fewer than two bins of the spectrum."""

    name, version = "resonance", 2
    Rule = ResonanceRule
    sees = "a resonance that moves"
    example: ClassVar = {"low_hz": 0.1, "high_hz": 0.4}
    features = (Feature("middle of the band, Hz", below=True),)

    def __init__(
        self, parameters: list[GroupParameter], period_ns: int, rules: list[ResonanceRule]
    ) -> None:
        super().__init__(parameters, period_ns, list(rules))
        f, self._hz = len(parameters), frequencies(period_ns)
        self._inside = np.array(
            [(self._hz >= r.low_hz) & (self._hz <= r.high_hz) for r in rules]
        ).astype(np.uint8)
        if (self._inside.sum(1) < 2).any():
            raise ValueError(
                f"low_hz to high_hz must hold two bins or more; they are {self._hz[0]:g} Hz apart, "
                f"up to {self._hz[-1]:g} Hz"
            )
        self._segments = empty_segments(f)
        self.state |= self._segments._asdict()
        self._tables = tables()

    def extract(self, grid: Grid, features: F8, predicted: F8) -> None:  # noqa: ARG002
        centres(
            grid.value, grid.quality, self._hz, self._inside, self._segments, self._tables,
            features,
        )  # fmt: skip


@kernel
def centres(
    value: F8,
    quality: U1,
    hz: F8,
    inside: U1,
    s: Segments,
    table: Tables,
    features: F8,
) -> None:
    for i in range(len(value)):
        for j in range(value.shape[1]):
            features[i, 0, j] = np.nan
            x = value[i, j]
            if not (take(x, quality[i, j], j, s.ring, s.held) and whole(s.held[j])):
                continue
            segment(s.ring[j], s.held[j], mean_of(s.ring[j]), table, s.smooth[j])
            every, here, moment = 0.0, 0.0, 0.0
            for k in range(BINS):
                every += s.smooth[j, k]
                if inside[j, k] != 0:
                    here += s.smooth[j, k]
                    moment += s.smooth[j, k] * hz[k]
            if (here > SHARE * every) & (here < HUGE):
                features[i, 0, j] = moment / here
