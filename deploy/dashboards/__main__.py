"""`make dashboards`: write the dashboards."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.dashboards import alerts, fleet, flight, parameter, pipeline

FOLDER = Path(__file__).parent.parent / "grafana" / "dashboards"
BOARDS = {
    "flight": flight.made, "parameter": parameter.made, "pipeline": pipeline.made,
    "fleet": fleet.made, "alerts": alerts.made,
}  # fmt: skip


def written(name: str) -> str:
    encoded: str = JSONEncoder(sort_keys=True, indent=1).encode(BOARDS[name]().build())
    return encoded + "\n"


if __name__ == "__main__":
    for name in BOARDS:
        (FOLDER / f"{name}.json").write_text(written(name))
