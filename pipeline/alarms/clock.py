"""A change of a source's clock, reported once: for the first container that detected it.

Every container has its own clock in `timeline.order`, since their rows arrive separately. What
moved the clock of one moves those of all containers of the spacecraft. So a step is compared with
the steps reported since the container's last one. The alarm clears by itself once the clock has
been steady.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from pipeline.alarms.monitor import Monitor, plain_scores
from pipeline.alarms.watched import Watched
from pipeline.outputs.alerts import alert_output, iso
from pipeline.outputs.evidence import Origin, alert_head, what_was_seen
from pipeline.outputs.pending import Pending, Rank
from pipeline.timeline.order import Steps
from schemas.columns import I8, NEVER, PacketBatch, Stage
from schemas.control import Control
from schemas.mission import Level
from schemas.state import Composite, Stateful

KIND = "clock"
STEP_NS = 500_000_000  # less than that is due to link delay and drift
STEADY_NS = 60_000_000_000
KEPT = 16  # steps that a container may not have seen yet


class _Moved(Stateful):
    """steps i8[KEPT]: the last ones reported; count: number of all; known i8[c]: how many of them
    each container has seen; at: reception time of the last."""

    def __init__(self, containers: int) -> None:
        self.state = {
            "known": np.zeros(containers, np.int64),
            "steps": np.zeros(KEPT, np.int64),
            "at": np.full(1, NEVER, np.int64),
            "count": np.zeros(1, np.int64),
        }


class ClockSteps(Composite):
    """name: of the root SpaceSystem, qualified. containers: qualified names, in chain order."""

    def __init__(self, name: str, containers: Sequence[str], origin: Origin) -> None:
        self._name, self._containers, self._origin = name, tuple(containers), origin
        one = np.ones(1, np.int64)
        self._moved, self._monitor = _Moved(len(containers)), Monitor(one, one * 0, one)

    @property
    def stages(self) -> dict[str, Stage]:
        return {"moved": self._moved, "monitor": self._monitor}

    @property
    def count(self) -> int:
        """Number of clock changes reported."""
        return int(self._moved.state["count"][0])

    def watched(self) -> Iterator[Watched]:
        yield Watched(KIND, (self._name,), self._monitor)

    def set_limits(self, parameter: str, control: Control) -> bool:  # noqa: ARG002
        return False

    def feed(
        self, batch: PacketBatch, ticks: I8, steps: Sequence[tuple[int, Steps]], out: list[Pending]
    ) -> None:
        """steps: (place of the container, its steps) for each container that has some."""
        s = self._moved.state
        told = [
            (int(packet), container, i, found)
            for container, found in steps
            for i, packet in enumerate(found.packet)
        ]
        events: list[tuple[int, int, Steps | None, int]] = []
        for packet, container, i, found in sorted(told, key=lambda e: e[:3]):
            if self._is_news(container, int(found.step_ns[i]), int(found.usual_ns[i])):
                events.append((packet, container, found, i))
        if not events and self._monitor.calm:
            return
        events += [(int(tick), -1, None, 0) for tick in ticks]
        for packet, container, steps_of, i in sorted(events, key=lambda e: e[:2]):
            now = int(batch.reception_ns[packet])
            if steps_of is None:
                if s["at"][0] != NEVER and now - s["at"][0] >= STEADY_NS:
                    self._emit(batch, packet, 0, None, out)
                continue
            if not self._monitor.calm:  # each step has its own alert
                self._emit(batch, packet, 0, None, out)
            s["at"][0] = now
            self._emit(batch, packet, 1, (container, steps_of, i), out)

    def _is_news(self, container: int, step: int, usual: int) -> bool:
        """Whether no other container's step was this one. A step below STEP_NS is no news."""
        s = self._moved.state
        if abs(step) < STEP_NS:
            return False
        count, least = int(s["count"][0]), usual + usual // 2
        first = max(int(s["known"][container]), count - KEPT)
        unseen = s["steps"][np.arange(first, count) % KEPT]
        # a container does not see a step smaller than its row interval, or only a part of it
        large = np.abs(unseen) > least
        near = max(STEP_NS, least * (1 + int((~large).sum())))
        # a container without packets for a while, or until now, saw only the last of them
        sums = np.cumsum(unseen[large][::-1]) if large.any() else np.zeros(1, np.int64)
        news = not len(unseen) or bool((np.abs(step - sums) > near).all())
        if news:
            s["steps"][count % KEPT] = step
            s["count"][0] += 1
        s["known"][container] = s["count"][0]
        return news

    def _emit(
        self, batch: PacketBatch, packet: int, order: int,
        step: tuple[int, Steps, int] | None, out: list[Pending],
    ) -> None:  # fmt: skip
        word = np.full((1, 1), Level.WARNING if step else 0, np.uint8)
        now = batch.reception_ns[packet : packet + 1]
        t = self._monitor.feed(now, batch.offset[packet : packet + 1], plain_scores(word))
        for change in t.each():
            alert = alert_head(
                self._origin, self._name, KIND, KIND, change, batch, packet, int(now[0])
            )
            alert |= what_was_seen(np.nan, "", 0, 1.0)
            if step:
                container, found, k = step
                alert["clock"] = {
                    "container": self._containers[container],
                    "before_ns": int(found.before_ns[k]),
                    "after_ns": int(found.after_ns[k]),
                    "step_s": int(found.step_ns[k]) / 1e9,
                    "packets": int(found.rows[k]),
                }
            alert["fingerprint"] = self._origin.fingerprint
            make = partial(alert_output, alert, sentence)
            out.append(Pending(packet, int(batch.record[packet]), Rank.CLOCK, (order,), make))


def sentence(alert: dict[str, Any], seen: str, unit: str) -> str:  # noqa: ARG001
    found = alert["clock"]
    way = "ahead" if found["step_s"] > 0 else "back"
    what = (
        f"its clock went {way} by {abs(found['step_s']):.3f} s, from {iso(found['before_ns'])} to "
        f"{iso(found['after_ns'])}, as {found['packets']} packets of "
        f"{found['container'].rsplit('/', 1)[-1]} agree"
    )
    return f"{alert['name']}: {what} ({alert['level_after']})."
