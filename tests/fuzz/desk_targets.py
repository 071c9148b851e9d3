"""The alarm desk among strangers' records: refused or taken; what it writes can be read back."""

from __future__ import annotations

import random
from pathlib import Path

import orjson

from agents.cli.alarms import lines_of
from agents.desk.board import Board
from agents.desk.deeds import DeedError, deed
from agents.desk.incidents import Incidents
from agents.desk.metrics import look
from agents.desk.notices import answers, notices
from agents.desk.views import alarm_view, alarms_shown, incident_view
from agents.settings import DeskSettings
from schemas import topics
from schemas.desk import DONE, NOTICED, decode_desk, encode_desk
from schemas.mission import LEVELS
from tests.fuzz.inputs import Input
from tests.fuzz.targets import Refused
from tests.fuzz.watch_targets import damaged
from tests.watching import NOW, S, state

_NAMES = ("/S/A/P", "/S/B/P", "/S/Q", "loss of signal", "alarm storm", "1")
_KINDS = ("limit", "residual", "los", "stale")


def desk(rnd: random.Random, _: Path) -> tuple[Input, Refused]:
    """It ends by nothing, counts what it refuses, and another desk reads all that it wrote."""
    board, now, size = Board(), NOW, 0
    incidents = Incidents(board, DeskSettings(storm=rnd.choice((2, 10))), lambda a: a.kind[:2])
    records = []
    for _i in range(rnd.choice((5, 40))):
        topic, key, value = record(rnd, board, now)
        records.append((topic, key, value))
        size += len(key) + len(value or b"")
        if topic == topics.ALARMS:
            board.take_alarm(key, value, now)
        else:
            _take(board, value)
        now += rnd.choice((0, S // 2, 5 * S, 100 * S, 1000 * S, -50 * S))
        if rnd.random() < 0.4:
            noticed = incidents.notice(now)
            for one in noticed:
                assert decode_desk(encode_desk(one)) == one
                assert len(encode_desk(one)) < topics.MOST_BYTES
        if rnd.random() < 0.2:
            _shown(board, now)
    incidents.notice(now)
    _shown(board, now)
    return Input(records, size, True), Refused(refused=board.refused)


def _take(board: Board, value: bytes | None) -> None:
    try:
        board.take(decode_desk(value))
    except ValueError:  # as `agents.desk.reading` does
        board.refused += 1


def _shown(board: Board, now: int) -> None:
    """All that anybody is told."""
    told = [alarm_view(board, alarm, now) for alarm in alarms_shown(board, now)]
    told += [incident_view(board, one, now) for one in board.incidents.values()]
    orjson.dumps(told)
    for notice in notices(board, "d", now):
        assert all(isinstance(t, str) for t in (notice.labels | notice.annotations).values())
    assert answers(board).keys() <= board.incidents.keys()
    look(board, frozenset(["m"]), now, 3)
    for line, _ in lines_of(board, [*alarms_shown(board, now)], now):
        assert "\n" not in line
        assert all(sign.isprintable() for sign in line)


def record(rnd: random.Random, board: Board, now: int) -> tuple[str, bytes, bytes | None]:
    """Of one of the topics: four in ten as they should be, the others damaged or not."""
    if rnd.random() < 0.6:
        topic, (key, value) = topics.ALARMS, _state(rnd)
    else:
        topic, key, value = topics.DESK, b"who", _done(rnd, board, now)
    if rnd.random() < 0.4:
        return topic, key, value
    return damaged(rnd, (topic, key, value), ("acknowledged", "absorbs"), "raised")


def _state(rnd: random.Random) -> tuple[bytes, bytes]:
    n, level = rnd.randrange(50), rnd.choice([*LEVELS, "normal", "warning"])
    begun = {
        "alert": f"telemetry.raw-0-{n}-0", "generation_ns": NOW, "reception_ns": NOW,
        "level": rnd.choice([*LEVELS]),
    }  # fmt: skip
    more = {"raised": begun} if rnd.random() < 0.8 else {}
    return state(
        rnd.choice(_NAMES), level, kind=rnd.choice(_KINDS), source=rnd.choice("mn"),
        alert=f"telemetry.raw-0-{n + rnd.randrange(3)}-0", topic_id=rnd.choice(("", "a", "b")), **more,
    )  # fmt: skip


def _done(rnd: random.Random, board: Board, now: int) -> bytes:
    if board.alarms and rnd.random() < 0.5:
        what, some = rnd.choice(DONE), rnd.sample([*board.alarms], 1)
        for_s = 100.0 if what == "shelve" else None
        incident = rnd.choice([*board.incidents, "", "1"])
        try:
            good = deed(board, what, "ana", "w", now, [] if incident else some, incident, for_s)
            return encode_desk(good)
        except DeedError:
            pass
    keys = [*board.alarms, "m:/S/Q:limit"]
    told = {
        "what": rnd.choice((*NOTICED, *DONE)), "who": "desk", "why": "x", "when_ns": now,
        "alarms": {rnd.choice(keys): ["telemetry.raw-0-1-0", rnd.choice([*LEVELS])]},
        "incident": rnd.choice("1234"), "source": "m", "group": rnd.choice(_NAMES),
        "level": rnd.choice([*LEVELS]), "absorbs": [rnd.choice("1234")],
    }  # fmt: skip
    return orjson.dumps(told | ({"until_ns": now + S} if told["what"] == "shelve" else {}))
