"""Moments by the incremental deviation (Welford 1962), merged by Chan, Golub and LeVeque (1979).

Both stay accurate at an offset of 1e9; sums of squares do not.
"""

from __future__ import annotations

import numpy as np

from pipeline.kernel import part
from pipeline.statistics.panes import Panes, Work
from schemas.columns import F8, ROW, U1

_COUNT, _MEAN, _STD, _MIN = ROW["count"], ROW["mean"], ROW["std"], ROW["min"]
_MAX, _RMS, _RATE = ROW["max"], ROW["rms"], ROW["rate"]


@part
def add_row(x: F8, q: U1, seconds: float, c: int, panes: Panes) -> int:
    """Take a row into the open pane; returns the quality bits that occur in it."""
    count, mean, m2 = panes.count[c], panes.mean[c], panes.m2[c]
    low, high = panes.low[c], panes.high[c]
    first, first_at = panes.first[c], panes.first_at[c]
    last, last_at = panes.last[c], panes.last_at[c]
    flagged = np.uint8(0)
    for j in range(len(x)):
        good = abs(x[j]) < np.inf
        fresh = good and count[j] == 0.0
        n = count[j] + (1.0 if good else 0.0)
        deviation = x[j] - mean[j] if good else 0.0
        middle = mean[j] + deviation / max(n, 1.0)
        m2[j] += deviation * (x[j] - middle) if good else 0.0
        count[j] = n
        mean[j] = middle
        low[j] = x[j] if good and x[j] < low[j] else low[j]
        high[j] = x[j] if good and x[j] > high[j] else high[j]
        first[j] = x[j] if fresh else first[j]
        first_at[j] = seconds if fresh else first_at[j]
        last[j] = x[j] if good else last[j]
        last_at[j] = seconds if good else last_at[j]
    for j in range(len(q)):
        flagged |= q[j]
    return flagged


@part
def merge(current: int, pane_s: float, panes: Panes, w: Work) -> None:
    """Figures of the window whose newest pane is `current` into the scratch, oldest pane first."""
    p = len(panes.rows)
    w.count[:], w.mean[:], w.squares[:] = 0.0, 0.0, 0.0
    w.low[:], w.high[:] = np.inf, -np.inf
    for i in range(p):
        k = (current + 1 + i) % p
        if panes.rows[k]:
            _add_pane(k, (i - p + 1) * pane_s, panes, w)
    for j in range(len(w.mean)):
        w.mean[j] = w.mean[j] / w.count[j] if w.count[j] > 0.0 else np.nan
    for i in range(p):
        k = (current + 1 + i) % p
        if panes.rows[k]:
            count, mean, m2 = panes.count[k], panes.mean[k], panes.m2[k]
            for j in range(len(w.mean)):
                off = mean[j] - w.mean[j] if count[j] > 0.0 else 0.0
                w.squares[j] += m2[j] + count[j] * off * off


@part
def _add_pane(k: int, at: int, panes: Panes, w: Work) -> None:
    count, mean, low, high = panes.count[k], panes.mean[k], panes.low[k], panes.high[k]
    first, first_at = panes.first[k], panes.first_at[k]
    last, last_at = panes.last[k], panes.last_at[k]
    for j in range(len(count)):
        some = count[j] > 0.0
        fresh = some and w.count[j] == 0.0
        w.first[j] = first[j] if fresh else w.first[j]
        w.first_at[j] = at + first_at[j] if fresh else w.first_at[j]
        w.last[j] = last[j] if some else w.last[j]
        w.last_at[j] = at + last_at[j] if some else w.last_at[j]
        w.count[j] += count[j]
    for j in range(len(count)):
        w.mean[j] += count[j] * mean[j]
        w.low[j] = min(w.low[j], low[j])
        w.high[j] = max(w.high[j], high[j])


@part
def write_figures(w: Work, out: F8) -> None:
    """Write each figure to its row of `out`, in the order of FIGURES; NaN if it is undefined."""
    for j in range(len(w.count)):
        n, mean = w.count[j], w.mean[j]
        lasted = w.last_at[j] - w.first_at[j]
        some = n > 0.0
        out[_COUNT, j], out[_MEAN, j] = n, mean
        out[_STD, j] = np.sqrt(w.squares[j] / (n - 1.0)) if n > 1.0 else np.nan
        out[_MIN, j] = w.low[j] if some else np.nan
        out[_MAX, j] = w.high[j] if some else np.nan
        out[_RMS, j] = np.sqrt(mean * mean + w.squares[j] / n) if some else np.nan
        moved = (w.last[j] - w.first[j]) / lasted
        out[_RATE, j] = moved if some and lasted > 0.0 else np.nan
