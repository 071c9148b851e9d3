"""Medians of a few values, kept in order as they come: sets are small."""

from __future__ import annotations

from pipeline.kernel import part
from schemas.columns import F8


@part
def place(x: float, n: int, room: F8) -> None:
    """Insert a value among the n sorted ones."""
    while n > 0 and room[n - 1] > x:
        room[n] = room[n - 1]
        n -= 1
    room[n] = x


@part
def median(n: int, room: F8) -> float:
    """Of n sorted values."""
    middle: float = 0.5 * (room[(n - 1) // 2] + room[n // 2])
    return middle


@part
def median_without(x: float, n: int, room: F8) -> float:
    """Of n sorted values without one of them, x."""
    at = 0
    while room[at] != x:
        at += 1
    low, high = (n - 2) // 2, (n - 1) // 2
    middle: float = 0.5 * (room[low + (low >= at)] + room[high + (high >= at)])
    return middle
