"""The line that adds a check, run before anything has read the tuple."""

from __future__ import annotations

import pipeline.alarms.checks as checks
from tests.contracts.doubled import Doubled

checks.CHECKS = (*checks.CHECKS, Doubled)
checks.EVERY = (*checks.EVERY, Doubled)
