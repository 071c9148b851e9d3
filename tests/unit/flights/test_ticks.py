"""The clock of a replay in silences."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.flights.records import SPARSE, Packer
from schemas.records import TICK_NS


@pytest.mark.parametrize("silence", [1, 2, SPARSE, SPARSE + 1, SPARSE + 2, 3600, 80_000])
def test_in_a_long_silence_ticks_become_seldomer(silence: int) -> None:
    """What waits for one is late by a SPARSE-th of the silence at most; the last is at its end."""
    packer = Packer()
    list(packer.ticks(100 * TICK_NS))
    due = np.array([r.due_ns for r in packer.ticks((100 + silence) * TICK_NS)]) // TICK_NS
    assert due[-1] == 100 + silence
    late = np.diff([100, *due]) - 1
    assert (late <= (due - 100) / SPARSE).all()
    if silence <= SPARSE:
        assert len(due) == silence
    else:
        assert len(due) <= SPARSE * (1 + np.log(silence / SPARSE)) + SPARSE
