"""Figures as people read them."""

from __future__ import annotations


def figure(x: float | None) -> str:
    """Six digits; `unknown` of what is not there."""
    return "unknown" if x is None else f"{x:g}"
