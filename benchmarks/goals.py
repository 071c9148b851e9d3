"""What every figure is to reach; printed beside it by the benchmark that measures it."""

from __future__ import annotations

from typing import NamedTuple


class Goal(NamedTuple):
    must: str
    aim: str = ""
    moonshot: str = ""

    def __str__(self) -> str:
        named = (("must", self.must), ("aim", self.aim), ("moonshot", self.moonshot))
        return ", ".join(f"{word} {value}" for word, value in named if value)


LANE_SINGLE = Goal(".30", ".60", "1.0")  # × a bare getmany loop, all outputs
LANE_PACKED = Goal("3.5", "6", "10")  # M samples/s, all outputs
# equal work, × the peer: one packet a record, and 40
QUIX_BYTEWAX = (Goal("2", "3", "5"), Goal(".5", "1", "2"))
PATHWAY = (Goal("1.2", "1.5", "2.5"), Goal(".2", ".4", "1"))
SAMPLE_BYTES = {1000: Goal("12", "6"), 10: Goal("24", "12")}  # on telemetry.samples
ALERT_US = Goal("10", "5")
OUTPUTS_SHARE = Goal(".6", ".8")  # of the stages' own speed
CHAIN = {10: Goal("12", "15", "25"), 1000: Goal("18", "20", "25"), 10_000: Goal("12", "15", "25")}
FEED_MS = {25: Goal("1"), 4: Goal("3")}  # one record and a tick, by parameters a container
DECODE = Goal("4", "6", "8")  # × ccsdspy, file to columns
READY_S = {"warm": Goal("3", "2"), "cold": Goal("30", "15")}
STATE_KB = Goal("4", "3")  # a parameter
LATENCY_MS = Goal("100")  # p99, append to alert readable, half load, one broker
