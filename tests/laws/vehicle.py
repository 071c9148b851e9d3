"""The simulated vehicle's mission, made once."""

from __future__ import annotations

from typing import Any

from pipeline.decode import compile_plans
from pipeline.formats.importing import mission_toml
from pipeline.formats.xtce import write_xtce
from pipeline.mission.folder import Mission, load_mission
from pipeline.simulate import SYSTEM, TABLES
from schemas.settings import TimeSettings

_CACHE: dict[str, Any] = {}


def vehicle_mission() -> Mission:
    """The simulated vehicle with coarse windows, in a folder of its own."""
    if "mission" not in _CACHE:
        import tempfile
        from pathlib import Path

        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "v.xml").write_bytes(write_xtce(SYSTEM, TABLES))
            text = mission_toml("vehicle", "v.xml") + (
                "[outputs]\nperiod_s = 3\n[time]\nlateness_s = 0.5\njump_s = 30\n"
                '[[resample]]\nmatch = "LOX*"\nmethod = "linear"\nhz = 2\n'
                "[[statistics]]\nwindow_s = 20\npane_s = 5\n"
                "[[residual]]\nwarm_up_s = 10\nthreshold = 3\n"
            )
            (folder / "mission.toml").write_text(text)
            _CACHE["mission"] = load_mission(folder)
    return _CACHE["mission"]  # type: ignore[no-any-return]


def vehicle_plans() -> Any:
    return compile_plans(vehicle_mission().mdb, TimeSettings())
