"""The house itself: who imports whom, and what must not stand in it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import PROJECT

PACKAGES = ("schemas", "pipeline", "agents")
FORBIDDEN_IN_CORE = {"asyncio", "aiokafka", "faust", "logging", "time", "os", "prometheus_client"}
# the house from the ground up: a room imports rooms of lower floors alone, and its own (docs/design.md)
FLOORS: tuple[tuple[str, ...], ...] = (
    ("schemas",),
    ("pipeline.kernel", "pipeline.errors"),
    ("pipeline.across",),
    ("pipeline.fingerprint", "pipeline.packets", "pipeline.timeline", "pipeline.statistics",
     "pipeline.mdb"),
    ("pipeline.models", "pipeline.decode", "pipeline.formats"),
    ("pipeline.mission", "pipeline.simulate"),
    ("pipeline.outputs",),
    ("pipeline.alarms",),
    ("pipeline.chain",),
    ("pipeline.flights",),
    ("pipeline.gate", "pipeline.scoring"),
    ("pipeline.notebook",),
    ("agents.host", "agents.warm"),
    ("agents.observe",),
    ("agents.broker",),
    ("agents.readers", "agents.watch"),
    ("agents.ground", "agents.states"),
    ("agents.settings",),
    ("agents.lane",),
    ("agents.audit", "agents.desk", "agents.table"),
    ("agents.app", "agents.demo"),
    ("agents.cli",),
    ("agents.__main__",),
)  # fmt: skip
FLOOR = {room: n for n, rooms in enumerate(FLOORS) for room in rooms}
# stages, by folder: within these rooms a file knows none of its neighbours but the named ones, which
# put them together or are what several of them need
GATHER = {
    "pipeline.timeline": set(),
    "pipeline.models": {"families"},
    "pipeline.alarms": {"kinds", "checks", "tables", "limit_check"},
}
SHARED = {
    "pipeline.timeline": {"rivals", "watermark"},
    "pipeline.models": {"shared"},
    "pipeline.alarms": {"monitor", "watched", "flapping", "check", "calm"},
}


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (PROJECT / package).rglob("*.py"):
            name = ".".join(path.relative_to(PROJECT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imports(path: Path) -> set[str]:
    """Modules imported anywhere in a file, types alone included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room_of(module: str) -> str:
    """The room a module stands in: the first package, or the folder or file within it."""
    parts = module.split(".")
    return "schemas" if parts[0] == "schemas" else ".".join(parts[:2])


def breaches(name: str, imported: set[str]) -> list[str]:
    """What of a module's imports no wall allows."""
    mine, found = room_of(name), []
    if mine in ("pipeline", "agents"):  # a package's own beginning
        return []
    for other in imported:
        room = room_of(other)
        if room == mine:
            continue
        if room in FLOOR and FLOOR[room] >= FLOOR[mine]:
            found.append(f"{name} imports {other}: {room} does not lie below {mine}")
    return found + strangers(name, imported)


def strangers(name: str, imported: set[str]) -> list[str]:
    """Stages that a stage knows."""
    for room, gather in GATHER.items():
        if not name.startswith(f"{room}."):
            continue
        me = name.removeprefix(f"{room}.").split(".")[0]
        known = {
            i.removeprefix(f"{room}.").split(".")[0] for i in imported if i.startswith(f"{room}.")
        }
        odd = known - {me} - SHARED[room] if me not in gather else set()
        if me in SHARED[room]:
            odd = known - SHARED[room]
        return [f"{name} knows its neighbour {room}.{o}" for o in sorted(odd)]
    return []


def test_every_room_stands_on_a_floor() -> None:
    """A folder or file that is added has its place in the drawing, or this fails."""
    rooms = {room_of(m) for m in modules()} - {"pipeline", "agents"}
    assert rooms == set(FLOOR)


def test_nothing_loose_but_what_is_named() -> None:
    loose = {
        package: {p.stem for p in (PROJECT / package).glob("*.py") if not p.stem.startswith("__")}
        for package in ("pipeline", "agents")
    }
    assert loose["pipeline"] == {"kernel", "across", "errors", "fingerprint", "notebook"}
    assert loose["agents"] == {"app", "demo", "settings", "warm"}


def test_no_import_runs_upwards() -> None:
    assert [b for name, path in modules().items() for b in breaches(name, imports(path))] == []


@pytest.mark.parametrize(
    ("name", "imported"),
    [
        ("schemas.columns", "pipeline.kernel"),
        ("pipeline.chain.group", "pipeline.gate.train"),
        ("pipeline.timeline.order", "pipeline.statistics.panes"),
        ("pipeline.timeline.order", "pipeline.timeline.resample"),
        ("pipeline.models.shape", "pipeline.models.forecaster"),
        ("pipeline.models.shared.record", "pipeline.models.level"),
        ("pipeline.alarms.stale", "pipeline.alarms.loss_of_signal"),
        ("pipeline.outputs.alerts", "pipeline.alarms.monitor"),
        ("pipeline.packets.scanner", "pipeline.mission.apids"),
        ("pipeline.decode.decoder", "agents.host.plain"),
        ("agents.broker.kafka", "agents.lane.service"),
        ("agents.watch.board", "agents.states.keep"),
    ],
)
def test_a_breach_is_found(name: str, imported: str) -> None:
    assert breaches(name, {imported})


def test_the_core_knows_no_clock_kafka_or_environment() -> None:
    for name, path in modules().items():
        if not name.startswith("agents"):
            wrong = {i.split(".")[0] for i in imports(path)} & FORBIDDEN_IN_CORE
            assert not wrong, f"{name} imports {wrong}"


def test_no_cycle() -> None:
    found = modules()
    graph = {n: {i for i in imports(p) if i in found and i != n} for n, p in found.items()}
    # a package's __init__ gathers its own parts: that is no cycle
    graph = {n: {i for i in to if not n.startswith(f"{i}.")} for n, to in graph.items()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"cycle: {' → '.join((*above, name))}"
        if name in done:
            return
        for other in graph[name]:
            visit(other, (*above, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def test_no_pickle() -> None:
    for name, path in modules().items():
        wrong = {i.split(".")[0] for i in imports(path)} & {"pickle", "shelve", "dill", "joblib"}
        assert not wrong, name


def test_every_page_that_is_named_exists() -> None:
    import re

    named = set()
    for folder in (*PACKAGES, "tests", "benchmarks"):
        for path in (PROJECT / folder).rglob("*.py"):
            named |= set(re.findall(r"docs/[a-z]+\.md", path.read_text()))
    named |= set(re.findall(r"docs/[a-z]+\.md", (PROJECT / "README.md").read_text()))
    assert named
    assert not [n for n in sorted(named) if not (PROJECT / n).exists()]


def test_the_command_line_does_without_faust() -> None:
    """Faust reads the arguments of whoever imports it: `replay --loop --speed 20` was its event
    loop, called --speed."""
    import subprocess
    import sys

    code = "import sys, agents.cli; sys.exit('faust' in sys.modules or 'mode' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0


def test_an_import_does_without_kernels() -> None:
    """Their compiler would be half of its memory, and a second of every command's start."""
    import subprocess
    import sys

    code = "import sys, agents.cli.imports; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0


def test_every_command_stands_where_the_command_line_says() -> None:
    from click import Context

    from agents.cli import COMMANDS, main

    for name in COMMANDS:
        found = main.get_command(Context(main), name)  # type: ignore[attr-defined]
        assert found is not None
        assert found.name == name


def test_what_is_printed_is_data() -> None:
    """One console takes no markup and prints no control code: no other is made."""
    for name, path in modules().items():
        if name != "agents.host.terminal" and not name.startswith("agents.watch"):
            assert "rich.console.Console" not in imports(path), name
