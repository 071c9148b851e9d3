"""Hands notices over to Alertmanager (its API v2), and keeps its silences as they should be.

Alertmanager notifies, groups, routes and repeats. It keeps no alerts over a restart, and may be
away: what is open is handed over again and again, and what was closed is for a quarter of an hour.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from agents.desk.notices import Notice
from schemas.desk import DeskRecord

AGAIN_S = 30.0  # between two times that the same is handed over
LASTS_S = 3600.0  # an alert ends by itself so long after the desk was last heard
SILENCE_S = 7200.0  # a silence does, and is renewed in its second half
TIMEOUT_S = 10.0
BATCH = 500  # alerts in one request


class AwayError(Exception):
    """Alertmanager did not take it; the message says why, and holds no password."""


T = TypeVar("T")
Silences = dict[str, dict[str, Any]]  # by incident: id, ends (unix time), by (who, why)
_Labels = frozenset[tuple[str, str]]


class RefusedError(AwayError):
    """… because it does not understand it (status 400)."""


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
    _firing: set[_Labels] = field(default_factory=set)  # what it was told to be open
    _session: aiohttp.ClientSession | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Its address without a password that may stand in it."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    async def hand_over(
        self, notices: Sequence[Notice], answers: Mapping[str, DeskRecord], now: float
    ) -> None:
        """answers: by incident. now: unix time. AwayError: it was not taken, or not all of it."""
        failed: list[AwayError] = []
        told = [n for n in notices if n.ends_ns is None or self._must_end(n)]
        # what is answered is silenced before it is told, and told to be over before its silence
        # ends; what fails of one of them holds up no other
        there = await _tried(self._silences(), failed)
        if there is not None:
            await _tried(self._silence(there, answers, now), failed)
        for i in range(0, len(told), BATCH):
            await _tried(self._post(told[i : i + BATCH], now), failed)
        if there is not None:
            await _tried(self._unsilence(there, answers), failed)
        if failed:
            self.up, self.why = False, str(failed[0])
            raise failed[0]
        self.up, self.taken, self.why = True, now, ""
        self._firing = {_labels(n) for n in told if n.ends_ns is None}

    async def _post(self, notices: Sequence[Notice], now: float) -> None:
        """Together; where that is refused, one by one: a bad one holds up no other."""
        try:
            await self._ask("POST", "alerts", [_alert(n, now) for n in notices])
        except RefusedError as error:
            if len(notices) == 1:
                raise
            failed: list[AwayError] = []
            for notice in notices:
                await _tried(self._post([notice], now), failed)
            raise failed[0] if failed else error from None

    def _must_end(self, notice: Notice) -> bool:
        """An incident that was closed is told again and again, and labels that it has no more are
        ended once: by a desk that has just begun too, since it does not know what they were told.
        """
        return notice.last or not self.taken or _labels(notice) in self._firing

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    async def _silence(
        self, there: Silences, answers: Mapping[str, DeskRecord], now: float
    ) -> None:
        for incident, answer in answers.items():
            mine = there.get(incident)
            if (
                mine
                and mine["ends"] - now > SILENCE_S / 2
                and mine["by"] == (answer.who, answer.why)
            ):
                continue
            body = {
                "matchers": [_is("incident", incident), _is("desk", self.deployment)],
                "startsAt": _iso(now), "endsAt": _iso(now + SILENCE_S),
                "createdBy": answer.who, "comment": answer.why,
            }  # fmt: skip
            if mine:
                body["id"] = mine["id"]
            await self._ask("POST", "silences", body)

    async def _unsilence(self, there: Silences, answers: Mapping[str, DeskRecord]) -> None:
        for incident, mine in there.items():
            if incident not in answers:
                await self._ask("DELETE", f"silence/{mine['id']}")

    async def _silences(self) -> Silences:
        """Our own that are in force, by incident: those on its number and this desk, exactly."""
        found = {}
        for one in await self._ask("GET", "silences") or ():
            try:
                is_ = {
                    m["name"]: m["value"] for m in one["matchers"]
                    if not m["isRegex"] and m.get("isEqual", True)
                }  # fmt: skip
                ours = is_.keys() == {"incident", "desk"} and is_["desk"] == self.deployment
                if ours and one["status"]["state"] != "expired":
                    found[is_["incident"]] = {
                        "id": one["id"], "ends": _unix(one["endsAt"]),
                        "by": (one["createdBy"], one["comment"]),
                    }  # fmt: skip
            except (KeyError, TypeError, ValueError) as error:
                raise AwayError(f"{self.name}: a silence of another format: {error!r}") from None
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
                    kind = RefusedError if answer.status == 400 else AwayError
                    raise kind(f"{self.name}: {path}: status {answer.status}: {told}")
                return await answer.json() if method == "GET" else None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as e:
            raise AwayError(f"{self.name}: {type(e).__name__}: {e}") from None


async def _tried(step: Awaitable[T], failed: list[AwayError]) -> T | None:
    """What it gives; None where Alertmanager did not take it, which is put with what failed."""
    try:
        return await step
    except AwayError as error:
        failed.append(error)
        return None


def _labels(notice: Notice) -> _Labels:
    return frozenset(notice.labels.items())


def _alert(notice: Notice, now: float) -> dict[str, Any]:
    """Never of the future, were the clock set back since: that is refused."""
    starts = min(notice.starts_ns / 1e9, now)
    ends = now + LASTS_S if notice.ends_ns is None else max(min(notice.ends_ns / 1e9, now), starts)
    return {
        "labels": notice.labels, "annotations": notice.annotations,
        "startsAt": _iso(starts), "endsAt": _iso(ends),
    }  # fmt: skip


def _is(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value, "isRegex": False, "isEqual": True}


def _iso(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat()


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
