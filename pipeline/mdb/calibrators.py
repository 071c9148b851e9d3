"""XTCE calibrators (XTCE 1.2, CalibratorType and ContextCalibratorType)."""

from __future__ import annotations

import math
from itertools import pairwise

from pipeline.mdb.criteria import read_criteria, read_formula
from pipeline.mdb.names import Scope
from pipeline.mdb.xml import Element
from schemas.mission import Calibrator, Criteria, Polynomial, Spline

_KINDS = ("PolynomialCalibrator", "SplineCalibrator", "MathOperationCalibrator")


def read_calibrator(element: Element, scope: Scope) -> Calibrator:
    """A DefaultCalibrator, or the Calibrator of a context."""
    element.only_attributes()
    one = element.the(*_KINDS)
    if one.tag == "PolynomialCalibrator":
        return _polynomial(one)
    if one.tag == "SplineCalibrator":
        return _spline(one)
    one.only_attributes()
    return read_formula(one, scope, this=True)


def read_contexts(element: Element, scope: Scope) -> tuple[tuple[Criteria, Calibrator], ...]:
    """ContextCalibratorList: the first whose context matches wins."""
    contexts = []
    for item in element.children("ContextCalibrator"):
        parts = {c.tag: c for c in item.children("ContextMatch", "Calibrator")}
        if len(parts) != 2:
            raise item.refuse("needs a ContextMatch and a Calibrator.")
        criteria = read_criteria(parts["ContextMatch"], scope)
        contexts.append((criteria, read_calibrator(parts["Calibrator"], scope)))
    return tuple(contexts)


def _polynomial(element: Element) -> Polynomial:
    element.only_attributes()
    coefficients: dict[int, float] = {}
    for term in element.children("Term"):
        term.only_attributes("coefficient", "exponent")
        exponent, coefficient = term.integer("exponent"), term.number("coefficient")
        if not 0 <= exponent <= 15:
            raise term.refuse(f"exponent {exponent} is not supported (0 to 15).")
        if not math.isfinite(coefficient):
            raise term.refuse("a coefficient must be finite.")
        coefficients[exponent] = coefficients.get(exponent, 0.0) + coefficient
    if not coefficients:
        raise element.refuse("a polynomial without terms.")
    return Polynomial(tuple(coefficients.get(i, 0.0) for i in range(max(coefficients) + 1)))


def _spline(element: Element) -> Spline:
    element.only_attributes("order", "extrapolate")
    order, points = element.integer("order", "1"), []
    for item in element.children("SplinePoint"):
        item.only_attributes("order", "raw", "calibrated")
        # a point's order must repeat the spline's; 1 is accepted too, being the schema's default
        if item.integer("order", str(order)) not in (order, 1):
            raise item.refuse(
                f"a point of another order than its spline's {order} (XTCE 1.2, SplinePointType)."
            )
        points.append((item.number("raw"), item.number("calibrated")))
    if len(points) < 2:
        raise element.refuse("a spline needs two points or more.")
    if order not in (0, 1):
        raise element.refuse(
            f"a spline of order {order} (XTCE 1.2, SplineCalibratorType): 0, steps, and 1, lines, "
            "are read; the standard does not say how points of a higher one are joined."
        )
    points.sort()
    if any(a == b for (a, _), (b, _) in pairwise(points)):
        raise element.refuse("two points of one raw value.")
    if not all(math.isfinite(x) for point in points for x in point):
        raise element.refuse("points must be finite.")
    return Spline(order, tuple(points), element.flag("extrapolate", "false"))
