"""A process that ends at any point of any step: the next one comes to what it would have come to.

Before and after an event is appended and its outcome committed, before and after each command is
sent. The broker is a simulated one: it ends with the process and lives its day again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from mqd.model.command import Command
from mqd.model.event import BrokerEvent, Event

EVERY_POINT = os.environ.get("MQD_EVERY_POINT") == "1"
"""Without it: every point of the steps that send something; the others are those of every step."""


class Ended(BaseException):
    """The process is gone; nothing in it may catch this."""


class Fuse:
    """Counts the points that a process passes, and ends it at one of them."""

    def __init__(self, last: int | None = None) -> None:
        self.passed: list[str] = []
        self._last = last

    def burn(self, where: str) -> None:
        self.passed.append(where)
        if len(self.passed) == self._last:
            raise Ended


class Line:
    """The desk's side of the line to the broker."""

    def __init__(self, broker: Any, fuse: Fuse) -> None:
        self._broker = broker
        self._fuse = fuse

    def send(self, command: Command) -> None:
        self._fuse.burn("before send")
        self._broker.send(command)
        self._fuse.burn("after send")

    def observe(self, event: Event, *, accepted: bool) -> None:
        self._broker.observe(event, accepted=accepted)

    def replies(self) -> Iterator[BrokerEvent]:
        for reply in self._broker.replies():
            self._fuse.burn("before a reply is taken")
            yield reply


def near_a_send(passed: list[str], sends: str) -> Iterator[int]:
    """The points of steps that send, counted from 1: from the append on to the next one."""
    starts = [place for place, where in enumerate(passed) if where == "before append"]
    for start, end in zip(starts, [*starts[1:], len(passed)], strict=True):
        if sends in passed[start:end]:
            yield from range(start + 1, end + 1)


@pytest.mark.rule("RESTART_CHANGES_NOTHING", "DURABLE_BEFORE_SENT")
def test_case_76_a_process_that_ends_at_any_point(desks, runtime, proofs):
    fuse = Fuse()
    whole = runtime.KeptJournal(fuse.burn)
    came = desks.came(whole, line_to=lambda broker: Line(broker, fuse))
    points = list(near_a_send(fuse.passed, runtime.AFTER_COMMIT_TO_SEND))
    if EVERY_POINT:
        points = list(range(1, len(fuse.passed) + 1))
    assert len(points) > 50
    equal = 0
    for point in points:
        burning = Fuse(point)
        journal = runtime.KeptJournal(burning.burn)
        with pytest.raises(Ended):
            desks.start(journal, line_to=lambda broker, fuse=burning: Line(broker, fuse))
        assert desks.came(journal.left()) == came, f"point {point}: {burning.passed[-1]}"
        equal += 1
    figures = proofs.setdefault("crash_points", {"records": 0, "points": 0, "equal": 0})
    for name, more in (("records", len(whole.pairs)), ("points", len(points)), ("equal", equal)):
        figures[name] += more
    figures["rules_digest"] = desks.books["declared"].digest
