"""What was done about an alarm, through the incidents that it came to be part of."""

from __future__ import annotations

from agents.desk.history import done_about
from agents.settings import DeskSettings
from schemas.desk import decode_desk
from tests.unit.desk.shift import Shift


def test_an_incident_that_a_storm_took_in() -> None:
    """The alarm is not among those of the storm's own record, and is told of all the same."""
    shift = Shift(rules=DeskSettings(storm=3))
    first = shift.alarm("A", "warning")
    shift.look()
    for name in "BCD":
        shift.alarm(name, "warning")
    shift.look()
    for name in "ABCD":
        shift.alarm(name, "normal")
    shift.look()
    records = [decode_desk(value) for value in shift.records]
    told = [(e["what"], e.get("absorbs")) for e in done_about(records, {first})]
    assert told == [("opened", None), ("opened", ["1"]), ("closed", None)]
    [storm] = [r for r in records if r.absorbs]
    assert first not in storm.alarms
