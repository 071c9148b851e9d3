"""Parameters of one group that a family looks at together: those that one rule names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.columns import I8

MOST = 64  # of one set: their relations grow with its square


def sets_of(rules: Sequence[Any]) -> I8:
    """Columns of each set, i8[sets, longest], -1 after its last.

    ValueError: a set of only one parameter, or of too many.
    """
    members: dict[Any, list[int]] = {}
    for j, rule in enumerate(rules):
        members.setdefault(rule, []).append(j)
    for rule, columns in members.items():
        if not 2 <= len(columns) <= MOST:
            raise ValueError(
                f"{rule.match!r} names {len(columns)} parameters here, and 2 to {MOST} of one "
                "container and rate, or with `across` of any, can be looked at together"
            )
    made = np.full((len(members), max(map(len, members.values()))), -1, np.int64)
    for row, columns in zip(made, members.values(), strict=True):
        row[: len(columns)] = columns
    return made
