"""Settings of a fresh mission that follow from how often each container of the recording comes.

The defaults (a grid of 1 Hz, stale after 5 s) suit what comes once a second or faster. What comes
every hour would be held for thousands of rows and be stale nearly always; what is sent when it
changes (topics of a ULog) is silent for long, and nothing is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

import numpy as np

from pipeline.formats.spec import Recorded
from schemas.columns import F8, I8
from schemas.settings import MAX_SECONDS, MIN_HZ, MOST_HELD, ResampleRule, TimeSettings

SLOW = 1.5  # times the default interval: what comes seldomer has a grid of its own
MISSED = 5  # intervals: a container that is silent for so long is stale, or sent on change
FEW = 10  # rows are no rate
WITHIN = (0.01, 0.99)  # of all packets: the beginning and the end of the recording
MARGIN = 2.0  # times the longest silence in the recording


def rate_rules(recordings: Sequence[Recorded]) -> str:
    """TOML of `[time]` and `[[resample]]`; empty where the defaults suit all of them."""
    times = np.sort(np.concatenate([np.zeros(0, np.int64), *(r.time_ns for r in recordings)]))
    # a few times of a recording may be none at all, centuries away
    first, last = (round(share * (len(times) - 1)) for share in WITHIN)
    whole = times[first : last + 1]
    if not len(whole):
        return ""
    between = _intervals(whole)
    extent = int(whole[0]), int(whole[-1]), float(between.max(initial=0.0))
    every = [c.name for r in recordings for c in r.table.columns]
    lines = [
        line
        for r in recordings
        if r.table.columns
        for line in _rules(r, _patterns(r, every), extent)
    ]
    los = min(MISSED * float(np.median(between)), MAX_SECONDS) if len(between) else 0.0
    if los > TimeSettings().los_s:
        seconds = _seconds(los)
        keys = ("los_s", "silence_s", "jump_s")
        lines = ["[time]", *(f"{k} = {seconds}" for k in keys), "", *lines]
    return "".join(f"{line}\n" for line in lines)


def _intervals(time_ns: I8) -> F8:
    between: F8 = np.diff(time_ns) / 1e9
    return between[between > 0]


def _patterns(recorded: Recorded, every: Sequence[str]) -> list[str]:
    """Patterns of a table's parameters: one where its names have a beginning of their own."""
    mine = [c.name for c in recorded.table.columns]
    ends = zip(min(mine), max(mine), strict=False)  # what these two share, all share
    begin = "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], ends))
    same = [n for n in every if n.startswith(begin)]
    return [f"{begin}*"] if len(same) == len(mine) else mine


def _rules(
    recorded: Recorded, patterns: Sequence[str], whole: tuple[int, int, float]
) -> Iterator[str]:
    """whole: beginning, end and longest silence in seconds of all packets together."""
    default = ResampleRule()
    hz, age = default.hz, default.max_age_s
    first, last, away = whole
    times = np.sort(recorded.time_ns)
    times = times[(times >= first) & (times <= last)]
    if not len(times):
        return
    between = _intervals(times)
    median = float(np.median(between)) if len(between) else 0.0
    # while others were heard
    silent = max(float(between.max(initial=0.0)), float(last - times[-1]) / 1e9) - away
    on_change = len(times) < FEW or silent > MISSED * median
    if on_change:
        age = max(age, MARGIN * silent)
    elif median > SLOW / hz:
        hz, age = 1 / median, max(age, MISSED * median)
    age = min(float(_seconds(age)), MOST_HELD / MIN_HZ)
    hz = min(hz, MOST_HELD / age)
    if (hz, age) == (default.hz, default.max_age_s):
        return
    what = "sent on change" if on_change else f"a row every {_seconds(1 / hz)} s"
    for pattern in patterns:
        yield "[[resample]]"
        yield f'match = "{pattern}" # {what}'
        if hz != default.hz:
            yield f"hz = {hz!r}"
        yield f"max_age_s = {age:.10g}"
        yield ""


def _seconds(x: float) -> str:
    """Rounded up to three digits that people read."""
    scale = 10.0 ** (np.floor(np.log10(x)) - 2)
    return f"{np.ceil(x / scale - 1e-9) * scale:.10g}"
