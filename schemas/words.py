"""Figures as people read them."""

from __future__ import annotations


def figure(x: float | None) -> str:
    """Six digits; `unknown` where there is no value."""
    return "unknown" if x is None else f"{x:g}"
