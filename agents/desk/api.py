"""The desk's HTTP API: the same that `heartline alarms` does (docs/desk.md).

On loopback, or behind tokens. A page in a browser on the same machine cannot use it: a record is
taken as application/json alone, and where there are no tokens only a Host of loopback is answered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web
from aiokafka.errors import KafkaError

from agents.desk.board import STATUSES
from agents.desk.deeds import BY_ADMINISTRATORS, DeedError, NothingError, UnknownError, deed
from agents.desk.history import MOST_HISTORY, history
from agents.desk.openapi import description
from agents.desk.places import Places
from agents.desk.service import Desk
from agents.desk.tokens import ANYBODY, Person, person_of
from agents.desk.views import alarm_view, alarms_shown, incident_view, incidents_shown
from agents.host.addresses import is_loopback
from agents.host.door import Seldom
from agents.host.errors import BrokerError
from agents.settings import DeskSettings, Role
from schemas.desk import Seen, seen_of
from schemas.mission import LEVELS

log = logging.getLogger("heartline.desk")
MOST_BYTES = 2 << 20  # of a request
READ_S = 60.0
_WHO = web.RequestKey("who", Person)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(desk: Desk, places: Places | None = None) -> AsyncIterator[None]:
    """While the block lasts. BrokerError: it may not, or cannot, listen there."""
    d = desk.settings.desk
    if not d.tokens and not is_loopback(d.host):
        raise BrokerError(
            f"The desk would listen on {d.host} for everybody: make tokens with `heartline desk "
            "token NAME` first (docs/desk.md), or let it listen on 127.0.0.1."
        )
    # it would log what strangers send that is no HTTP, each with a traceback
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    places = places or Places()
    runner = web.AppRunner(Api(desk, places).application(), access_log=None)
    await runner.setup()
    assert runner.server
    keeping = asyncio.create_task(places.keep(runner.server))
    try:
        await _listen(runner, d)
        yield
    finally:
        keeping.cancel()
        await runner.cleanup()


async def _listen(runner: web.AppRunner, d: DeskSettings) -> None:
    try:
        await web.TCPSite(runner, d.host, d.port).start()
    except OSError as error:
        raise BrokerError(
            f"The desk cannot listen on {d.host}:{d.port}: {error.strerror}. Name another with "
            "--port."
        ) from None


class Api:
    def __init__(self, desk: Desk, places: Places) -> None:
        self._desk, self._places = desk, places
        d: DeskSettings = desk.settings.desk
        self._people = {t.sha256: Person(name, t.role) for name, t in d.tokens.items()}
        self._reads = asyncio.Lock()  # a history reads whole topics
        self._failed = Seldom()

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=MOST_BYTES)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/openapi.json", self._openapi)
        app.router.add_get("/api/v1/alarms", self._alarms)
        app.router.add_get("/api/v1/incidents", self._incidents)
        app.router.add_get("/api/v1/incidents/{incident}", self._incident)
        app.router.add_get("/api/v1/history", self._history)
        app.router.add_post("/api/v1/deeds", self._deed)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Who asks; and every refusal as an object that says why."""
        self._places.begins(request)
        try:
            if request.path.startswith("/api/"):
                request[_WHO] = self._person(request)
            return await handler(request)
        except web.HTTPException as error:
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            return _problem(error.status, error.text or error.reason, allow)
        except Exception:
            if n := self._failed.since(asyncio.get_running_loop().time()):
                log.exception("%s cannot be answered (%d since the last line)", request.path, n)
            return _problem(500, "the desk's log says why", {})
        finally:
            self._places.ends(request)

    def _person(self, request: web.Request) -> Person:
        if self._people:
            found = person_of(request.headers.get("Authorization", ""), self._people)
            if found is None:
                raise web.HTTPUnauthorized(text="give a token: Authorization: Bearer …")
            return found
        if not is_loopback(request.url.host or ""):
            raise web.HTTPForbidden(text="without tokens only loopback is answered")
        return ANYBODY

    def _may(self, request: web.Request, role: Role) -> Person:
        person = request[_WHO]
        if not person.may(role):
            raise web.HTTPForbidden(text=f"{person.name} has the role {person.role}, not {role}")
        return person

    async def _healthz(self, _: web.Request) -> web.Response:
        good, why = self._desk.health()
        return web.Response(status=200 if good else 503, text=f"{why}\n")

    async def _openapi(self, _: web.Request) -> web.Response:
        return _json(description(bool(self._people)))

    async def _alarms(self, request: web.Request) -> web.Response:
        self._may(request, "watch")
        asked = _asked(request, "source", "parameter", "status", "level")
        _one_of(asked, "status", STATUSES)
        _one_of(asked, "level", LEVELS)
        now = time.time_ns()
        board = self._desk.board
        return self._list("alarms", [alarm_view(board, a, now) for a in
                                     alarms_shown(board, now, **asked)], now)  # fmt: skip

    async def _incidents(self, request: web.Request) -> web.Response:
        self._may(request, "watch")
        asked = _asked(request, "source", "open")
        _one_of(asked, "open", ("true", "false"))
        now, board = time.time_ns(), self._desk.board
        which = {"": None, "true": True, "false": False}[asked["open"]]
        chosen = incidents_shown(board, asked["source"], which)
        return self._list("incidents", [incident_view(board, one, now) for one in chosen], now)

    async def _incident(self, request: web.Request) -> web.Response:
        self._may(request, "watch")
        now, board = time.time_ns(), self._desk.board
        one = board.incidents.get(request.match_info["incident"])
        if one is None:
            raise web.HTTPNotFound(text="there is no such incident, or it was closed a while ago")
        mine = [board.alarms[key] for key in one.members if key in board.alarms]
        return self._list("alarms", [alarm_view(board, a, now) for a in mine], now)

    async def _history(self, request: web.Request) -> web.Response:
        self._may(request, "watch")
        asked = _asked(request, "parameter", "source", "limit")
        limit = asked["limit"] or "100"
        if not asked["parameter"]:
            raise web.HTTPBadRequest(text="name a parameter")
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MOST_HISTORY):
            raise web.HTTPBadRequest(text=f"limit must be 1 to {MOST_HISTORY}")
        s = self._desk.settings
        try:
            if self._reads.locked():
                raise web.HTTPTooManyRequests(text="another history is being read: ask again")
            async with self._reads, asyncio.timeout(READ_S):
                found = await history(s.bootstrap, s.namespace, asked["parameter"], asked["source"])
        except (BrokerError, KafkaError, TimeoutError, OSError) as error:
            raise web.HTTPServiceUnavailable(text=str(error) or repr(error)) from None
        return self._list("history", found[-int(limit) :], time.time_ns())

    async def _deed(self, request: web.Request) -> web.Response:
        person = self._may(request, "operate")
        told = await self._body(request)
        if told["what"] in BY_ADMINISTRATORS:
            self._may(request, "administer")
        who = told.get("who", "")
        if self._people:
            if who:
                raise web.HTTPBadRequest(text="who: the token says it")
            who = person.name
        now, board = time.time_ns(), self._desk.board
        try:
            record = deed(
                board, told["what"], who, told["why"], now, told.get("alarms", ()),
                told.get("incident", ""), told.get("for_s"), _seen(told.get("seen", {})),
            )  # fmt: skip
        except UnknownError as error:
            raise web.HTTPNotFound(text=str(error)) from None
        except NothingError as error:
            raise web.HTTPConflict(text=str(error)) from None
        except DeedError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        try:
            await self._desk.do(record)
        except BrokerError as error:
            raise web.HTTPServiceUnavailable(text=str(error)) from None
        now, board = time.time_ns(), self._desk.board
        mine = [board.alarms[key] for key in record.alarms if key in board.alarms]
        return self._list("alarms", [alarm_view(board, a, now) for a in mine], now, 201)

    async def _body(self, request: web.Request) -> dict[str, Any]:
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="say it in JSON, as application/json")
        try:
            async with asyncio.timeout(self._places.body_s):
                content = await request.read()
        except TimeoutError:
            raise web.HTTPRequestTimeout(text="the request did not come to its end") from None
        return _told(content)

    def _list(self, name: str, items: list[Any], now_ns: int, status: int = 200) -> web.Response:
        return _json({name: items, "now_ns": now_ns, "following": self._desk.health()[0]}, status)


def _json(told: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(told), content_type="application/json")


def _problem(status: int, why: str, headers: Mapping[str, str]) -> web.Response:
    body = orjson.dumps({"why": why})
    if status == 401:
        headers = {**headers, "WWW-Authenticate": "Bearer"}
    return web.Response(
        status=status, body=body, content_type="application/json", headers=dict(headers)
    )


def _asked(request: web.Request, *names: str) -> dict[str, str]:
    """Query parameters, each once at most; "" where one is not given."""
    for name in request.query:
        if name not in names:
            raise web.HTTPBadRequest(text=f"{name!r} is unknown; known are {', '.join(names)}")
        if len(request.query.getall(name)) > 1:
            raise web.HTTPBadRequest(text=f"{name} is given twice")
        if not request.query[name]:
            raise web.HTTPBadRequest(text=f"{name} is empty")
    return {name: request.query.get(name, "") for name in names}


def _one_of(asked: Mapping[str, str], name: str, known: Any) -> None:
    if asked[name] and asked[name] not in known:
        raise web.HTTPBadRequest(text=f"{name} must be one of {', '.join(known)}")


_SHAPE: dict[str, tuple[tuple[type, ...], str]] = {
    "what": ((str,), "a text"), "why": ((str,), "a text"), "who": ((str,), "a text"),
    "incident": ((str,), "a text"), "alarms": ((list,), "a list of ids"),
    "for_s": ((int, float), "a number"), "seen": ((dict,), "an object"),
}  # fmt: skip


def _told(content: bytes) -> dict[str, Any]:
    """What a request says."""
    try:
        told = orjson.loads(content)
    except ValueError:
        raise web.HTTPBadRequest(text="it is no JSON") from None
    if not isinstance(told, dict):
        raise web.HTTPBadRequest(text="it is no object")
    for name, value in told.items():
        types, words = _SHAPE.get(name, ((), f"left out; known are {', '.join(_SHAPE)}"))
        if not isinstance(value, types) or isinstance(value, bool):
            raise web.HTTPBadRequest(text=f"{name[:80]} must be {words}")
    for name in ("what", "why"):
        if name not in told:
            raise web.HTTPBadRequest(text=f"{name} is missing")
    alarms = told.get("alarms", [])
    if not all(isinstance(one, str) for one in alarms):
        raise web.HTTPBadRequest(text="alarms must be a list of ids")
    if ("alarms" in told) == ("incident" in told):
        raise web.HTTPBadRequest(text="give alarms or incident, one of them")
    return told


def _seen(told: dict[str, Any]) -> dict[str, Seen]:
    """By id: [`raised`, `worst`], as the list had them."""
    found = {}
    for key, value in told.items():
        if (seen := seen_of(value)) is None:
            raise web.HTTPBadRequest(text=f"seen: {key[:80]!r} must be [raised, level]")
        found[key] = seen
    return found
