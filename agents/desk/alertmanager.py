"""Hands notices over to Alertmanager (its API v2), and keeps its silences as they should be.

Alertmanager notifies, groups, routes and repeats. It keeps no alerts over a restart, and may be
away: what is open is handed over again and again, and what was closed is for a quarter of an hour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp

from agents.desk.notices import Answer, Notice

AGAIN_S = 30.0  # between two times that the same is handed over
LASTS_S = 3600.0  # an alert ends by itself so long after the desk was last heard
SILENCE_S = 7200.0  # a silence does, and is renewed in its second half
TIMEOUT_S = 10.0
BATCH = 500  # alerts in one request


class AwayError(Exception):
    """Alertmanager did not take it; the message says why."""


_Labels = frozenset[tuple[str, str]]


@dataclass(slots=True)
class Alertmanager:
    """One of them; several that form a cluster are told alike, as Prometheus does.

    url: without /api/v2. deployment: the label `desk`. up: whether it took the last request.
    taken: unix time of the last complete one."""

    url: str
    deployment: str
    up: bool = False
    taken: float = 0.0
    why: str = "not asked yet"
    _firing: dict[_Labels, None] = field(default_factory=dict)  # what it was told to be open
    _session: aiohttp.ClientSession | None = field(default=None, repr=False)

    async def hand_over(
        self, notices: Sequence[Notice], answers: Mapping[str, Answer], now: float
    ) -> None:
        """now: unix time. AwayError: it was not taken, or not all of it."""
        try:
            told = [n for n in notices if n.ends_ns is None or self._must_end(n)]
            # what is answered is silenced before it is told, and told to be over before its
            # silence ends
            await self._silence(answers, now)
            for i in range(0, len(told), BATCH):
                await self._ask("POST", "alerts", [_alert(n, now) for n in told[i : i + BATCH]])
            await self._unsilence(answers)
        except AwayError as error:
            self.up, self.why = False, str(error)
            raise
        self.up, self.taken, self.why = True, now, ""
        self._firing = dict.fromkeys(_labels(n) for n in told if n.ends_ns is None)

    def _must_end(self, notice: Notice) -> bool:
        """An incident that was closed is told again and again, and labels that it has no more are
        ended once: by a desk that has just begun too, since it does not know what they were told.
        """
        return notice.last or not self.taken or _labels(notice) in self._firing

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def _silence(self, answers: Mapping[str, Answer], now: float) -> None:
        there = await self._silences() if answers else {}
        for incident, answer in answers.items():
            mine = there.get(incident)
            if mine and mine["ends"] - now > SILENCE_S / 2 and mine["by"] == tuple(answer):
                continue
            body = {
                "matchers": [_is("incident", incident), _is("desk", self.deployment)],
                "startsAt": _iso(now), "endsAt": _iso(now + SILENCE_S),
                "createdBy": answer.who, "comment": answer.why,
            }  # fmt: skip
            if mine:
                body["id"] = mine["id"]
            await self._ask("POST", "silences", body)

    async def _unsilence(self, answers: Mapping[str, Answer]) -> None:
        for incident, mine in (await self._silences()).items():
            if incident not in answers:
                await self._ask("DELETE", f"silence/{mine['id']}")

    async def _silences(self) -> dict[str, dict[str, Any]]:
        """Our own that are in force, by incident: those on its number and this desk, exactly."""
        found = {}
        for one in await self._ask("GET", "silences") or ():
            try:
                is_ = {m["name"]: m["value"] for m in one["matchers"] if not m["isRegex"]}
                ours = is_.keys() == {"incident", "desk"} and is_["desk"] == self.deployment
                if ours and one["status"]["state"] != "expired":
                    found[is_["incident"]] = {
                        "id": one["id"], "ends": _unix(one["endsAt"]),
                        "by": (one["createdBy"], one["comment"]),
                    }  # fmt: skip
            except (KeyError, TypeError, ValueError) as error:
                raise AwayError(f"{self.url}: a silence of another format: {error!r}") from None
        return found

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
            self._session = aiohttp.ClientSession(timeout=timeout)
        try:
            url = f"{self.url.rstrip('/')}/api/v2/{path}"
            async with self._session.request(method, url, json=body) as answer:
                if answer.status == 404 and method == "DELETE":
                    return None  # it is gone already
                if answer.status >= 300:
                    told = (await answer.text())[:300]
                    raise AwayError(f"{url}: status {answer.status}: {told}")
                return await answer.json() if method == "GET" else None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as e:
            raise AwayError(f"{self.url}: {str(e) or repr(e)}") from None


def _labels(notice: Notice) -> _Labels:
    return frozenset(notice.labels.items())


def _alert(notice: Notice, now: float) -> dict[str, Any]:
    ends = now + LASTS_S if notice.ends_ns is None else min(notice.ends_ns / 1e9, now)
    return {
        "labels": notice.labels, "annotations": notice.annotations,
        "startsAt": _iso(notice.starts_ns / 1e9), "endsAt": _iso(ends),
    }  # fmt: skip


def _is(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value, "isRegex": False, "isEqual": True}


def _iso(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat()


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
