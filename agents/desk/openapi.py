"""The description of the desk's HTTP API (OpenAPI 3.1), served at /openapi.json."""

from __future__ import annotations

from typing import Any

from agents.desk.board import STATUSES
from agents.desk.deeds import MOST_SHELVED_S
from agents.desk.history import MOST_HISTORY
from schemas.desk import DONE, LONGEST, MOST_ALARMS
from schemas.mission import LEVELS
from schemas.version import VERSION

_NS = {"type": "integer", "description": "ns since 1970"}
_TEXT = {"type": "string", "minLength": 1, "maxLength": LONGEST}
_NAME = {"type": "string", "minLength": 1}
_DONE = {
    "description": "who did it, why and when; null: nobody, or it holds no longer",
    "type": ["object", "null"], "required": ["who", "why", "when_ns"],
    "additionalProperties": False,
    "properties": {"who": {"type": "string"}, "why": {"type": "string"}, "when_ns": _NS,
                   "until_ns": _NS},
}  # fmt: skip
_LEVEL = {"enum": [*LEVELS]}
_SCHEMAS: dict[str, Any] = {
    "Alarm": {
        "type": "object",
        "required": ["id", "name", "status", "source", "parameter", "monitor", "level", "since_ns",
                     "raised", "incident", "acknowledged", "shelved", "out_of_service", "comment"],
        "properties": {
            "id": {"type": "string", "description": "source, parameter and monitor"},
            "name": {"type": "string", "description": "of the parameter, for people"},
            "status": {"enum": [*STATUSES], "description": "by IEC 62682; returned: normal again, "
                       "and never acknowledged"},
            "source": {"type": "string"}, "parameter": {"type": "string"},
            "container": {"type": "string"}, "monitor": {"type": "object"}, "level": _LEVEL,
            "worst": _LEVEL | {"description": "its highest level since it began"},
            "observed": {"type": ["number", "null"]}, "unit": {"type": "string"},
            "label": {"type": "string"}, "limit": {"type": ["number", "null"]},
            "lead_s": {"type": ["number", "null"]}, "sentence": {"type": "string"},
            "evidence": {"type": "string", "description": "the alert that the value is from; "
                         "`heartline explain` prints it"},
            "since_ns": _NS | {"description": "generation time of its beginning"},
            "raised": {"type": "string", "description": "the alert that it began with"},
            "incident": {"type": ["string", "null"]},
            "acknowledged": _DONE, "shelved": _DONE, "out_of_service": _DONE, "comment": _DONE,
        },
    },
    "Incident": {
        "type": "object",
        "required": ["incident", "source", "group", "level", "escalated", "opened_ns", "first",
                     "alarms", "standing", "unacknowledged", "answered", "closed",
                     "within"],
        "additionalProperties": False,
        "properties": {
            "incident": {"type": "string"}, "source": {"type": "string"},
            "group": {"type": "string", "description": "of mission.toml, a parameter, "
                      "`loss of signal` or `storm`"},
            "level": _LEVEL | {"description": "the highest so far"},
            "escalated": {"type": "boolean"}, "opened_ns": _NS,
            "first": {"type": "string", "description": "id of the alarm that was raised first"},
            "alarms": {"type": "integer"},
            "standing": {"type": "integer", "description": "neither shelved nor out of service"},
            "unacknowledged": {"type": "integer"}, "answered": _DONE, "closed": _DONE,
            "within": {"type": ["string", "null"], "description": "what it is part of"},
        },
    },
    "Deed": {
        "type": "object", "required": ["what", "why"], "additionalProperties": False,
        "properties": {
            "what": {"enum": [*DONE]},
            "alarms": {"type": "array", "items": {"type": "string"}, "minItems": 1,
                       "maxItems": MOST_ALARMS, "description": "ids"},
            "incident": {"type": "string", "description": "in place of alarms: all of its own that "
                         "this concerns"},
            "why": _TEXT,
            "seen": {"type": "object", "description": "by id, [raised, worst] as the list had "
                     "them: of an alarm that has changed since nothing is done (409)",
                     "additionalProperties": {"type": "array", "items": {"type": "string"},
                                              "minItems": 2, "maxItems": 2}},
            "who": _TEXT | {"description": "only where the desk asks for no tokens"},
            "for_s": {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_SHELVED_S,
                      "description": "of shelve, and of nothing else"},
        },
        "oneOf": [{"required": ["alarms"]}, {"required": ["incident"]}],
        "if": {"properties": {"what": {"const": "shelve"}}},
        "then": {"required": ["for_s"]}, "else": {"not": {"required": ["for_s"]}},
    },
    "Entry": {
        "type": "object", "required": ["when_ns", "what", "who", "why"],
        "properties": {
            "when_ns": _NS, "what": {"type": "string"}, "who": {"type": "string"},
            "why": {"type": "string"}, "level": {"type": "string"}, "alert": {"type": "string"},
            "incident": {"type": "string"}, "until_ns": _NS, "alarms": {"type": "integer"},
            "absorbs": {"type": "array", "items": {"type": "string"},
                        "description": "incidents of before that are part of it now"},
        },
    },
    "Problem": {"type": "object", "required": ["why"], "properties": {"why": {"type": "string"}}},
}  # fmt: skip


def _list(name: str, of: str) -> dict[str, Any]:
    """A list with what it was read from: a list that is empty is no proof by itself."""
    return {
        "type": "object", "required": [name, "now_ns", "following"], "additionalProperties": False,
        "properties": {
            name: {"type": "array", "items": {"$ref": f"#/components/schemas/{of}"}},
            "now_ns": _NS,
            "following": {"type": "boolean", "description": "false: it is what stood when the desk "
                          "last heard its broker"},
        },
    }  # fmt: skip


def _next(operation: str, **more: Any) -> dict[str, Any]:
    """A request that what was answered leads to (OpenAPI 3.1, 4.8.20)."""
    return {"operationId": operation, **more}


def _query(name: str, schema: dict[str, Any], words: str = "") -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": words}


def _answers(
    good: str, schema: dict[str, Any], *bad: str, links: dict[str, Any] | None = None
) -> dict[str, Any]:
    words = {
        "400": "The request is not understood.", "401": "No token, or one that nobody has.",
        "403": "The token's role may not.", "404": "There is no such alarm, incident or parameter.",
        "408": "The request did not come to its end.",
        "409": "There is nothing to do: they are so already.",
        "413": "The request is too long.", "415": "It is no JSON.",
        "429": "Another history is being read.",
        "503": "The desk does not follow its broker, or it is not known whether it was written.",
    }  # fmt: skip
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    found = {code: {"description": words[code], "content": problem} for code in bad}
    found[good] = {"description": "Done.", "content": {"application/json": {"schema": schema}}}
    if links:
        found[good]["links"] = links
    return found


_FIRST, _ITS = "$response.body#/alarms/0", "$response.body#/incidents/0/incident"
_OF_ALARMS = {
    **{f"{what} the first": _next("deed", requestBody={
        "what": what, "why": "seen", "who": "ana", "alarms": [f"{_FIRST}/id"],
        **({"for_s": 3600} if what == "shelve" else {}),
    }) for what in DONE},
    "history of the first": _next("history", parameters={"query.parameter": f"{_FIRST}/name"}),
}  # fmt: skip
_OF_INCIDENTS = {
    "its alarms": _next("incident", parameters={"path.incident": _ITS}),
    "acknowledge it": _next("deed", requestBody={
        "what": "acknowledge", "why": "seen", "who": "ana", "incident": _ITS,
    }),
}  # fmt: skip
_READ = ("400", "401", "403")
_SOURCE = _query("source", _NAME)
_PATHS: dict[str, Any] = {
    "/api/v1/alarms": {"get": {
        "operationId": "alarms", "summary": "Alarms, the worst first",
        "description": "Without a status: all that are not normal. Role: watch.",
        "parameters": [
            _SOURCE, _query("parameter", _NAME, "short or qualified name"),
            _query("status", {"enum": [*STATUSES]}), _query("level", _LEVEL, "that one or worse"),
        ],
        "responses": _answers("200", _list("alarms", "Alarm"), *_READ, links=_OF_ALARMS),
    }},
    "/api/v1/incidents": {"get": {
        "operationId": "incidents", "summary": "Incidents that are open or were closed of late",
        "description": "Role: watch.",
        "parameters": [_SOURCE, _query("open", {"enum": ["true", "false"]})],
        "responses": _answers("200", _list("incidents", "Incident"), *_READ, links=_OF_INCIDENTS),
    }},
    "/api/v1/incidents/{incident}": {"get": {
        "operationId": "incident", "summary": "The alarms of an incident, as they were raised",
        "description": "Role: watch.",
        "parameters": [{"name": "incident", "in": "path", "required": True,
                        "schema": {"type": "string", "minLength": 1}}],
        "responses": _answers("200", _list("alarms", "Alarm"), *_READ, "404"),
    }},
    "/api/v1/history": {"get": {
        "operationId": "history", "summary": "What became of a parameter's alarms; who did what",
        "description": "Read from the topics when it is asked for. Role: watch.",
        "parameters": [
            _query("parameter", _NAME, "short or qualified name")
            | {"required": True},
            _SOURCE,
            _query("limit", {"type": "integer", "minimum": 1, "maximum": MOST_HISTORY},
                   "the newest"),
        ],
        "responses": _answers("200", _list("history", "Entry"), *_READ, "429", "503"),
    }},
    "/api/v1/deeds": {"post": {
        "operationId": "deed", "summary": "Acknowledge, shelve, comment, take out of service",
        "description": "Role: operate; administer for out_of_service and in_service.",
        "requestBody": {"required": True, "content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/Deed"}}}},
        "responses": _answers("201", _list("alarms", "Alarm"), *_READ, "404", "408", "409", "413",
                              "415", "503"),
    }},
}  # fmt: skip


def description(tokens: bool) -> dict[str, Any]:
    """tokens: whether the desk asks for them."""
    told: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Heartline alarm desk", "version": VERSION},
        "paths": _PATHS,
        "components": {"schemas": _SCHEMAS},
    }
    if tokens:
        told["components"] = told["components"] | {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}
        }
        told["security"] = [{"token": []}]
    return told
