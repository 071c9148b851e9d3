"""The port of metrics and health: crowded, asked slowly, by half and at length, it still answers."""

from __future__ import annotations

import gzip
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter

from agents.host.errors import BrokerError
from agents.observe.http import Health, Limits, Server, serve
from agents.observe.http_messages import RequestError, parse

SOON_S = 20.0  # far below this, whatever else the machine does
QUICK = Limits(head_s=0.2, answer_s=5.0, connections=200)


@contextmanager
def serving(limits: Limits = QUICK, health: Health = lambda: (True, "ready")) -> Iterator[Server]:
    registry = CollectorRegistry()
    Counter("heard", "of packets", registry=registry).inc(3)
    server = serve("127.0.0.1", 0, registry, health, limits)
    try:
        yield server
    finally:
        server.shutdown()


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_port), SOON_S)


def said(sock: socket.socket) -> bytes:
    """All that comes until the server closes; a reset is an end too."""
    found = b""
    try:
        while more := sock.recv(65536):
            found += more
    except ConnectionResetError:
        pass
    return found


def get(
    server: Server, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, bytes, http.client.HTTPMessage]:
    client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=SOON_S)
    try:
        client.request(method, path, headers=headers or {})
        response = client.getresponse()
        return response.status, response.read(), response.headers
    finally:
        client.close()


def test_what_is_served() -> None:
    with serving() as server:
        status, body, headers = get(server, "/metrics")
        assert (status, "heard_total 3.0" in body.decode()) == (200, True)
        assert headers["Content-Type"].startswith("text/plain")
        status, body, headers = get(server, "/metrics", headers={"Accept-Encoding": "gzip"})
        assert headers["Content-Encoding"] == "gzip"
        assert b"heard_total 3.0" in gzip.decompress(body)
        wrong = {"Accept": "application/openmetrics-text; version=1.0.x"}
        assert get(server, "/metrics", headers=wrong)[0] == 200
        right = {"Accept": "application/openmetrics-text; version=1.0.0,*/*;q=0.1"}
        assert get(server, "/metrics", headers=right)[1].endswith(b"# EOF\n")
        assert get(server, "/metrics?name[]=none")[1] == b""
        assert get(server, "/healthz")[:2] == (200, b"ready\n")
        assert get(server, "/%68ealthz")[0] == 200
        assert get(server, "/healthz", "HEAD")[:2] == (200, b"")
        assert get(server, "/")[0] == 404
        assert get(server, "/metrics", "POST")[0] == 405
    with pytest.raises(ConnectionRefusedError):
        connected(server)
    server.shutdown()  # once more does nothing


def test_not_healthy_and_a_check_that_fails() -> None:
    with serving(health=lambda: (False, "not ready: waits")) as server:
        assert get(server, "/healthz")[:2] == (503, b"not ready: waits\n")

    def broken() -> tuple[bool, str]:
        raise ValueError("the state is gone")

    with serving(health=broken) as server:
        assert get(server, "/healthz")[0] == 500
        assert get(server, "/metrics")[0] == 200


def test_a_hundred_idle_connections_delay_nobody() -> None:
    """None of them has to end first: their time is longer than the test's."""
    with serving(Limits(head_s=600.0, connections=200)) as server, ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(connected(server))
        assert get(server, "/healthz")[0] == 200
        assert get(server, "/metrics")[0] == 200


def test_where_all_places_are_taken_who_waits_longest_gives_way() -> None:
    with serving(Limits(head_s=600.0, connections=3)) as server, ExitStack() as stack:
        idle = [stack.enter_context(connected(server)) for _ in range(3)]
        assert get(server, "/healthz")[0] == 200
        assert said(idle[0]) == b""
        idle[2].sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert said(idle[2]).startswith(b"HTTP/1.1 200 OK")


def test_health_is_told_while_a_scrape_goes_on() -> None:
    hold, inside = threading.Event(), threading.Event()

    class Slow:
        def collect(self) -> list[object]:
            inside.set()
            hold.wait(SOON_S)
            return []

    registry = CollectorRegistry()
    server = serve("127.0.0.1", 0, registry, lambda: (True, "ready"))
    registry.register(Slow())  # type: ignore[arg-type]
    inside.clear()
    try:
        with connected(server) as scrape:
            scrape.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert inside.wait(SOON_S)
            assert get(server, "/healthz")[0] == 200
            hold.set()
            assert said(scrape).startswith(b"HTTP/1.1 200 OK")
    finally:
        hold.set()
        server.shutdown()


def test_a_request_byte_by_byte_is_heard_within_its_time_alone() -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with serving(Limits(head_s=SOON_S)) as server, connected(server) as slow:
        for i in range(len(request)):
            slow.sendall(request[i : i + 1])
        assert said(slow).endswith(b"ready\n")
    with serving() as server, connected(server) as slow:
        ended = threading.Event()

        def drip() -> None:
            """Bytes come faster than any time-out of single reads, and no end does."""
            try:
                while not ended.wait(0.02):
                    slow.sendall(b"G")
            except OSError:
                pass  # as it should be

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            answer = said(slow)
        finally:
            ended.set()
            dripping.join()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("half", [b"", b"GET /metr", b"GET /metrics HTTP/1.1\r\nHost: x\r\n"])
def test_half_a_request_ends(half: bytes) -> None:
    with serving() as server:
        with connected(server) as waits:
            waits.sendall(half)
            assert said(waits).startswith(b"HTTP/1.1 408 ")
        with connected(server) as leaves:
            leaves.sendall(half)
            leaves.shutdown(socket.SHUT_WR)
            assert said(leaves) == b""
        assert get(server, "/healthz")[0] == 200


def test_a_head_of_ten_megabytes_is_refused_unread() -> None:
    with serving(Limits(head_s=SOON_S)) as server, connected(server) as huge:
        try:
            huge.sendall(b"GET /metrics HTTP/1.1\r\n" + b"x: " + b"y" * 10_000_000)
        except OSError:
            sent_all = False
        else:
            sent_all = said(huge) == b""
        assert not sent_all
        assert get(server, "/healthz")[0] == 200


def test_who_does_not_read_its_answer_is_left() -> None:
    registry = CollectorRegistry()
    Counter("wide", "w" * 20_000_000, registry=registry)  # more than the kernel's buffers hold
    server = serve("127.0.0.1", 0, registry, lambda: (True, ""), Limits(answer_s=1.0))
    try:
        with connected(server) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert get(server, "/healthz")[0] == 200
            deadline = time.monotonic() + SOON_S
            while len(server._places._tasks):
                assert time.monotonic() < deadline
                time.sleep(0.01)
    finally:
        server.shutdown()


def test_its_end_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    with ExitStack() as stack:
        with serving(Limits(head_s=600.0)) as server:
            waits = [stack.enter_context(connected(server)) for _ in range(3)]
            assert get(server, "/healthz")[0] == 200
        assert [said(one) for one in waits] == [b""] * 3
    assert not caplog.records


def test_a_port_that_is_taken_is_one_line() -> None:
    with serving() as server, pytest.raises(BrokerError, match="Name another with --metrics-port"):
        serve("127.0.0.1", server.server_port, CollectorRegistry(), lambda: (True, ""))
    with pytest.raises(BrokerError, match="cannot listen"):
        serve("127.0.0.1", 70_000, CollectorRegistry(), lambda: (True, ""))


@given(
    st.binary(max_size=200)
    | st.lists(
        st.sampled_from([b"GET", b"HEAD", b" ", b"/metrics", b"//[", b"%zz", b"?a=%", b" HTTP/1.1",
                         b"\r\n", b"\n", b"Host: x", b": ", b"\0", b"\xff"]), max_size=12,
    ).map(b"".join)
)  # fmt: skip
def test_any_bytes_are_a_request_or_refused(head: bytes) -> None:
    status = 0
    try:
        request = parse(head + b"\r\n\r\n")
    except RequestError as error:
        status = error.status.value
    else:
        assert request.method in ("GET", "HEAD")
    assert status == 0 or 400 <= status < 500
