"""Who may send to a port, and what of them stands in the log."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.host.door import TOLD_EVERY_S, Door, Seldom, door, named
from agents.host.errors import BrokerError


@pytest.mark.parametrize(
    ("peer", "admitted"),
    [
        (("10.1.2.3", 5), True), (("10.2.0.0", 5), False), (("192.0.2.7", 5), True),
        (("192.0.2.8", 5), False), (("::ffff:10.1.2.3", 5, 0, 0), True), (("fd00::1", 5, 0, 0), True),
        (("fe80::1%eth0", 5, 0, 2), False), (("::ffff:10.9.2.3", 5, 0, 0), False),
    ],
)  # fmt: skip
def test_networks(peer: tuple[str, int], admitted: bool) -> None:
    assert door(["10.1.0.0/16", "192.0.2.7", " fd00::/8"], 1.0).admits(peer) == admitted
    assert Door().admits(peer)


@pytest.mark.parametrize(
    "text", ["", "10.1.0.0/33", "station", "10.1/16", "10.1.0.0/16,10.2.0.0/16", "\0"]
)
def test_what_is_no_network_is_told(text: str) -> None:
    with pytest.raises(BrokerError, match="is no network"):
        door([text], 1.0)
    with pytest.raises(BrokerError, match="no number of seconds"):
        door([], float("nan"))


def test_a_line_of_the_log_is_made_of_numbers() -> None:
    assert named(("10.1.2.3", 5)) == "10.1.2.3:5"
    assert named(("fe80::1%\x1b[2J", 5, 0, 2)) == "[fe80::1]:5"


@given(st.ip_addresses(), st.ip_addresses())
def test_an_address_admits_itself_alone(
    one: ipaddress.IPv4Address, other: ipaddress.IPv4Address
) -> None:
    only = door([str(one)], 0.0)
    assert only.admits((str(one), 1)) or getattr(one, "ipv4_mapped", None)
    if one != other and not getattr(other, "ipv4_mapped", None):
        assert not only.admits((str(other), 1))


def test_a_flood_is_a_line_now_and_then() -> None:
    """now:   0  1 … 9  10  11          told: 1 at first, and 10 at second 10."""
    seldom = Seldom()
    told = [seldom.since(float(second)) for second in range(int(2 * TOLD_EVERY_S))]
    assert [n for n in told if n] == [1, int(TOLD_EVERY_S)]
