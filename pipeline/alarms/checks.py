"""The checks of alarms beside the static ranges, in the order in which they look at a row.

A check joins by its file and its line here (`alarms.check`).
"""

from __future__ import annotations

from pipeline.alarms.change import ChangeLimits
from pipeline.alarms.check import Check
from pipeline.alarms.condition import Conditions
from pipeline.alarms.state import StateLimits
from pipeline.alarms.static import Limits

CHECKS: tuple[type[Check], ...] = (
    Conditions,
    ChangeLimits,
    StateLimits,
)
EVERY: tuple[type[Check], ...] = (Limits, *CHECKS)
