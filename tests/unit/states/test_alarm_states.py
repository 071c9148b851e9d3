"""The current alarm of every monitor, as telemetry.alarms has it: value, who did what, ghosts."""

from __future__ import annotations

from typing import Any

import orjson

from agents.states.alarms import Alarms
from agents.states.ghosts import Ghosts

KEY = b"m:/S/P:limit"


def alert(offset: int, transition: str, level: str, **more: Any) -> dict[str, Any]:
    told = {
        "id": f"telemetry.raw-0-{offset}-0", "source": "m", "parameter": "/S/P", "name": "P",
        "monitor": {"kind": "limit", "name": "static"}, "transition": transition,
        "level_before": "normal", "level_after": level, "generation_ns": offset,
        "reception_ns": offset, "since_ns": offset, "observed": 30.0, "unit": "V", "quality": [],
        "sentence": "P is 30 V.",
    }  # fmt: skip
    return told | more


def by_hand(offset: int, transition: str, level: str, **more: Any) -> dict[str, Any]:
    control = {"who": "ada", "why": "seen"} | more
    return alert(offset, transition, level, observed=None, control=control)


def after(*alerts: dict[str, Any]) -> dict[str, Any]:
    alarms = Alarms()
    states = [alarms.take(a) for a in alerts]
    assert all(s and s[0] == KEY for s in states)
    state: dict[str, Any] = orjson.loads(states[-1][1])  # type: ignore[index]
    return state


def test_an_acknowledgement_keeps_the_value() -> None:
    state = after(alert(1, "raised", "critical"), by_hand(5, "acknowledged", "critical"))
    assert (state["level"], state["observed"], state["generation_ns"]) == ("critical", 30.0, 1)
    assert state["acknowledged"] == {
        "who": "ada", "why": "seen", "when_ns": 5, "level": "critical",
    }  # fmt: skip
    assert state["alert"] == "telemetry.raw-0-5-0"


def test_the_next_alarm_is_not_acknowledged() -> None:
    first = (alert(1, "raised", "critical"), by_hand(2, "acknowledged", "critical"))
    assert "acknowledged" in after(*first, alert(3, "changed", "severe"))
    again = (*first, alert(3, "cleared", "normal"), alert(4, "raised", "critical"))
    assert "acknowledged" not in after(*again)


def test_what_is_inhibited_and_overridden_stays_so() -> None:
    inhibited = by_hand(2, "inhibited", "normal", until_ns=99)
    limits = by_hand(3, "limits_set", "normal", ranges={"critical": [None, 5.0]})
    state = after(alert(1, "raised", "critical"), inhibited, limits, alert(4, "cleared", "normal"))
    assert state["inhibited"]["until_ns"] == 99
    assert state["ranges_set"]["ranges"] == {"critical": [None, 5.0]}
    state = after(inhibited, limits, by_hand(5, "enabled", "normal"))
    assert "inhibited" not in state
    assert "ranges_set" in state


def test_a_ghost_is_cleared_and_stays_so() -> None:
    """Its alerts may be read again, by a desk that was stopped before it had committed."""
    told = (
        alert(1, "raised", "critical"),
        alert(2, "cleared", "normal"),
        alert(3, "raised", "critical"),
    )
    alarms = Alarms(lambda: "topic")
    value = [alarms.take(a) for a in told][-1][1]  # type: ignore[index]
    ghosts = Ghosts("", "", 0, 10, "topic", set())
    ((key, gone),) = ghosts.among({KEY: value}, frozenset(["m"]))
    assert orjson.loads(gone)["level"] == "normal"
    alarms.read(key, gone)
    assert [alarms.take(a) for a in told] == [None] * 3
    state = alarms.take(alert(10, "raised", "warning"))
    assert state
    assert orjson.loads(state[1])["level"] == "warning"
    anew = Alarms(lambda: "topic made anew")
    anew.read(key, gone)
    assert anew.take(told[0]) is not None


def test_what_is_no_ghost() -> None:
    value = Alarms().take(alert(3, "raised", "critical"))[1]  # type: ignore[index]
    known: dict[bytes, bytes | None] = {KEY: value, b"x": None, b"y": b"[]", b"z": b'{"level": 5}'}
    mine = frozenset(["m"])

    def found(partition: int = 0, live: int = 10, standing: bool = False) -> int:
        stands = {("m", "/S/P", "limit")} if standing else set()
        return len([*Ghosts("", "", partition, live, "", stands).among(known, mine)])

    assert found() == 1
    assert found(standing=True) == 0
    assert found(live=3) == 0, "this lane tells it anew"
    assert found(partition=1) == 0, "another lane's"
    assert not [*Ghosts("", "", 0, 10, "", set()).among(known, frozenset(["other"]))]


def test_an_acknowledged_alarm_says_what_it_is() -> None:
    """Not who has seen it: that stands beside it."""
    raised = alert(1, "raised", "critical")
    seen = by_hand(5, "acknowledged", "critical") | {"sentence": "P acknowledged by ada."}
    state = after(raised, seen)
    assert (state["sentence"], state["evidence"]) == (raised["sentence"], raised["id"])
    silenced = by_hand(5, "inhibited", "normal") | {"sentence": "P inhibited by ada."}
    for told in ((raised, silenced), (silenced,)):
        state = after(*told)
        assert (state["sentence"], state["evidence"]) == (silenced["sentence"], silenced["id"])
