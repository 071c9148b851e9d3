"""Who may send to a listening port, and how long a silent client keeps its place."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agents.host.errors import BrokerError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
IDLE_S = 3600.0
TOLD_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Door:
    """allow: networks that may send; if empty, anybody may.

    idle_s: seconds after which a client that has sent nothing is closed; 0: never.
    """

    allow: tuple[Network, ...] = ()
    idle_s: float = IDLE_S

    def admits(self, peer: Any) -> bool:
        """peer: a socket's address, of IPv4 or IPv6."""
        if not self.allow:
            return True
        address = _address(peer)
        return any(address in network for network in self.allow)


def door(allow: Iterable[str], idle_s: float) -> Door:
    """Of networks as people write them: 10.1.0.0/16, fd00::/8, 10.1.2.3. BrokerError names a wrong
    one."""
    if math.isnan(idle_s):
        raise BrokerError("--idle-s is no number of seconds.")
    return Door(tuple(_network(text) for text in allow), idle_s)


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise BrokerError(f"--allow {text!r} is no network: say 10.1.0.0/16 or 10.1.2.3.") from None


def _address(peer: Any) -> Address:
    """The address without the interface that IPv6 may name; IPv4 in IPv6 becomes IPv4."""
    address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def named(peer: Any) -> str:
    """A peer for a line of the log, built from its numbers: nothing else can be in it."""
    address, port = _address(peer), int(peer[1])
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


class Seldom:
    """Limits log lines about what a stranger can cause at will: one every TOLD_EVERY_S."""

    def __init__(self) -> None:
        self._told_at, self._untold = float("-inf"), 0

    def since(self, now: float) -> int | None:
        """How many events there were since the last line, this one included; None: log no line."""
        self._untold += 1
        if now - self._told_at < TOLD_EVERY_S:
            return None
        told, self._told_at, self._untold = self._untold, now, 0
        return told
