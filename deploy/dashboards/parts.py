"""Panels, variables and links in few words, as the four dashboards use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

TAG = "heartline"
RAISED = (
    "sum by (source, level, kind) "
    '(increase(heartline_alerts_total{source=~"$source",level!="normal"}[15s])) > 0'
)
CHOSEN = '{source=~"$source"}'
DATA = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
GOOD, ODD, BAD = "green", "yellow", "red"


@dataclass(frozen=True, slots=True)
class Panel:
    """targets: (expression, legend). steps: (from which value on, colour); the first one is the
    base. words: of values, e.g. {"1": "yes"}. wide, high: in Grafana's 24 columns and rows."""

    title: str
    unit: str
    targets: Sequence[tuple[str, str]]
    about: str
    kind: str = "series"  # series, number, table, list
    wide: int = 8
    high: int = 8
    steps: Sequence[tuple[float, str]] = ()
    words: dict[str, str] | None = None
    least: float | None = None
    most: float | None = None
    band: tuple[str, str] | None = None  # legends between which the area is filled


def panel(given: Panel) -> Any:
    made = {"series": _series, "number": _number, "table": _table, "list": _list}[given.kind](given)
    made.title(given.title).description(given.about).unit(given.unit).datasource(DATA)
    made.span(given.wide).height(given.high)
    if given.steps:
        made.thresholds(_steps(given.steps))
    if given.words:
        made.mappings([_words(given.words)])
    if given.least is not None:
        made.min(given.least)
    if given.most is not None:
        made.max(given.most)
    for i, (expression, legend) in enumerate(given.targets):
        query = prometheus.Dataquery().expr(expression).legend_format(legend)
        query.ref_id(chr(ord("A") + i)).datasource(DATA)
        if given.kind == "series":
            query.range()
        else:
            query.instant()
        if given.kind in ("table", "list"):
            query.format(PromQueryFormat.TABLE)
        made.with_target(query)
    return made


def _series(given: Panel) -> Any:
    made = timeseries.Panel().line_width(2).show_points(shapes.VisibilityMode.NEVER)
    made.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(shapes.LegendDisplayMode.LIST)
        .placement(shapes.LegendPlacement.BOTTOM)
    )
    made.tooltip(common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI))
    made.fill_opacity(0)
    if given.steps:
        lines = common.GraphThresholdsStyleConfig().mode(shapes.GraphThresholdsStyleMode.LINE)
        made.thresholds_style(lines)
    if given.band:
        upper, lower = given.band
        made.override_by_name(
            upper,
            [
                models.DynamicConfigValue(id_val="custom.fillBelowTo", value=lower),
                models.DynamicConfigValue(id_val="custom.fillOpacity", value=20),
            ],
        )
    return made


def _number(given: Panel) -> Any:
    made = stat.Panel().graph_mode(shapes.BigValueGraphMode.NONE)
    colour = shapes.BigValueColorMode.BACKGROUND if given.steps else shapes.BigValueColorMode.NONE
    return made.color_mode(colour).orientation(shapes.VizOrientation.AUTO)


def _table(given: Panel) -> Any:
    """One row a source, a column a target."""
    names = {f"Value #{chr(ord('A') + i)}": legend for i, (_, legend) in enumerate(given.targets)}
    made = table.Panel().show_header(True)
    made.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    made.with_transformation(
        models.DataTransformerConfig(
            id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": names}
        )
    )
    return made


LEVELS = {"watch": "blue", "warning": ODD, "distress": "orange", "critical": BAD, "severe": BAD}
STATUSES = {
    "unacknowledged": BAD,
    "acknowledged": GOOD,
    "shelved": "blue",
    "out_of_service": "blue",
}


def _list(given: Panel) -> Any:
    """One row a series of the one target, a column a label; the value is called by the legend."""
    [(_, legend)] = given.targets
    newest = common.TableSortByFieldState().display_name(legend).desc(True)
    made = table.Panel().show_header(True).sort_by([newest])
    hidden = ("Time", "__name__", "job", "instance")
    columns = ("level", "status", "source", "parameter", "kind", "Value", "incident")
    order = {name: i for i, name in enumerate(columns)}
    options = {
        "excludeByName": dict.fromkeys(hidden, True), "renameByName": {"Value": legend},
        "indexByName": order,
    }  # fmt: skip
    made.with_transformation(models.DataTransformerConfig(id_val="organize", options=options))
    for column, colours in (("level", LEVELS), ("status", STATUSES)):
        found = {
            word: models.ValueMappingResult(text=word.replace("_", " "), color=colour)
            for word, colour in colours.items()
        }
        cell = {"type": "color-background", "mode": "basic"}
        made.override_by_name(column, [
            models.DynamicConfigValue(id_val="mappings", value=[models.ValueMap(options=found)]),
            models.DynamicConfigValue(id_val="custom.cellOptions", value=cell),
        ])  # fmt: skip
    return made


def _steps(steps: Sequence[tuple[float, str]]) -> Any:
    every = [
        models.Threshold(value=value if i else None, color=colour)
        for i, (value, colour) in enumerate(steps)
    ]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(every)


def _words(words: dict[str, str]) -> models.ValueMap:
    options = {k: models.ValueMappingResult(text=text) for k, text in words.items()}
    return models.ValueMap(options=options)


def variable(name: str, query: str, many: bool = True) -> Any:
    made = dashboard.QueryVariable(name).query(query).datasource(DATA)
    made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(
        models.VariableSort.ALPHABETICAL_ASC
    )
    if many:
        made.multi(True).include_all(True).all_value(".*")
        made.current(models.VariableOption(text="All", value="$__all"))
    return made


SOURCE = ("source", "label_values(heartline_packets_total, source)")
PARAMETER = ("parameter", 'label_values(heartline_parameter{source=~"$source"}, parameter)')


def board(
    uid: str,
    title: str,
    about: str,
    variables: Sequence[Any],
    rows: Sequence[tuple[str, Sequence[Panel]]],
) -> Any:
    made = dashboard.Dashboard(title).uid(uid).description(about).tags([TAG])
    made.refresh("2s").time("now-15m", "now").timezone("utc").readonly()
    made.tooltip(models.DashboardCursorSync.CROSSHAIR)
    made.link(
        dashboard.DashboardLink("Heartline")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(True)
        .keep_time(True)
    )
    made.with_variable(dashboard.DatasourceVariable("datasource").type("prometheus"))
    for one in variables:
        made.with_variable(one)
    made.annotation(
        dashboard.AnnotationQuery()
        .name("Alarms raised")
        .datasource(DATA)
        .expr(RAISED)
        .enable(True)
        .icon_color("orange")
    )
    for name, panels in rows:
        made.with_row(dashboard.Row(name))
        for one in panels:
            made.with_panel(panel(one))
    return made
