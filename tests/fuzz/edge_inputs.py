"""What strangers send to the edges: requests, addresses, and packets whose texts begin formulas."""

from __future__ import annotations

import random
import struct

from tests.fuzz.inputs import Input, bytes_input, text_input
from tests.fuzz.mutate import WORDS, damage, damage_text

# --- requests ----------------------------------------------------------------------------------

_TARGETS = (
    "/metrics",
    "/healthz",
    "/",
    "/metrics?name[]=heard_total",
    "/%6detrics",
    "http://x/metrics",
    "//[",
    "*",
)
_HEADERS = (
    "Host: x", "Accept: application/openmetrics-text; version=1.0.0", "Accept-Encoding: gzip",
    "accept-encoding:identity;q=0", "User-Agent: \t Prometheus/3 ", "Content-Length: 99", "X: ", "Accept: \xff",
)  # fmt: skip
_PIECES = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b":", b"\0", b"\xff", b"%", b"?name[]=%", b"&;=", b"[", b"HTTP/9.9",
    b"POST", b"a" * 9000, b"Accept: " + b"q;" * 9000, b"GET / HTTP/1.1\r\n\r\n",
)  # fmt: skip


def request(rnd: random.Random) -> Input:
    """A request, valid or changed; now and then no request at all."""
    if rnd.random() < 0.1:
        return bytes_input(rnd.randbytes(rnd.choice((0, 1, 5, 500, 40_000))), False)
    headers = rnd.sample(_HEADERS, rnd.randint(0, len(_HEADERS)))
    first = f"{rnd.choice(('GET', 'GET', 'HEAD', 'PUT'))} {rnd.choice(_TARGETS)} HTTP/1.{rnd.randint(0, 1)}"
    content = "\r\n".join((first, *headers, "", "")).encode("latin-1")
    for _ in range(rnd.choice((0, 1, 1, 2, 4))):
        at = rnd.randint(0, len(content))
        how = rnd.randrange(3)
        if how:
            content = content[:at] + rnd.choice(_PIECES) + content[at + rnd.choice((0, 1, 9)) :]
        else:
            content = damage(rnd, content, 1)
    return bytes_input(content, True)


# --- addresses ---------------------------------------------------------------------------------

_ADDRESSES = (
    "127.0.0.1:9092", "kafka-1:9092,kafka-2:9092", "[::1]:9092", "bücher.example:1", "10.1.0.0/16",
    "fd00::/8", "udp://:10000", "tcp-listen://127.0.0.1:1", "tcp://[fe80::1]:65535", "::ffff:10.1.2.3",
)  # fmt: skip
_MARKS = (
    ":",
    ",",
    "/",
    "[",
    "]",
    "%",
    "@",
    "..",
    "-",
    "\x1b[2J",
    "\n",
    "١",
    "。",
    "65536",
    "x" * 64,
    "::",
    "%eth0",
)


def address(rnd: random.Random) -> Input:
    """What is given as --bootstrap, --allow or an input's URL."""
    if rnd.random() < 0.1:
        return text_input("".join(rnd.choice((*_MARKS, *WORDS)) for _ in range(5)), False)
    text = rnd.choice(_ADDRESSES)
    if rnd.random() < 0.5:
        at = rnd.randint(0, len(text))
        text = text[:at] + rnd.choice(_MARKS) + text[at + rnd.randint(0, 2) :]
    return text_input(damage_text(rnd, text, (*_ADDRESSES, *_MARKS), 2), True)


# --- tables ------------------------------------------------------------------------------------

_STARTS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "＝",
    "＋",
    "－",
    "＠",
    '"',
    ",",
    ";",
    "'",
    "a",
    "-1",
    "=1+1",
    "",
)
TEXT_BYTES = 12


def start(rnd: random.Random, most: int) -> str:
    """A text that begins as formulas, rows or quotes do."""
    text = "".join(rnd.choice(_STARTS) for _ in range(rnd.randint(1, 4)))
    return text.encode()[:most].decode("utf-8", "ignore")


def packets(rnd: random.Random) -> Input:
    """(text, float, enumeration) of each packet; some texts are no UTF-8."""
    rows = []
    for _ in range(rnd.randint(1, 40)):
        text = start(rnd, TEXT_BYTES).encode() if rnd.random() < 0.8 else rnd.randbytes(TEXT_BYTES)
        number = rnd.choice((-1.5, 0.0, float("-inf"), float("nan"), rnd.gauss(0, 1e6)))
        rows.append((text.ljust(TEXT_BYTES, b"\0"), number, rnd.randint(-3, 3)))
    content = b"".join(
        struct.pack(">HHH", 0x0805, 0xC000 | i, TEXT_BYTES + 4)
        + text
        + struct.pack(">fb", number, label)
        for i, (text, number, label) in enumerate(rows)
    )
    return Input((rows, content), len(content), True)
