"""Settings of the service: file, environment and options, every mistake told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.settings import CONFIG, Settings, from_environment, gather, to_environment
from pipeline.errors import MissionError


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of who runs the tests counts."""
    import os

    for name in [n for n in os.environ if n.startswith("HEARTLINE_")]:
        monkeypatch.delenv(name)


def written(folder: Path, text: str) -> Path:
    path = folder / "heartline.toml"
    path.write_text(text)
    return path


def test_every_mistake_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(
        tmp_path,
        """bootstrap = 5
        sources = 3
        metrics_port = 70000
        partitions = -1
        snapshot_s = 0
        parameter_gauges = true
        colour = "red"
        """,
    )
    monkeypatch.setenv("HEARTLINE_COMMIT_MS", "soon")
    with pytest.raises(MissionError) as told:
        gather(path, {"group": "", "namespace": None})
    lines = str(told.value).splitlines()
    for start in (
        f"{path}: bootstrap = 5: ", f"{path}: sources = 3: ", f"{path}: metrics_port = 70000: ",
        f"{path}: partitions = -1: ", f"{path}: snapshot_s = 0: ", "--group: group = '': ",
        f"{path}: parameter_gauges = True: ", f"{path}: 'colour' is unknown; known are bootstrap, ",
        "HEARTLINE_COMMIT_MS: commit_ms = 'soon': ",
    ):  # fmt: skip
        assert sum(line.startswith(start) for line in lines) == 1, (start, lines)
    assert len(lines) == 9


@pytest.mark.parametrize(
    "bad",
    ["[sources.a]\n", "[sources.a]\nmission = 1\n", "[sources.a]\nmission='m'\nx=1\n",
     "[sources.'a/b']\nmission = 'm'\n", "start_at = 'yesterday'\n", "guarantee = 'none'\n",
     "bootstrap = 'host'\n", "bootstrap = '127.0.0.1:19602x'\n", "bootstrap = ''\n",
     "snapshot_s = nan\n", "metrics_port = 'http'\n", "log_format = 'xml'\n",
     "[ingest.dsn]\ninputs = ['udp://:1']\nsource = 'nobody'\n", "[ingest.dsn]\nsource = 'a'\n",
     "[replay]\nspeeed = 1\n", "= 1", "\udcff"],
)  # fmt: skip
def test_what_is_refused(bad: str, tmp_path: Path) -> None:
    path = tmp_path / "heartline.toml"
    path.write_bytes(bad.encode("utf-8", "surrogateescape"))
    with pytest.raises(MissionError, match=r"heartline\.toml"):
        gather(path)


def test_the_later_counts_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "commit_ms = 1\nmetrics_port = 1\ngroup = 'file'\n")
    monkeypatch.setenv("HEARTLINE_METRICS_PORT", "2")
    monkeypatch.setenv("HEARTLINE_GROUP", "environment")
    found = gather(path, {"group": "option"})
    assert (found.commit_ms, found.metrics_port, found.group) == (1, 2, "option")


def test_paths_are_meant_from_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "kafka = 'k.toml'\n[sources.a]\nmission = 'm'\nmdb = '/x/y.xml'\n")
    found = gather(path)
    assert found.kafka == str(tmp_path / "k.toml")
    assert found.sources["a"].mission == str(tmp_path / "m")
    assert found.sources["a"].mdb == "/x/y.xml"


def test_every_key_is_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTLINE_SOURCES", '{"HL1": {"mission": "m"}}')
    monkeypatch.setenv("HEARTLINE_REPLAY__NAMESPACE", "again")
    monkeypatch.setenv("HEARTLINE_INGEST", '{"dsn": {"inputs": ["udp://:1"], "source": "HL1"}}')
    found = gather()
    assert found.sources["HL1"].mission == "m"
    assert found.replay.namespace == "again"
    assert found.ingest["dsn"].inputs == ["udp://:1"]
    monkeypatch.setenv("HEARTLINE_SOURCES", '{"HL1": ')
    with pytest.raises(MissionError, match="Environment"):
        gather()


def test_a_file_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissionError, match="cannot be read"):
        gather(tmp_path / "none.toml")
    monkeypatch.setenv(CONFIG, str(written(tmp_path, "group = 'named'\n")))
    assert gather().group == "named"


def test_the_faust_app_gets_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTLINE_SETTINGS", "")  # restored after the test
    given = Settings(
        bootstrap="h:1,i:2", sources={"a": {"mission": "m"}}, commit_ms=7, snapshot_s=0.5
    )
    to_environment(given)
    assert from_environment() == given
