"""The ledger: what was done to alerts after they were written shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import orjson
import pytest

from pipeline.outputs.ledger import Audit, Ledger
from schemas import topics
from schemas.columns import Output

Lines = list[tuple[str, bytes]]


def alert(n: int, topic: str = topics.ALERTS) -> Output:
    id_ = f"{topics.RAW}-0-{n}-0"
    event = {"id": id_, "source": "s", "parameter": "/S/A", "sentence": f"A is {n}."}
    return Output(topic, id_, b"s:/S/A", b"", 1, "limit", event)


def written() -> tuple[Lines, Ledger]:
    """Eight alerts, every third one of a shadow model."""
    ledger = Ledger()
    every = [alert(n, topics.SHADOW if n % 3 == 0 else topics.ALERTS) for n in range(8)]
    made = [*ledger.enter(enumerate(every[:3])), *ledger.enter(enumerate(every[3:]))]
    return [(o.topic, o.value) for _, o in made], ledger


def entered(ledger: Ledger, output: Output) -> Output:
    [(_, made)] = ledger.enter([(0, output)])
    return made


def findings(lines: Lines) -> list[str]:
    book = Audit()
    return [found for topic, value in lines for found in book.read(topic, value)]


def test_what_was_written_follows_and_ends_at_the_head() -> None:
    lines, ledger = written()
    book = Audit()
    assert [f for topic, value in lines for f in book.read(topic, value)] == []
    kept = [book.books[topic, "s"] for topic in topics.ALERTS_OF_ALL]
    assert [b.head for b in kept] == [h.tobytes().hex() for h in ledger.state["head"]]
    assert [b.alerts for b in kept] == ledger.state["count"].tolist() == [5, 3]


def flipped(lines: Lines) -> Lines:
    topic, value = lines[4]
    return [*lines[:4], (topic, value.replace(b"A is 4", b"A is 5")), *lines[5:]]


def left_out(lines: Lines) -> Lines:
    return [*lines[:4], *lines[5:]]


def put_in(lines: Lines) -> Lines:
    topic, value = lines[4]
    other = {**orjson.loads(value), "sentence": "A is well."}
    return [*lines[:5], (topic, orjson.dumps(other)), *lines[5:]]


def swapped(lines: Lines) -> Lines:
    return [*lines[:4], lines[5], lines[4], *lines[6:]]


def of_another_program(lines: Lines) -> Lines:
    entry = {"number": 0, "before_sha256": "00" * 32}
    odd = [b'["[/a]"]', b"{}", orjson.dumps({"id": "a", "source": [], "ledger": entry}),
           orjson.dumps({"id": "a", "source": "s", "ledger": {**entry, "number": -1}}),
           orjson.dumps({"id": "a", "source": "s", "ledger": {**entry, "before_sha256": ""}})]  # fmt: skip
    assert all(findings([(topics.ALERTS, one)]) for one in odd)
    return [*lines, *((topics.ALERTS, one) for one in odd)]


def unledgered(lines: Lines) -> Lines:
    return [*lines, (topics.ALERTS, b'{"id": "x", "source": "s"}')]


def torn(lines: Lines) -> Lines:
    topic, value = lines[4]
    return [*lines[:4], (topic, value[:-9]), *lines[5:]]


@pytest.mark.parametrize(
    "done", [flipped, left_out, put_in, swapped, unledgered, torn, of_another_program]
)
def test_what_was_done_to_alerts_is_found(done: Callable[[Lines], Lines]) -> None:
    assert findings(done(written()[0]))


def test_repeats_after_a_crash_and_a_topic_that_lost_its_beginning_are_no_findings() -> None:
    lines, _ = written()
    again = [*lines[:6], *lines[3:6], *lines[6:]]
    assert findings(again) == []
    assert findings(lines[3:]) == []


def test_other_settings_make_a_seam_that_is_told_and_no_finding() -> None:
    """A worker that computes its state anew with them begins another ledger; with the same it may
    not."""
    lines, _ = written()
    again = Ledger()
    for made_by, told in (({"settings": "x"}, True), (None, False)):
        made = alert(0)
        if made_by:
            made = dataclasses.replace(made, draft={**(made.draft or {}), "fingerprint": made_by})
        more = entered(again, made)
        book = Audit()
        found = [f for t, v in [*lines, (more.topic, more.value)] for f in book.read(t, v)]
        assert bool(found) is not told
        assert bool(book.books[topics.ALERTS, "s"].seams) is told
        again = Ledger()


def test_only_the_head_tells_that_the_last_alert_was_changed() -> None:
    lines, ledger = written()
    topic, value = lines[-1]
    book = Audit()
    for where, what in [*lines[:-1], (topic, value.replace(b"A is 7", b"A is 6"))]:
        assert not list(book.read(where, what))
    assert book.books[topics.ALERTS, "s"].head != ledger.state["head"][0].tobytes().hex()


def test_other_outputs_pass_as_they_are_and_a_restored_ledger_goes_on() -> None:
    ledger = Ledger()
    sample = Output(topics.SAMPLES, "x", b"s", b"frame")
    assert entered(ledger, sample) is sample
    entered(ledger, alert(0))
    other = Ledger()
    other.restore(ledger.snapshot())
    assert dataclasses.asdict(entered(other, alert(1))) == dataclasses.asdict(
        entered(ledger, alert(1))
    )
