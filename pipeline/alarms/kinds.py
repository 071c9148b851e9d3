"""Kinds of monitors that belong to no model, as alerts and control records name them."""

from __future__ import annotations

from pipeline.alarms import clock, invalid, limit_check, loss_of_signal, refused, stale

KINDS = (
    limit_check.LIVE,
    limit_check.RECORDED,
    stale.KIND,
    loss_of_signal.KIND,
    clock.KIND,
    refused.KIND,
    invalid.KIND,
)
