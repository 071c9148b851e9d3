"""The screen of the watch, driven by its keys."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable

from rich.console import Console
from textual.pilot import Pilot

from agents.watch import Board
from agents.watch.pane import Pane
from agents.watch.screen import Watch
from schemas import topics
from tests.watching import NOW, S, alert, following, pane, state

Drive = Callable[[Watch, Pilot[None]], Awaitable[None]]


def run(board: Board, drive: Drive, size: tuple[int, int] = (120, 40)) -> None:
    async def on_a_terminal() -> None:
        app = Watch(board, now_ns=lambda: NOW + S)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await drive(app, pilot)

    asyncio.run(on_a_terminal())


def text_of(app: Watch) -> str:
    """What stands on the terminal, line by line."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(s.text for s in strip) for strip in strips)


def hundred() -> Board:
    board = following(
        *(
            state(f"/S/A/P{i:03}", "severe" if i == 42 else "warning", source=f"hl{i % 2}")
            for i in range(100)
        )
    )
    board.take(
        topics.STATISTICS, b"", pane([f"/S/A/P{i:03}" for i in range(30)], source="hl0"), NOW
    )
    return board


def test_every_one_of_a_hundred_alarms_is_reached_by_pages() -> None:
    board, seen = hundred(), set()

    async def drive(app: Watch, pilot: Pilot[None]) -> None:
        alarms = app.panes[0]
        rows = alarms.rows
        assert 5 < rows < 40
        assert f"alarms 1–{rows} of 100" in text_of(app)
        assert "100 alarms stand: 1 severe, 99 warning" in text_of(app)
        for _ in range(100 // rows + 1):
            seen.update(name for name in names if name in text_of(app))
            await pilot.press("pagedown")
            await pilot.pause()
        assert alarms.place == f"{101 - rows}–100 of 100"
        await pilot.press("home", "down", "down")
        await pilot.pause()
        assert (alarms.place, alarms.at) == (f"1–{rows} of 100", 2)
        await pilot.press("end")
        await pilot.pause()
        assert alarms.at == 99

    names = {f"P{i:03}" for i in range(100)}
    run(board, drive)
    assert seen == names


def test_pages_follow_on_each_other() -> None:
    async def drive(app: Watch, pilot: Pilot[None]) -> None:
        rows = app.panes[0].rows
        await pilot.press("pagedown")
        await pilot.pause()
        assert app.panes[0].place == f"{rows + 1}–{2 * rows} of 100"
        await pilot.press("pageup")
        await pilot.pause()
        assert app.panes[0].place == f"1–{rows} of 100"

    run(hundred(), drive)


def test_the_cursor_stays_on_its_alarm_and_the_top_is_the_top() -> None:
    board = hundred()

    async def drive(app: Watch, pilot: Pilot[None]) -> None:
        alarms = app.panes[0]
        await pilot.press("down", "down")
        here = alarms.selected()
        board.take(topics.ALERTS, b"", alert("/S/A/NEW", "severe", 900), NOW)
        assert alarms.selected() == here
        await pilot.press("home")
        board.take(topics.ALERTS, b"", alert("/S/A/NEWER", "severe", 901, since_ns=NOW + S), NOW)
        assert alarms.selected().parameter == "/S/A/NEWER"
        await pilot.pause(0.6)
        assert "/S/A/NEWER tells of severe" in text_of(app)  # the whole sentence, below
        await pilot.press("3", "down")
        await pilot.pause(0.6)
        assert "alert telemetry.raw-0-900-0" in text_of(app)  # what `explain` asks for

    run(board, drive)


def test_the_other_parts_have_pages_too_and_one_may_stand_alone() -> None:
    async def drive(app: Watch, pilot: Pilot[None]) -> None:
        figures: Pane = app.panes[1]
        await pilot.press("2", "end")
        await pilot.pause()
        assert figures.place.endswith("–30 of 30")
        assert not figures.place.startswith("1–")
        await pilot.press("z")
        await pilot.pause(0.1)
        assert figures.rows > 20
        assert "60 s" in text_of(app)
        await pilot.press("tab")
        await pilot.pause(0.1)
        assert app.panes[2].has_focus
        assert not figures.display
        await pilot.press("z", "shift+tab")
        await pilot.pause(0.1)
        assert figures.has_focus

    run(hundred(), drive)


def test_on_a_small_terminal() -> None:
    async def drive(app: Watch, pilot: Pilot[None]) -> None:
        await pilot.press("pagedown", "end", "2", "3", "z", "home")
        await pilot.pause(0.1)
        assert text_of(app)

    for size in ((80, 24), (40, 10), (20, 3)):
        run(hundred(), drive, size)


def test_an_empty_board_and_one_of_strangers() -> None:
    wild = "[/s][@click=app.quit]x[/]\x1b]0;owned\x07"
    board = following(state(wild, source=wild, unit="[/s]", sentence=wild, label="[red]"))
    board.take(topics.ALERTS, b"", alert(wild, sentence=wild), NOW)
    board.take(topics.STATISTICS, b"", pane([wild], source=wild), NOW)
    board.take(topics.ALERTS, b"", b"\xff", NOW)

    async def drive(app: Watch, pilot: Pilot[None]) -> None:
        await pilot.pause(0.6)
        shown = text_of(app)
        assert "\x1b" not in shown
        assert "\x07" not in shown

    async def full(app: Watch, pilot: Pilot[None]) -> None:
        await drive(app, pilot)
        assert "[red] (3.5 [/s])" in text_of(app)
        assert "1 record not understood" in text_of(app)

    run(board, full, (200, 40))
    run(Board(), drive)


def test_the_demo_draws_the_same_board() -> None:
    from agents.watch.drawing import whole

    out = io.StringIO()
    Console(file=out, width=150).print(whole(hundred(), NOW + S))
    text = out.getvalue()
    assert "alarms 1–12 of 100" in text
    assert "statistics 1–12 of 30" in text
    assert "P042" in text.splitlines()[6]
