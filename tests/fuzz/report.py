"""What a run had, in lines."""

from __future__ import annotations

from collections import Counter

from tests.fuzz.run import Tally, peak_mb


def lines(tallies: dict[str, Tally]) -> list[str]:
    out = []
    for name, t in tallies.items():
        out.append(
            f"{name}: {t.inputs} inputs, {t.bytes} bytes, {_percent(t.mutated, t.bytes)} of them "
            f"valid input mutated, {t.inputs / max(t.seconds, 1e-9):.1f} inputs/s, "
            f"{t.bytes / max(t.seconds, 1e-9) / 1e6:.2f} MB/s, slowest {t.slowest[0]:.2f} s "
            f"(number {t.slowest[1]})"
        )
        if t.refused:
            out.append("  refused: " + ", ".join(f"{k} {n}" for k, n in t.refused.most_common()))
    total = sum((Counter({"b": t.bytes, "m": t.mutated}) for t in tallies.values()), Counter())
    seconds = sum(t.seconds for t in tallies.values())
    out.append(
        f"all: {total['b']} bytes, {_percent(total['m'], total['b'])} of them valid input mutated, "
        f"{seconds:.0f} s, peak memory {peak_mb()} MB"
    )
    return out


def _percent(a: int, b: int) -> str:
    return f"{100 * a / max(b, 1):.0f}%"
