"""Writes the XTCE 1.2 of tables, so that what we import is described like any other mission."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lxml import etree
from lxml.builder import ElementMaker

from pipeline.formats.spec import WIDTHS, Column, Table, time_name
from schemas.mission import ALARM_LEVELS, AlarmRanges

NAMESPACE = "http://www.omg.org/spec/XTCE/20180204"
X: Any = ElementMaker(namespace=NAMESPACE, nsmap={None: NAMESPACE})
ROOT = "CCSDSPacket"
_HEADER = (
    ("VERSION", 3), ("TYPE", 1), ("SEC_HDR_FLAG", 1), ("APID", 11),
    ("SEQ_FLAGS", 2), ("SEQ_COUNT", 14), ("PKT_LENGTH", 16),
)  # fmt: skip


HEADER_NAMES = frozenset(name for name, _ in _HEADER)


def write_xtce(system: str, tables: Sequence[Table], description: str = "") -> bytes:
    """One SpaceSystem: a root with the primary header, and a container a table by its APID."""
    types, parameters, containers = X.ParameterTypeSet(), X.ParameterSet(), X.ContainerSet()
    root = X.EntryList()
    for name, bits in _HEADER:
        types.append(_integer(f"{name}_Type", bits))
        parameters.append(X.Parameter(name=name, parameterTypeRef=f"{name}_Type"))
        root.append(X.ParameterRefEntry(parameterRef=name))
    containers.append(X.SequenceContainer(root, name=ROOT, abstract="true"))
    for table in tables:
        _add_table(table, types, parameters, containers)
    system_element = X.SpaceSystem(
        *([X.LongDescription(description)] if description else []),
        X.TelemetryMetaData(types, parameters, containers),
        name=system,
    )
    written: bytes = etree.tostring(
        system_element, xml_declaration=True, encoding="UTF-8", pretty_print=True
    )
    return written


def _add_table(
    table: Table, types: etree._Element, parameters: etree._Element, containers: etree._Element
) -> None:
    time = time_name(table)
    scale = {"ns": "1e-9", "us": "1e-6"}[table.time_unit]
    types.append(
        X.AbsoluteTimeParameterType(
            X.Encoding(
                X.IntegerDataEncoding(sizeInBits="64", encoding="twosComplement"),
                units="seconds",
                scale=scale,
            ),
            X.ReferenceTime(X.Epoch("1970-01-01T00:00:00")),
            name=f"{time}_Type",
        )
    )
    parameters.append(X.Parameter(name=time, parameterTypeRef=f"{time}_Type"))
    entries = [X.ParameterRefEntry(parameterRef=time)]
    for column in table.columns:
        types.append(_type(column))
        words = {"shortDescription": column.description} if column.description else {}
        parameters.append(
            X.Parameter(name=column.name, parameterTypeRef=f"{column.name}_Type", **words)
        )
        entries.append(X.ParameterRefEntry(parameterRef=column.name))
    apid = X.Comparison(parameterRef="APID", value=str(table.apid), useCalibratedValue="false")
    words = {"shortDescription": table.description} if table.description else {}
    containers.append(
        X.SequenceContainer(
            X.EntryList(*entries),
            X.BaseContainer(X.RestrictionCriteria(apid), containerRef=ROOT),
            name=table.name,
            **words,
        )
    )


def _type(column: Column) -> Any:
    name = f"{column.name}_Type"
    units = X.UnitSet(*([X.Unit(column.unit)] if column.unit else []))
    encoding = _encoding(column)
    if column.labels:
        labels = [X.Enumeration(value=str(v), label=text) for v, text in column.labels]
        return X.EnumeratedParameterType(units, encoding, X.EnumerationList(*labels), name=name)
    if column.boolean:
        return X.BooleanParameterType(units, encoding, name=name)
    parts = [units, encoding]
    if column.alarm:
        parts.append(_alarm(column.alarm))
    whole = column.encoding[0] in "ui" and not column.calibrator
    return (X.IntegerParameterType if whole else X.FloatParameterType)(*parts, name=name)


def _encoding(column: Column) -> Any:
    bits = WIDTHS[column.encoding]
    if column.encoding[0] == "f":
        element = X.FloatDataEncoding(sizeInBits=str(bits), encoding="IEEE754_1985")
    else:
        word = "twosComplement" if column.encoding[0] == "i" else "unsigned"
        element = X.IntegerDataEncoding(sizeInBits=str(bits), encoding=word)
    if column.calibrator:
        terms = [
            X.Term(coefficient=repr(c), exponent=str(i)) for i, c in enumerate(column.calibrator)
        ]
        element.append(X.DefaultCalibrator(X.PolynomialCalibrator(*terms)))
    return element


def _integer(name: str, bits: int) -> Any:
    encoding = X.IntegerDataEncoding(sizeInBits=str(bits), encoding="unsigned")
    return X.IntegerParameterType(X.UnitSet(), encoding, name=name, signed="false")


def _alarm(alarm: AlarmRanges) -> Any:
    ranges = X.StaticAlarmRanges()
    for level, low, high in zip(ALARM_LEVELS, alarm.low, alarm.high, strict=True):
        bounds = {}
        if math.isfinite(low):
            bounds["minInclusive"] = repr(low)
        if math.isfinite(high):
            bounds["maxInclusive"] = repr(high)
        if bounds:
            tag = f"{level.word.capitalize()}Range"
            ranges.append(X(tag, **bounds))
    return X.DefaultAlarm(ranges, minViolations=str(alarm.min_violations))
