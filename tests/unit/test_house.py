"""The house itself: who imports whom, and what must not stand in it."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.conftest import PROJECT

PACKAGES = ("schemas", "pipeline", "agents")
MAY_IMPORT = {
    "schemas": {"schemas"},
    "pipeline": {"pipeline", "schemas"},
    "agents": {"agents", "pipeline", "schemas"},
}
FORBIDDEN_IN_CORE = {"asyncio", "aiokafka", "faust", "logging", "time", "os", "prometheus_client"}


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


def test_agents_pipeline_schemas_and_never_back() -> None:
    for name, path in modules().items():
        package = name.split(".")[0]
        ours = {i.split(".")[0] for i in imports(path)} & set(PACKAGES)
        assert ours <= MAY_IMPORT[package], f"{name} imports {ours - MAY_IMPORT[package]}"


def test_the_core_knows_no_clock_kafka_or_environment() -> None:
    for name, path in modules().items():
        if not name.startswith("agents"):
            wrong = {i.split(".")[0] for i in imports(path)} & FORBIDDEN_IN_CORE
            assert not wrong, f"{name} imports {wrong}"


def test_stages_do_not_know_each_other() -> None:
    stages = {"pipeline.timeline.order", "pipeline.timeline.resample", "pipeline.statistics", "pipeline.alarms.static",
              "pipeline.alarms.monitor", "pipeline.models.residual", "pipeline.models.time_to_limit"}  # fmt: skip
    found = modules()
    for stage in stages:
        assert not imports(found[stage]) & (stages - {stage}), stage


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
