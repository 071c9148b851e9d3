"""A few numbers drawn with characters."""

from __future__ import annotations

import math

from agents.cli.sketch import ROWS, sketch


def test_the_largest_is_on_top_and_the_marked_one_stands_out() -> None:
    lines = sketch([0.0, 8.0, 4.0], 1, {})
    assert len(lines) == ROWS
    assert lines[0].split("│")[1] == "   ●  "
    assert lines[4].split("│")[1] == "     •"
    assert lines[-1].split("│")[1] == " •    "
    assert lines[4].split("│")[0].strip() == "4"


def test_a_level_near_the_numbers_is_drawn_and_one_far_away_is_not() -> None:
    lines = sketch([0.0, 1.0], 0, {"limit": 2.0, "other": 2.0, "far": 100.0})
    assert lines[0].endswith("──── limit, other")
    assert not any("far" in line for line in lines)


def test_no_number_is_too_large_or_too_small() -> None:
    for values in ([1.7e308, -1.7e308], [5e-324], [1.0, 1.7e308], [0.0, 0.0], [1e-310, 2e-310]):
        lines = sketch(values, 0, {"limit": -1.7e308})
        assert len(lines) == ROWS
        assert sum("●" in line for line in lines) == 1


def test_what_is_no_number_has_no_place() -> None:
    assert sketch([math.nan, math.inf], 0, {"limit": 1.0}) == []
    assert sum("•" in line for line in sketch([math.nan, 3.0, 3.0], 0, {})) == 1
