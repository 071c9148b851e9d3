"""Panels, variables and links in few words, as the four dashboards use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

TAG = "heartline"
RAISED = (
    "sum by (source, level, kind) (increase("
    'heartline_alerts_total{source=~"$source",level!="normal"}[$__rate_interval])) > 0'
)
PHASE = 'heartline_phase{source=~"$source"} == 1'
CHOSEN = '{source=~"$source"}'
STEP = "5s"  # Grafana would look once a minute, and take marks that are not further apart for one
GOOD, ODD, BAD = "green", "yellow", "red"


@dataclass(frozen=True, slots=True)
class Panel:
    """targets: (expression, legend). steps: (from which value on, colour); the first one is the
    base. words: of values, e.g. {"1": "yes"}. wide, high: in Grafana's 24 columns and rows."""

    title: str
    unit: str
    targets: Sequence[tuple[str, str]]
    about: str
    kind: str = "series"  # series, number, name, table, list; rows: of SQL
    wide: int = 8
    high: int = 8
    steps: Sequence[tuple[float, str]] = ()
    words: dict[str, str] | None = None
    least: float | None = None
    most: float | None = None
    band: tuple[str, str] | None = None  # legends between which the area is filled


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of data source. variable: that names it on a board; every: what stands for all values
    of a variable, where Grafana is not to write them out; often, since: how often a board asks, and
    from when on; query: of a panel's kind, expression, legend and letter; marks: on time axes."""

    kind: str
    variable: str
    every: str
    often: str
    since: str
    query: Callable[[str, str, str, str], Any]
    marks: Sequence[Any] = ()

    @property
    def ref(self) -> models.DataSourceRef:
        return models.DataSourceRef(type_val=self.kind, uid=f"${{{self.variable}}}")


class _Rows(Dataquery):
    """A query of Grafana's PostgreSQL source, which the SDK has no model of."""

    def __init__(self, told: dict[str, object]) -> None:
        self._told = told

    def to_json(self) -> dict[str, object]:
        return self._told


@dataclass(frozen=True, slots=True)
class _Sql(Builder[Dataquery]):
    query: str
    letter: str

    def build(self) -> Dataquery:
        told: dict[str, object] = {
            "refId": self.letter, "datasource": POSTGRESQL.ref, "rawQuery": True,
            "editorMode": "code", "format": "table", "rawSql": self.query,
        }  # fmt: skip
        return _Rows(told)


def _of_rows(_kind: str, expression: str, _legend: str, letter: str) -> Any:
    return _Sql(expression, letter)


def _of_series(kind: str, expression: str, legend: str, letter: str) -> Any:
    query = prometheus.Dataquery().expr(expression).legend_format(legend)
    query.ref_id(letter).datasource(PROMETHEUS.ref)
    if kind == "series":
        query.range()
    else:
        query.instant()
    if kind in ("table", "list"):
        query.format(PromQueryFormat.TABLE)
    return query


class _Marks(models.AnnotationQuery):
    """With what Grafana's Prometheus source reads of it, which is not among the SDK's models."""

    marks: dict[str, str]

    def to_json(self) -> dict[str, object]:
        return super().to_json() | self.marks


@dataclass(frozen=True, slots=True)
class Marks(Builder[models.AnnotationQuery]):
    """Annotations where an expression is above 0, as the SDK's builders are. title, text: in the
    labels of its series."""

    name: str
    expression: str
    colour: str
    title: str
    text: str

    def build(self) -> models.AnnotationQuery:
        made = _Marks(
            name=self.name, datasource=PROMETHEUS.ref, expr=self.expression,
            icon_color=self.colour,
        )  # fmt: skip
        made.marks = {"titleFormat": self.title, "textFormat": self.text, "step": STEP}
        return made


PROMETHEUS = Source(
    "prometheus", "datasource", ".*", "2s", "now-15m", _of_series,
    (Marks("Alarms raised", RAISED, "orange", "{{level}}: {{kind}}", "{{source}}"),
     Marks("Flight phases", PHASE, "blue", "{{phase}}", "{{source}}")),
)  # fmt: skip
POSTGRESQL = Source(
    "grafana-postgresql-datasource", "alerts_db", "", "10s", "now-24h", _of_rows
)  # fmt: skip


def panel(given: Panel, source: Source) -> Any:
    made = _KINDS[given.kind](given)
    made.title(given.title).description(given.about).unit(given.unit).datasource(source.ref)
    made.span(given.wide).height(given.high)
    if given.steps:
        made.thresholds(_steps(given.steps))
    if given.words:
        made.mappings([_words(given.words)])
    if given.least is not None:
        made.min(given.least)
    if given.most is not None:
        made.max(given.most)
    for letter, (expression, legend) in zip(ascii_uppercase, given.targets, strict=False):
        made.with_target(source.query(given.kind, expression, legend, letter))
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


def _name(given: Panel) -> Any:
    """The legend instead of the number."""
    return _number(given).text_mode(shapes.BigValueTextMode.NAME)


def _table(given: Panel) -> Any:
    """One row a source, a column a target."""
    lettered = zip(ascii_uppercase, given.targets, strict=False)
    names = {f"Value #{letter}": legend for letter, (_, legend) in lettered}
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
    return _coloured(made)


def _rows(_: Panel) -> Any:
    """As the query gives them."""
    return _coloured(table.Panel().show_header(True))


def _coloured(made: Any) -> Any:
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


_KINDS = {
    "series": _series,
    "number": _number,
    "name": _name,
    "table": _table,
    "list": _list,
    "rows": _rows,
}


def _steps(steps: Sequence[tuple[float, str]]) -> Any:
    every = [
        models.Threshold(value=value if i else None, color=colour)
        for i, (value, colour) in enumerate(steps)
    ]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(every)


def _words(words: dict[str, str]) -> models.ValueMap:
    options = {k: models.ValueMappingResult(text=text) for k, text in words.items()}
    return models.ValueMap(options=options)


def choice(name: str, label: str, values: Mapping[str, str]) -> Any:
    """A variable of these words; the first one is chosen. values: by what people call them."""
    told = ",".join(f"{word} : {value}" for word, value in values.items())
    word, value = next(iter(values.items()))
    made = dashboard.CustomVariable(name).label(label).values(told)
    return made.current(models.VariableOption(text=word, value=value, selected=True))


def variable(name: str, query: str, many: bool = True, source: Source = PROMETHEUS) -> Any:
    made = dashboard.QueryVariable(name).query(query).datasource(source.ref)
    made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(
        models.VariableSort.ALPHABETICAL_ASC
    )
    if many:
        made.multi(True).include_all(True)
        if source.every:
            made.all_value(source.every)
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
    source: Source = PROMETHEUS,
) -> Any:
    """source: of all its panels."""
    made = dashboard.Dashboard(title).uid(uid).description(about).tags([TAG])
    made.refresh(source.often).time(source.since, "now").timezone("utc").readonly()
    made.tooltip(models.DashboardCursorSync.CROSSHAIR)
    made.link(
        dashboard.DashboardLink("Heartline")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(True)
        .keep_time(True)
    )
    made.with_variable(dashboard.DatasourceVariable(source.variable).type(source.kind))
    for one in variables:
        made.with_variable(one)
    for marks in source.marks:
        made.annotation(marks)
    for name, panels in rows:
        made.with_row(dashboard.Row(name))
        for one in panels:
            made.with_panel(panel(one, source))
    return made
