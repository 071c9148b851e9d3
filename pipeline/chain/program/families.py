"""One model family at work on all groups: a call for its kernel, and one for the monitors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.across import Across, Scratch, starts
from pipeline.alarms.monitor import step
from pipeline.chain.group import GroupChain
from pipeline.chain.modelled import Modelled
from pipeline.kernel import kernel
from pipeline.models.shared.contract import Site
from pipeline.outputs.pending import Pending
from schemas.columns import F8, I8, U1, PacketBatch, Scores


class Work(NamedTuple):
    """A model and the group that it works on. number: of the group."""

    number: int
    group: GroupChain
    modelled: Modelled
    site: Site


class Family:
    def __init__(self, every: Sequence[Work], scratch: Scratch) -> None:
        self._every, self._scratch = every, scratch
        self._group = np.array([one.number for one in every], np.int64)
        self._width = np.array([len(one.modelled.columns) for one in every], np.int64)
        grids = [one.group.resample.grid(0, 0) for one in every]
        run = self._run = Across(every[0].site[0], [one.site[1] for one in every])
        self._step = Across(step, [one.modelled.monitor.site() for one in every])
        none: Scores = every[0].site[1][-1]
        self._details, self._leaves = none.detail.shape[1], none.leave is not none.enter
        taken = [
            (g.value, g.quality, one.modelled.columns, none.score, none.enter)
            for g, one in zip(grids, every, strict=True)
        ]
        self._choose = Across(choose, taken)
        # models of some of their group's parameters are given these in arrays of their own
        self._some = np.array([g.value.shape[1] for g in grids], np.int64) != self._width
        for i, g in enumerate(grids):
            run.give("value", i, g.value)
            run.give("quality", i, g.quality)
            self._step.give("time", i, g.time_ns)
            if run.has("time"):
                run.give("time", i, g.time_ns)

    def feed(
        self, rows: I8, advances: I8, offset: I8, first_offset: I8, batch: PacketBatch,
        out: list[Pending],
    ) -> None:  # fmt: skip
        """rows, advances: of each group's grid. offset: input record of each row, the first row of
        each group at first_offset."""
        n = rows[self._group]
        sites = np.flatnonzero(n)
        if not len(sites):
            return
        first = starts(n * self._width)
        self._choose_columns(sites, n, first)
        scores = self._room(n, first)
        self._step.lengthen("time", n)
        self._step.part("offset", offset, first_offset[self._group], n)
        self._run.run(sites)
        done = self._step.run(sites)
        news = (done[:, 1] > 0) | (done[:, 0] < n[sites])
        for i, at in zip(sites[news].tolist(), done[news].tolist(), strict=True):
            one, k = self._every[i], int(n[i])
            grid = one.group.resample.grid(k, int(advances[one.number]))
            mine = one.modelled.of(grid)
            begin = int(first_offset[one.number])
            part = self._part(scores, k, int(first[i]), int(first[i + 1]))
            records = offset[begin : begin + k]
            one.modelled.go_on(mine, records, part, (at[0], at[1]), batch, out)

    def _choose_columns(self, sites: I8, n: I8, first: I8) -> None:
        run, some = self._choose, sites[self._some[sites]]
        for name in ("value", "quality"):
            self._run.lengthen(name, n)
            run.lengthen(name, n)
        if self._run.has("time"):
            self._run.lengthen("time", n)
        if not len(some):
            return
        total, at, shape = int(first[-1]), first[:-1][some], (n[some], self._width[some])
        for name, kind in (("value", np.float64), ("quality", np.uint8)):
            chosen = self._scratch.room(f"chosen_{name}", kind, total)
            run.part(f"{name}_out", chosen, at, *shape, sites=some)
            self._run.part(name, chosen, at, *shape, sites=some)
        run.run(some)

    def _room(self, n: I8, first: I8) -> Scores:
        """Scratch for the scores of all, flat, given to the kernels."""
        s, f, d, total, at = self._scratch, self._width, self._details, int(first[-1]), first[:-1]
        enter = s.room("score_enter", np.uint8, total)
        scores = Scores(
            enter, s.room("score_leave", np.uint8, total) if self._leaves else enter,
            s.room("predicted", np.float64, total), s.room("score", np.float64, total),
            s.room("detail", np.float64, d * total),
        )  # fmt: skip
        for name in ("enter", "leave", "predicted", "score"):
            self._run.part(f"out.{name}", getattr(scores, name), at, n, f)
        self._run.part("out.detail", scores.detail, d * at, n, d, f)
        for name in ("enter", "leave"):
            self._step.part(name, getattr(scores, name), at, n, f)
        return scores

    def _part(self, s: Scores, k: int, a: int, b: int) -> Scores:
        """The scores of one model: k rows, whose numbers begin at a and end at b."""
        words, d = (k, (b - a) // k), self._details
        return Scores(
            s.enter[a:b].reshape(words), s.leave[a:b].reshape(words),
            s.predicted[a:b].reshape(words), s.score[a:b].reshape(words),
            s.detail[d * a : d * b].reshape(k, d, words[1]),
        )  # fmt: skip


@kernel
def choose(value: F8, quality: U1, columns: I8, value_out: F8, quality_out: U1) -> None:
    """Some of the columns of a grid."""
    for i in range(len(value)):
        for j in range(len(columns)):
            value_out[i, j] = value[i, columns[j]]
            quality_out[i, j] = quality[i, columns[j]]
