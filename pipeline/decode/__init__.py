"""Packets to rows: a table of columns a container, one compiled kernel for all of them."""

from pipeline.decode.decoder import Decoder
from pipeline.decode.definitions.layout import Field
from pipeline.decode.definitions.plans import Plan, PlanSet, compile_plans

__all__ = ["Decoder", "Field", "Plan", "PlanSet", "compile_plans"]
