"""Requests and responses of HTTP/1 (RFC 9112), as much of it as a scrape needs. No I/O but a read.

Every response closes its connection: whoever asks again connects again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

_REQUEST = re.compile(rb"([A-Z]{1,16}) ([!-~]+) HTTP/1\.[01]")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\0\r\n]*?)[ \t]*")
_METHODS = ("GET", "HEAD")
# a version that prometheus_client cannot compare, and raises at
_NO_VERSION = re.compile(r"version\s*=(?!\d{1,4}\.\d{1,4}\.\d{1,4}\s*(?:[;,]|$))", re.ASCII)


class RequestError(Exception):
    """A request that cannot be answered: `status` and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """path: percent-decoded. headers: by lower-case name, the last of each."""

    method: str
    path: str
    query: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    status: HTTPStatus
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def encoded(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if not any(name == "Content-Length" for name, _ in self.headers):
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join((*lines, "", "")).encode("latin-1") + self.body

    def without_body(self) -> Response:
        """The response to HEAD: without a body, but with the length of that to GET."""
        length = ("Content-Length", str(len(self.body)))
        return replace(self, headers=(*self.headers, length), body=b"")


def plain(status: HTTPStatus, text: str) -> Response:
    return Response(status, (("Content-Type", "text/plain; charset=utf-8"),), f"{text}\n".encode())


async def read_head(reader: asyncio.StreamReader) -> Request | None:
    """The next request; None where the client leaves. RequestError, OSError of the connection.

    A head longer than the reader's limit is refused unread.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise RequestError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's head is too long"
        ) from None
    return parse(head)


def parse(head: bytes) -> Request:
    """Parse a request from the bytes of its head, with the empty line at its end. RequestError."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    request = _REQUEST.fullmatch(first)
    if not request:
        raise RequestError(HTTPStatus.BAD_REQUEST, "no request of HTTP/1")
    method = request[1].decode()
    if method not in _METHODS:
        raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, f"here are {' and '.join(_METHODS)}")
    headers = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if not header:
            raise RequestError(HTTPStatus.BAD_REQUEST, "a header that is none")
        headers[header[1].decode().lower()] = header[2].decode("latin-1")
    try:
        target = urlsplit(request[2].decode())
    except ValueError:
        raise RequestError(HTTPStatus.BAD_REQUEST, "an address that is none") from None
    path = unquote_to_bytes(target.path).decode("utf-8", "replace")
    return Request(method, path, target.query, headers)


Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def ask(application: Wsgi, request: Request) -> Response:
    """What a WSGI application answers to a GET of this; an Accept with a bad version is dropped."""
    told: list[tuple[str, list[tuple[str, str]]]] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query,
        **{f"HTTP_{n.upper().replace('-', '_')}": value for n, value in request.headers.items()},
    }
    if _NO_VERSION.search(environ.get("HTTP_ACCEPT", "")):
        del environ["HTTP_ACCEPT"]
    body = b"".join(application(environ, lambda status, headers: told.append((status, headers))))
    ((status, headers),) = told
    return Response(HTTPStatus(int(status.split()[0])), tuple(headers), body)
