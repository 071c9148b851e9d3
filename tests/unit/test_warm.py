"""After the warm-up nothing waits for a compiler in flight."""

from __future__ import annotations

import subprocess
import sys

import orjson

# of all kernels that are loaded: module, name, how many types each was compiled for
_ASK = """
import gc, sys
import orjson
import pipeline.models.corridor
from agents.warm import warm_up
from pipeline.kernel import Compiled
warm_up()
kernels = [k for k in gc.get_objects() if isinstance(k, Compiled)]
types = [len(k.dispatcher.overloads) if k.dispatcher else 0 for k in kernels]
told = {f"{k.function.__module__}.{k.function.__name__}": n for k, n in zip(kernels, types)}
sys.stdout.buffer.write(orjson.dumps(told))
"""
LEFT = {  # which only an XTCE document can ask for, or training
    "pipeline.alarms.static.in_force",
    "pipeline.alarms.change.changes",
    "pipeline.alarms.state.states",
    "pipeline.alarms.condition.conditions",
    "pipeline.models.corridor.widen",
    "pipeline.models.shared.lives.means",
    "pipeline.models.shared.lives.forecasts",
    "pipeline.models.shared.lives.course",
    "pipeline.models.shared.lives.whole_rows",
}


def test_every_kernel_is_compiled_once() -> None:
    """In a process of its own; twice would mean two types of the same argument, and two minutes."""
    asked = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, check=True)
    compiled = orjson.loads(asked.stdout)
    assert len(compiled) > 25
    assert {n: k for n, k in compiled.items() if k != 1} == dict.fromkeys(LEFT, 0)
