"""HOST:PORT: had, or refused in words; never a traceback of the resolver's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.ground.inputs import address
from agents.host.addresses import addresses
from agents.host.errors import BrokerError


def test_addresses() -> None:
    assert addresses("127.0.0.1:9092") == [("127.0.0.1", 9092)]
    assert addresses("kafka:1, [::1]:65535,a-b.c_d.:9") == [
        ("kafka", 1),
        ("::1", 65535),
        ("a-b.c_d.", 9),
    ]
    assert addresses("bücher.example:9092") == [("bücher.example", 9092)]


WRONG = {
    "": "an empty address", "kafka:1,": "an empty address", "kafka": "has no port",
    "[::1]": "has no port", "::1:9092": "has no port", "127.0.0.1:19602x": "'19602x' is no port",
    "kafka:": "'' is no port", "kafka:0": "is no port", "kafka:65536": "is no port",
    "kafka:-1": "is no port", "kafka:٣": "is no port", ":9092": "is no name of a host", "a b:1": "is no name",
    "a..b:1": "is no name", f"{'x' * 64}:1": "is no name", "a\0:1": "is no name", "\x1b[2J:1": "is no name",
    "[::g]:1": "no IPv6 address", "http://kafka:9092": "has no port", "user@kafka:1": "is no name", "-:1": "is no name",
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=WRONG[text]) as error:
        addresses(text)
    assert str(error.value).isprintable()


@given(st.text(max_size=80) | st.text("ab.:-[]0١,", max_size=20))
def test_any_text_is_addresses_or_refused(text: str) -> None:
    found, said = [], ""
    try:
        found = addresses(text)
    except ValueError as error:
        said = str(error)
    assert said.isprintable()
    assert bool(found) != bool(said)
    for host, port in found:
        assert 0 < port < 65536
        host.encode("idna")  # the resolver's own first step


@pytest.mark.parametrize("host", ["x" * 64, "a..b", "a b", "[::g]", "%00"])
@pytest.mark.parametrize("scheme", ["udp", "tcp", "tcp-listen"])
def test_an_input_whose_host_is_none(scheme: str, host: str) -> None:
    with pytest.raises(BrokerError, match="Input"):
        address(f"{scheme}://{host}:1")
    assert address(f"{scheme}://[::1]:1") == ("::1", 1)
