"""HOST:PORT as people write it, checked before anything is asked of the network."""

from __future__ import annotations

import ipaddress
import re

_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
EXAMPLE = "say HOST:PORT, as in 127.0.0.1:9092"


def addresses(text: str) -> list[tuple[str, int]]:
    """Parse HOST:PORT[,HOST:PORT …]; IPv6 in brackets. ValueError says which is wrong, and why."""
    return [address_of(one.strip()) for one in text.split(",")]


def hosts_of(text: str) -> list[str]:
    """Its hosts, whatever else is wrong with it: only who would be contacted matters."""
    return [one.strip().rsplit(":", 1)[0].strip("[]") for one in text.split(",")]


def address_of(text: str) -> tuple[str, int]:
    """Host and port. ValueError says what is wrong with it."""
    if not text:
        raise ValueError(f"an empty address: {EXAMPLE}")
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.startswith("[")):
        raise ValueError(f"{text!r} has no port: {EXAMPLE}")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r}: {port!r} is no port (1 to 65535)")
    return checked_host(host), int(port)


def checked_host(host: str) -> str:
    """A valid host name or an address, without the brackets of IPv6; else ValueError."""
    if host.startswith("["):
        bare = host.removeprefix("[").removesuffix("]")
        try:
            ipaddress.IPv6Address(bare)
        except ValueError:
            raise ValueError(f"{host!r} is no IPv6 address") from None
        return bare
    try:
        name = host.encode("idna").decode()
    except UnicodeError:  # of an empty or an overlong part; the resolver would raise the same
        name = ""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{host!r} is no name of a host")
    return host


def is_loopback(host: str) -> bool:
    """Whether a host, by its address or its name, is this machine and nobody else can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
