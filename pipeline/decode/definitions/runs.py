"""Columns of a static container that are read alike, so that one loop reads all of them.

A field table has a branch a field. Most fields of most packets are plain unsigned numbers and
floats, one behind the other: a run of them is a loop without branches, which the compiler may take
several at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.decode.definitions.tables import BYTE, DROP, KIND, PLAIN, SHIFT, UNSIGNED
from schemas.columns import I8, U8

# kinds of run: any fields, one by one; unsigned numbers within eight bytes; big-endian IEEE floats
# of 32 bits, one behind the other
ANY, WORDS, FLOATS = range(3)


class Runs(NamedTuple):
    """table [n, 3]: kind, first field, how many; plan p has rows start[p] to start[p + 1]. byte,
    shift, drop: of each field, as in the field table."""

    table: I8
    start: I8
    byte: I8
    shift: U8
    drop: U8


def runs_of(plans: Sequence[range], fields: I8) -> Runs:
    """plans: of each the rows of the field table; none where places depend on the packet."""
    table: list[list[int]] = []
    begins = [0]
    for rows in plans:
        for i in rows:
            kind = _kind(fields[i])
            if len(table) > begins[-1] and _goes_on(table[-1], kind, fields[i - 1], fields[i]):
                table[-1][2] += 1
            else:
                table.append([kind, i, 1])
        begins.append(len(table))
    return Runs(
        np.array(table, np.int64).reshape(-1, 3), np.array(begins, np.int64),
        fields[:, BYTE].copy(), fields[:, SHIFT].astype(np.uint64),
        fields[:, DROP].astype(np.uint64),
    )  # fmt: skip


def _kind(field: I8) -> int:
    if not field[PLAIN]:
        return ANY
    if field[KIND] != UNSIGNED:
        return FLOATS if field[SHIFT] == 0 else ANY
    return WORDS if field[SHIFT] <= field[DROP] else ANY


def _goes_on(run: list[int], kind: int, before: I8, field: I8) -> bool:
    behind = kind != FLOATS or bool(field[BYTE] == before[BYTE] + 4)
    return run[0] == kind and behind
