"""How kernels are called: a tuple's arrays one by one, which numba's dispatch is quick at."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from pipeline.kernel import _HEAD, kernel
from schemas.columns import F8
from tests.conftest import PROJECT


class Line(NamedTuple):
    """f8[f] each."""

    slope: F8
    level: F8


class Out(NamedTuple):
    value: F8
    rows: int


@kernel
def along(x: F8, line: Line, out: Out) -> float:
    """Writes level + slope · x; returns the last."""
    for j in range(len(x)):
        out.value[j] = line.level[j] + line.slope[j] * x[j]
    last: float = out.value[out.rows - 1]
    return last


def test_the_fields_of_a_tuple_are_handed_over_one_by_one() -> None:
    x, out = np.arange(3.0), Out(np.empty(3), 3)
    assert along(x, Line(np.full(3, 2.0), np.ones(3)), out) == 5.0
    assert out.value.tolist() == [1.0, 3.0, 5.0]
    called: Any = along
    (signature,) = called.__globals__["entry"].signatures
    assert [str(kind).split("(")[0] for kind in signature] == [*["array"] * 4, "int64"]
    assert called.__name__ == "along"
    assert called.__doc__.startswith("Writes")


def test_its_lines_are_those_of_the_source() -> None:
    """A debugger and an error look there."""
    called: Any = along
    along(np.zeros(1), Line(np.ones(1), np.ones(1)), Out(np.empty(1), 1))
    given = called.__globals__["entry"].py_func.__code__
    source = called.__wrapped__.__code__
    assert (given.co_filename, given.co_firstlineno) == (source.co_filename, source.co_firstlineno)
    assert max(line for *_, line in given.co_lines() if line) == max(
        line for *_, line in source.co_lines() if line
    )


def test_every_kernel_begins_as_they_do() -> None:
    """Those that only an XTCE document or training asks for too."""
    for path in (PROJECT / "pipeline").rglob("*.py"):
        text = path.read_text()
        assert text.count("\n@kernel\n") == len(re.findall(f"(?m)^{_HEAD.pattern}", text)), path
