"""The alarm desk on real parts: Apache Kafka, a worker, Alertmanager, a webhook."""

from __future__ import annotations

import asyncio
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.desk.alertmanager import Alertmanager as Client
from agents.desk.alertmanager import AwayError
from agents.desk.notices import Notice
from schemas.desk import DeskRecord
from tests.integration.kafka_cluster import cluster, kafka
from tests.integration.shift import (
    CRITICAL,
    GOOD,
    SOURCE,
    WARNING,
    Alertmanager,
    Ground,
    Pager,
    stand,
)
from tests.integration.system import wait_until, worker

GROUPS = '[groups]\nbus = ["BUS_*"]\n[alarms.L]\nlatch = true\n'
NOTHING_S = 4.0  # so long nothing more comes: four times Alertmanager's intervals here


def key(name: str) -> str:
    return f"{SOURCE}:/V/{name}:limit"


def nothing_more(of: Callable[[], object]) -> None:
    """That something does not happen can only be waited for."""
    before = of()
    time.sleep(NOTHING_S)
    assert of() == before


@pytest.mark.kafka
def test_a_shift(tmp_path: Path) -> None:
    """Raise, group, acknowledge, get worse, escalate, shelve, resolve; each told once."""
    pager = Pager()
    alertmanager = Alertmanager(tmp_path, pager)
    with kafka(tmp_path) as bootstrap, pager.listening(), alertmanager.running():
        ground = Ground(bootstrap, tmp_path, ["A", "BUS_1", "BUS_2", "BUS_3", "L"], GROUPS)
        desk = ground.desk(alertmanager.url, "--escalate-s", "8")
        sources = {SOURCE: str(ground.mission)}
        with worker(bootstrap, sources, tmp_path), desk.running(), ground.flying():

            def comes(*told: tuple[str, str, str, tuple[str, ...]]) -> None:
                # two receivers are told at once, in either order
                wait_until(
                    lambda: sorted(pager.told) == sorted(told), 30,
                    lambda: f"{pager.told}\n{desk.text()}",
                )  # fmt: skip

            ground.send(BUS_1=WARNING, BUS_2=WARNING)
            first = ("shift", "firing", "1", ("warning",))
            comes(first)
            assert pager.texts[0]["summary"].startswith("bus: 2 alarms, 2 stand. First out: BUS_1")
            desk.do("acknowledge", incident="1")
            wait_until(lambda: len(alertmanager.silences()) == 1, 20, desk.text)
            assert alertmanager.silences() == [("1", "ana", "acknowledged by ana: to acknowledge")]
            nothing_more(lambda: pager.told[:])

            ground.send(BUS_3=WARNING)  # no worse, and yet there is more than was answered
            again = ("shift", "firing", "1", ("warning",))
            comes(first, again)
            assert alertmanager.silences() == []
            desk.do("acknowledge", incident="1")
            wait_until(lambda: len(alertmanager.silences()) == 1, 20, desk.text)

            ground.send(BUS_1=CRITICAL)  # nobody has seen that
            worse = ("shift", "firing", "1", ("critical",))
            comes(first, again, worse)
            assert alertmanager.silences() == []
            escalated = ("chief", "firing", "1", ("critical",))
            comes(first, again, worse, escalated, worse)
            before = [*pager.told]

            ground.send(BUS_1=GOOD, BUS_2=GOOD, BUS_3=GOOD)
            comes(*before, ("chief", "resolved", "1", ()), ("shift", "resolved", "1", ()))
            assert "all its alarms are normal again" in pager.texts[-1]["summary"]
            before = [*pager.told]

            ground.send(A=WARNING)
            comes(*before, ("shift", "firing", "2", ("warning",)))
            desk.do("shelve", key("A"), for_s=600)
            comes(*before, ("shift", "firing", "2", ("warning",)), ("shift", "resolved", "2", ()))
            assert "is shelved by ana: to shelve" in pager.texts[-1]["summary"]
            before = [*pager.told]
            ground.send(A=GOOD)
            ground.send(A=CRITICAL)
            wait_until(
                lambda: desk.ask("alarms")["alarms"][0]["level"] == "critical", 20, desk.text
            )
            assert desk.statuses() == {"A": "shelved", "BUS_1": "returned"}
            nothing_more(lambda: pager.told[:])
            desk.do("unshelve", key("A"))
            comes(*before, ("shift", "firing", "3", ("critical",)))

            # it latches: normal again, it stands until somebody has seen it
            ground.send(L=CRITICAL)
            wait_until(lambda: desk.statuses().get("L") == "unacknowledged", 20, desk.text)
            ground.send(L=GOOD)
            nothing_more(desk.statuses)
            desk.do("acknowledge", key("L"))
            wait_until(lambda: {*desk.incidents()} == {"3"}, 20, desk.text)
            assert desk.statuses() == {"A": "unacknowledged", "BUS_1": "returned"}
            # the states' agent reads alerts before they are committed: its word may come first

            def told() -> set[tuple[str, str]]:
                found = desk.ask("history?parameter=L")["history"]
                return {(e["what"], e["who"]) for e in found}

            wait_until(lambda: ("cleared", "") in told(), 20, desk.text)
            # ana's answer, the control record that it led to, and the worker's clearing
            assert told() == {
                ("raised", ""), ("opened", "desk"), ("acknowledge", "ana"),
                ("acknowledged", "ana"), ("cleared", ""), ("answered", "ana"), ("closed", "desk"),
            }  # fmt: skip
            assert desk.stop() == 0


@pytest.mark.kafka
def test_what_was_done_survives_every_kill(tmp_path: Path) -> None:
    """kill -9 of the worker, the desk and Alertmanager, in turn and together."""
    pager = Pager()
    alertmanager = Alertmanager(tmp_path, pager)
    with kafka(tmp_path) as bootstrap, pager.listening(), alertmanager.running():
        ground = Ground(bootstrap, tmp_path, ["A", "B", "C"])
        desk = ground.desk(alertmanager.url)
        sources = {SOURCE: str(ground.mission)}
        with worker(bootstrap, sources, tmp_path) as first, desk.running(), ground.flying():
            ground.send(A=WARNING, B=WARNING, C=WARNING)
            wait_until(lambda: len(pager.told) == 3, 30, lambda: f"{pager.told}\n{desk.text()}")
            desk.do("acknowledge", key("A"))
            desk.do("shelve", key("B"), for_s=3600)
            desk.do("comment", key("C"))
            wait_until(lambda: len(alertmanager.silences()) == 1, 20, desk.text)

            def as_it_was() -> None:
                wait_until(
                    lambda: desk.statuses() == {"A": "acknowledged", "B": "shelved", "C": "unacknowledged"},
                    30, desk.text,
                )  # fmt: skip
                wait_until(
                    lambda: alertmanager.silences() == [("1", "ana", "acknowledged by ana: to acknowledge")], 40,
                    lambda: f"{alertmanager.silences()}\n{desk.text()}",
                )  # fmt: skip
                assert {*desk.incidents()} == {"1", "3"}
                [c] = [a for a in desk.ask("alarms")["alarms"] if a["name"] == "C"]
                assert c["comment"]["who"] == "ana"

            as_it_was()
            desk.kill()
            desk.start()
            as_it_was()
            alertmanager.kill()
            alertmanager.start()
            as_it_was()
            first.kill()
            with worker(bootstrap, sources, tmp_path) as second:
                ground.send(A=WARNING + 1)
                as_it_was()
                alertmanager.kill()
                desk.kill()
                second.kill()
            with worker(bootstrap, sources, tmp_path):
                alertmanager.start()
                desk.start()
                as_it_was()
                nothing_more(lambda: [t for t in pager.told if t[2] != "3"])
                # an Alertmanager that is killed has lost its log of what it told
                told = [t for t in pager.told if t[:2] == ("shift", "firing")]
                assert {number for _, _, number, _ in told} == {"1", "2", "3"}
                assert len([t for t in told if t[2] in "12"]) == 2
                ground.send(A=GOOD, B=GOOD, C=GOOD)
                wait_until(lambda: desk.incidents() == {}, 20, desk.text)
                assert desk.statuses() == {"B": "shelved", "C": "returned"}


@pytest.mark.kafka
def test_a_storm_is_one_notification(tmp_path: Path) -> None:
    """10,000 parameters beyond their limits in one packet; and a replay tells nobody."""
    pager = Pager()
    alertmanager = Alertmanager(tmp_path, pager)
    with kafka(tmp_path) as bootstrap, pager.listening(), alertmanager.running():
        names = [f"P{i}" for i in range(10_000)]
        ground = Ground(bootstrap, tmp_path, names)
        desk = ground.desk(alertmanager.url)
        sources = {SOURCE: str(ground.mission)}
        with desk.running():
            replayed = Ground(bootstrap, tmp_path, names, namespace="replay")
            with (
                worker(bootstrap, sources, tmp_path, "--namespace", "replay") as one,
                replayed.flying(),
            ):
                replayed.send(P0=CRITICAL)
                wait_until(lambda: one.total("heartline_active_alarms") > 0, 20, one.text, one)
            with worker(bootstrap, sources, tmp_path), ground.flying():
                ground.send(**dict.fromkeys(names, CRITICAL))
                wait_until(
                    lambda: [i["alarms"] for i in desk.incidents().values()] == [10_000], 120,
                    lambda: f"{desk.incidents()}\n{desk.text()}",
                )  # fmt: skip
                one = desk.incidents()["1"]
                assert (one["group"], one["standing"], one["first"]) == (
                    "alarm storm",
                    10_000,
                    key("P0"),
                )
                wait_until(lambda: len(pager.told) > 0, 20, desk.text)
                nothing_more(lambda: pager.told[:])
                assert pager.told == [("shift", "firing", "1", ("critical",))]
                assert len(pager.texts[0]["description"]) < 2000
                desk.do("acknowledge", incident="1")  # all of them at once
                assert desk.incidents()["1"]["unacknowledged"] == 0


@pytest.mark.kafka
def test_one_desk_a_namespace_and_a_broker_that_goes(tmp_path: Path) -> None:
    """A second desk ends the first; a desk without its broker says so, and goes on when it is back."""
    with cluster(tmp_path) as broker:
        ground = Ground(broker.bootstrap, tmp_path, ["A"])
        first, second = ground.desk(), ground.desk()
        second.log = tmp_path / "second.log"
        with first.running(), second.running():
            stand(broker.bootstrap)
            wait_until(lambda: len(second.incidents()) == 3, 30, second.text)
            assert first.process
            assert first.process.wait(30) == 3
            assert "Another desk of this namespace has taken over" in first.text()
            second.do("acknowledge", incident="1")
            broker.stop()
            wait_until(lambda: not second.ask("alarms")["following"], 60, second.text)
            assert not second.is_ready()
            assert len(second.ask("alarms")["alarms"]) == 4  # what stood then, and it says so
            with pytest.raises(urllib.error.HTTPError, match="503"):
                second.do("comment", incident="2")
            broker.start()
            wait_until(second.is_ready, 60, second.text)
            assert second.ask("alarms")["following"]
            assert second.incidents()["1"]["unacknowledged"] == 0
            second.do("comment", incident="2")


def test_what_alertmanager_refuses_holds_up_nothing_else(tmp_path: Path) -> None:
    """A bad alert among good ones; a clock that was set back; silences that are to end."""
    pager = Pager()
    one = Alertmanager(tmp_path, pager)

    def notice(number: str, **more: Any) -> Notice:
        labels = {"alertname": "SpacecraftAlarm", "desk": "d", "incident": number}
        return Notice(labels | more, {"summary": number}, int(time.time() * 1e9), None, True)

    async def told(client: Client, notices: list[Notice], **answers: DeskRecord) -> str:
        try:
            await client.hand_over(notices, answers, time.time())
        except AwayError as error:
            return str(error)
        return ""

    async def both() -> None:
        client = Client(one.url.replace("//", "//user:secret@"), "d")
        good, bad = [notice("1"), notice("3")], notice("2", **{"no-label": "x"})
        answer = DeskRecord("answered", "ana", "seen", 0)
        ana = {"1": answer, "3": answer}
        assert await told(client, good, **ana) == ""
        assert len(one.silences()) == 2
        why = await told(client, [good[0], bad, notice("4"), good[1]], **{"3": ana["3"]})
        assert "status 400" in why
        assert "secret" not in why + client.name
        assert [number for number, _, _ in one.silences()] == ["3"]
        assert one.incidents() == {"1", "3", "4"}
        ahead = good[1]._replace(starts_ns=2 * 10**18, ends_ns=3 * 10**18)
        assert await told(client, [ahead]) == ""
        assert one.silences() == []
        await client.close()

    with pager.listening(), one.running():
        asyncio.run(both())
