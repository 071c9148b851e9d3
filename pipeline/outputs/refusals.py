"""Reports refused packets to people: why, of which container and APID, and what helps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from schemas.columns import I8, U1, Reason, Rejects

SHOWN = 6  # per reason: the most frequent containers and APIDs
HELP = {
    Reason.TRAILING_BYTES: "`allow_trailing_bytes = true` in mission.toml, or `decode "
    "--allow-trailing`, takes packets that are longer than their container",
    Reason.SEGMENT: "`segmented_apids` in mission.toml, or `decode --segmented-apid`, names APIDs "
    "whose segments are put together",
    Reason.NO_CONTAINER: "no container of the database is theirs",
    Reason.TOO_SHORT: "their container has more entries than they have bytes: is it another "
    "version of the database?",
}


class Refusal(NamedTuple):
    """container: its name, or empty if unknown. apid: -1 for bytes that are not a packet."""

    reason: int
    container: str
    apid: int


class Refusals:
    """How many packets were refused, by reason, container and APID."""

    def __init__(self) -> None:
        self.counts: Counter[Refusal] = Counter()
        self.excess = ""

    def add(
        self, rejects: Rejects, unread: Mapping[int, tuple[I8, U1]] | None = None,
        names: Sequence[str] = (), excess: str = "",
    ) -> None:  # fmt: skip
        """unread: for each container, its packets among the rejects; names: of the containers;
        excess: message about an array that is too long."""
        self.excess = self.excess or excess
        if not len(rejects):
            return
        apid = np.full(len(rejects), -1) if rejects.apid is None else rejects.apid
        container = np.full(len(rejects), -1)
        for c, (packets, _) in (unread or {}).items():
            container[np.isin(rejects.packet, packets)] = c
        every = np.column_stack([rejects.reason.astype(np.int64), container, apid])
        found, counts = np.unique(every, axis=0, return_counts=True)
        for (reason, c, a), n in zip(found.tolist(), counts.tolist(), strict=True):
            self.counts[Refusal(reason, names[c] if c >= 0 else "", a)] += n

    def merge(self, other: Refusals) -> None:
        self.counts.update(other.counts)
        self.excess = self.excess or other.excess

    def total(self) -> Counter[int]:
        """By reason."""
        found: Counter[int] = Counter()
        for refusal, n in self.counts.items():
            found[refusal.reason] += n
        return found

    def records(self) -> list[dict[str, Any]]:
        """For a summary that programs read."""
        return [
            {"reason": Reason(r.reason).word}
            | ({"container": r.container} if r.container else {})
            | ({"apid": r.apid} if r.apid >= 0 else {})
            | {"count": n}
            for r, n in sorted(self.counts.items())
        ]

    def lines(self) -> Iterator[str]:
        """One sentence for each reason."""
        for reason, total in sorted(self.total().items()):
            mine = [(n, r) for r, n in self.counts.items() if r.reason == reason]
            mine.sort(key=lambda x: (-x[0], x[1]))
            places = [f"{n} {_place(r)}" for n, r in mine[:SHOWN] if r.container or r.apid >= 0]
            more = f" and {len(mine) - SHOWN} more" if len(mine) > SHOWN else ""
            where = f" ({', '.join(places)}{more})" if places else ""
            help_ = self.excess if reason == Reason.TOO_MANY else HELP.get(Reason(reason))
            yield f"refused {Reason(reason).word}: {total}{where}{f': {help_}' if help_ else ''}"


def _place(refusal: Refusal) -> str:
    apid = f"APID {refusal.apid}" if refusal.apid >= 0 else ""
    return " of ".join(x for x in (apid, refusal.container) if x)
