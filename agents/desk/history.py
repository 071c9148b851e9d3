"""What became of a parameter's alarms, and who did what about them: its topics, read whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from agents.readers.tail import follow, object_of
from pipeline.outputs.alerts import monitor_key
from schemas import topics
from schemas.desk import DeskRecord, decode_desk

MOST_HISTORY = 1000  # entries in one answer


async def history(
    bootstrap: str, namespace: str, parameter: str, source: str = ""
) -> list[dict[str, Any]]:
    """Entries in the order of their times. parameter: its name, qualified or short.

    BrokerError where the topics cannot be read. An alert has its generation time: that of recorded
    flights is older than what was done about it."""
    entries: list[dict[str, Any]] = []
    done: list[DeskRecord] = []
    keys: set[str] = set()
    names = (topics.ALERTS, topics.ALARMS, topics.DESK)
    async for topic, record in follow(bootstrap, namespace, names, True, True):
        if topic == topics.DESK:
            try:
                done.append(decode_desk(record.value))
            except ValueError:
                continue  # the desk counts it
        elif about := _of(object_of(record.value), parameter, source):
            if topic == topics.ALERTS:
                try:
                    entries.append(_changed(about))
                    keys.add(":".join(monitor_key(about)))
                except (KeyError, TypeError, AttributeError):
                    continue  # no alert of ours
            else:
                keys.add((record.key or b"").decode(errors="replace"))
    entries += done_about(done, keys)
    return sorted(entries, key=lambda entry: entry["when_ns"])


def _of(alert: dict[str, Any] | None, parameter: str, source: str) -> dict[str, Any] | None:
    """An alert, or a state of telemetry.alarms, if it is about the parameter."""
    if not alert or parameter not in (alert.get("name"), alert.get("parameter")):
        return None
    monitor = alert.get("monitor")
    ours = isinstance(monitor, dict) and isinstance(monitor.get("kind"), str)
    return alert if ours and source in ("", alert.get("source")) else None


def _changed(alert: dict[str, Any]) -> dict[str, Any]:
    """An alert as an entry. KeyError, TypeError, AttributeError: it is none of ours."""
    by = alert.get("control", {}).get("who", "")
    return {
        "when_ns": int(alert["generation_ns"]), "what": alert["transition"], "who": by,
        "why": alert["sentence"], "level": alert["level_after"], "alert": alert["id"],
    }  # fmt: skip


def done_about(records: Iterable[DeskRecord], keys: set[str]) -> list[dict[str, Any]]:
    """What of it concerns these alarms, as entries; the records in their order."""
    incidents: set[str] = set()
    return [entry for one in records for entry in _did(one, keys, incidents)]


def _did(record: DeskRecord, keys: set[str], incidents: set[str]) -> Iterator[dict[str, Any]]:
    """What concerns these alarms, or an incident that they are part of, as an entry. incidents:
    the numbers of those met so far, with those that took them in."""
    taken_in = [one for one in record.absorbs if one in incidents]
    if taken_in or not keys.isdisjoint(record.alarms):
        incidents.add(record.incident)
    elif record.alarms or record.incident not in incidents:
        return
    entry: dict[str, Any] = {
        "when_ns": record.when_ns, "what": record.what, "who": record.who, "why": record.why,
        "alarms": len(record.alarms),
    }  # fmt: skip
    for name in ("incident", "level", "until_ns"):
        if value := getattr(record, name):
            entry[name] = value
    if taken_in:
        entry["absorbs"] = taken_in
    yield entry
