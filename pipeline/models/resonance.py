"""Resonance: where the middle of a band lies, and that it moves (`models.shared.record`).

    feature  f = Σ f_k Q_k / Σ Q_k     over the bins from low_hz to high_hz

Q is the mean spectrum (`models.shared.spectrum`); f is the spectral centroid of the band. A
structure that loses stiffness rings lower: f goes with √(k/m). Nothing is said while the band holds
less than SHARE of all that moves, for the middle of mere noise is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.kernel import kernel
from pipeline.models.shared.contract import GroupParameter
from pipeline.models.shared.record import HUGE, Feature, RecordModel
from pipeline.models.shared.rules import MAX_HZ, RecordRule, setting
from pipeline.models.shared.spectrum import BINS, Tables, frequencies, segment, tables, whole
from pipeline.models.shared.window import ROWS, mean_of, take
from schemas.columns import F8, I8, U1, Grid

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
    """ValueError where a rule's band holds no bin of the spectrum."""

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
        self.state |= {
            "ring": np.zeros((f, ROWS)), "held": np.zeros(f, np.int64),
            "smooth": np.zeros((f, BINS)),
        }  # fmt: skip
        self._tables = tables()

    def extract(self, grid: Grid, features: F8, predicted: F8) -> None:  # noqa: ARG002
        s = self.state
        centres(
            grid.value, grid.quality, self._hz, self._inside, s["ring"], s["held"], s["smooth"],
            self._tables, features,
        )  # fmt: skip


@kernel
def centres(
    value: F8,
    quality: U1,
    hz: F8,
    inside: U1,
    ring: F8,
    held: I8,
    smooth: F8,
    table: Tables,
    features: F8,
) -> None:
    for i in range(len(value)):
        for j in range(value.shape[1]):
            features[i, 0, j] = np.nan
            x = value[i, j]
            if not (take(x, quality[i, j], j, ring, held) and whole(held[j])):
                continue
            segment(ring[j], held[j], mean_of(ring[j]), table, smooth[j])
            every, here, moment = 0.0, 0.0, 0.0
            for k in range(BINS):
                every += smooth[j, k]
                if inside[j, k] != 0:
                    here += smooth[j, k]
                    moment += smooth[j, k] * hz[k]
            if (here > SHARE * every) & (here < HUGE):
                features[i, 0, j] = moment / here
