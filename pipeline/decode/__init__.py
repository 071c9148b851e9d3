"""Packets to rows: a table of fields a container, one compiled kernel for all of them."""

from pipeline.decode.decoder import Decoder
from pipeline.decode.plan import Plan, PlanSet, compile_plans

__all__ = ["Decoder", "Plan", "PlanSet", "compile_plans"]
