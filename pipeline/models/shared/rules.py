"""Settings of model families: allowed values of each field, its unit, and whether it is needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MAX_HZ = 100_000
MAX_ROWS = 2**40
ABOVE_0 = 1e-300  # a lower bound that means: greater than 0
LEAST_HISTORY = 100  # rows; a row is learnt twelve to twenty-four rows after it arrived


def setting(
    default: Any, least: float | None = None, most: float | None = None, unit: str = "",
    need: str = "",
) -> Any:  # fmt: skip
    """A field of a rule. need: what the value is, if the family cannot work without it."""
    told = {"least": least, "most": most, "unit": unit, "need": need}
    return field(default=default, metadata=told)


@dataclass(frozen=True, slots=True)
class Rule:
    """Settings of a family for the parameters that match."""

    match: str = "*"
    enabled: bool = False

    def mistake(self) -> tuple[str, str] | None:
        """(field, what is wrong with it) if fields do not fit together, else None."""
        return None


@dataclass(frozen=True, slots=True)
class RecordRule(Rule):
    """Settings of a family that knows a feature's record, for the parameters that match. Off by
    default: enable it after you have reviewed its alerts on your own recorded flights."""

    margin: float = setting(0.2, ABOVE_0, 1e6)  # beyond the record, in its own extents
    history: int = setting(8000, LEAST_HISTORY, MAX_ROWS, "rows")  # that a record lasts
    let_go: int = setting(1000, 1, MAX_ROWS, "rows")  # an alarm that lasts so long is normal
