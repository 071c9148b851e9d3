"""`/metrics` and `/healthz` on our own small server: loopback unless told otherwise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from agents.kafka import BrokerError

Health = Callable[[], tuple[bool, str]]


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are no news."""


def serve(host: str, port: int, registry: CollectorRegistry, health: Health) -> WSGIServer:
    """Serve from a daemon thread; `.shutdown()` ends it. Port 0 takes a free one."""
    metrics = make_wsgi_app(registry)

    def application(environ: dict[str, Any], respond: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return metrics(environ, respond)  # type: ignore[no-any-return]
        plain = [("Content-Type", "text/plain; charset=utf-8")]
        if path == "/healthz":
            good, why = health()
            respond("200 OK" if good else "503 Service Unavailable", plain)
            return [f"{why}\n".encode()]
        respond("404 Not Found", plain)
        return [b"here are /metrics and /healthz\n"]

    try:
        server = make_server(host, port, application, handler_class=_Quiet)
    except OSError as error:
        raise BrokerError(
            f"Metrics cannot listen on {host}:{port}: {error.strerror}. "
            "Name another with --metrics-port."
        ) from None
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
