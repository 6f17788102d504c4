"""Pauses, threads and questions: the parts that both streams are made of."""

from __future__ import annotations

import asyncio
import threading
import time
from itertools import pairwise

import pytest

from mqd.streams.backoff import Backoff
from mqd.streams.connection import Connection
from mqd.streams.refusals import ConnectionDropped, KeysRefused, NotPermitted
from mqd.streams.thread import StreamThread, away


@pytest.mark.case(66)
def test_pauses_double_up_to_the_longest_and_start_again_after_a_success() -> None:
    pauses = Backoff(1.0, 5.0, lambda: 1.0)
    assert [pauses.pause_s() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    pauses.reset()
    assert pauses.pause_s() == 1.0
    assert pauses.longest_pause_s() == 5.0
    assert pauses.pause_s() == 5.0


@pytest.mark.case(66)
def test_chance_takes_away_half_at_the_most() -> None:
    assert Backoff(1.0, 5.0, lambda: 0.0).pause_s() == 0.5
    assert Backoff(1.0, 5.0, lambda: 0.5).pause_s() == 0.75
    assert Backoff(8.0, 5.0, lambda: 1.0).pause_s() == 5.0


@pytest.mark.rule("first_pause", "longest_pause")
def test_what_nobody_foresaw_is_told_and_begun_again_after_a_pause_that_grows() -> None:
    told: list[BaseException] = []
    began_s: list[float] = []
    went_on = threading.Event()

    async def breaks() -> None:
        began_s.append(time.monotonic())
        if len(began_s) <= 4:
            raise ZeroDivisionError(len(began_s))
        went_on.set()
        await asyncio.Event().wait()

    thread = StreamThread("t", breaks, Backoff(0.05, 0.2, lambda: 1.0), told.append)
    thread.start()
    assert went_on.wait(5)
    assert thread.is_alive
    assert thread.stop(5)
    assert [str(error) for error in told] == ["1", "2", "3", "4"]
    assert thread.failure is told[-1]
    pauses_s = [later - earlier for earlier, later in pairwise(began_s)]
    for pause_s, least_s in zip(pauses_s, (0.05, 0.1, 0.2, 0.2), strict=True):
        assert least_s <= pause_s < least_s + 0.5


def test_a_thread_that_waits_to_begin_again_stops_at_once() -> None:
    broke = threading.Event()

    async def breaks() -> None:
        raise ZeroDivisionError

    thread = StreamThread("t", breaks, Backoff(30.0, 60.0, lambda: 1.0), lambda _e: broke.set())
    thread.start()
    assert broke.wait(5)
    started_s = time.monotonic()
    assert thread.stop(5)
    assert time.monotonic() - started_s < 1.0


def test_a_coroutine_that_ends_by_itself_is_not_begun_again() -> None:
    runs: list[None] = []

    async def ends() -> None:
        runs.append(None)

    thread = StreamThread("t", ends, Backoff(0.01, 0.02, lambda: 1.0))
    thread.start()
    time.sleep(0.2)
    assert not thread.is_alive
    assert len(runs) == 1


def test_a_question_is_answered_or_its_error_raised_where_it_was_asked() -> None:
    async def ask() -> tuple[int, str]:
        found = await away(lambda: 7)
        with pytest.raises(ZeroDivisionError):
            await away(lambda: 1 // 0)
        return found, threading.current_thread().name

    assert asyncio.run(ask()) == (7, "MainThread")


def test_nobody_waits_at_the_end_for_a_question_without_an_answer() -> None:
    async def ask() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await away(lambda: time.sleep(1.0))

    started = time.monotonic()
    asyncio.run(ask())
    assert time.monotonic() - started < 0.5


class Scripted:
    """A wire and its listener; each connection ends with the next error of the script."""

    def __init__(self, *ends: Exception) -> None:
        self.ends = list(ends)
        self.said: list[str] = []
        self.fails_when_looked: Exception | None = None

    async def open(self) -> None:
        if not self.ends:
            await asyncio.Event().wait()
        raise self.ends.pop(0)

    async def receive(self) -> bytes:
        raise AssertionError

    async def close(self) -> None:
        self.said.append("closed")

    async def lost(self) -> None:
        self.said.append("lost")

    async def listening(self) -> None:
        self.said.append("listening")

    async def heard(self, _frame: object) -> None: ...

    async def looked(self) -> None:
        if self.fails_when_looked is not None:
            raise self.fails_when_looked

    async def locked_out(self, reason: str) -> None:
        self.said.append(f"locked out: {reason}")

    async def puzzled(self, reason: str) -> None:
        self.said.append(reason)


def run(script: Scripted) -> list[str]:
    async def go() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await Connection(script, script, Backoff(0.01, 0.05, lambda: 0.5)).run()

    asyncio.run(go())
    return script.said


def test_a_fault_of_our_own_is_told_and_the_stream_goes_on() -> None:
    said = run(Scripted(KeyError("a bug"), ConnectionDropped("x"), NotPermitted("no")))
    assert said == ["lost", "lost", "KeyError: 'a bug'", "closed", "lost", "closed", "lost", "no",
                    "closed", "closed"]  # fmt: skip


def test_a_fault_while_nobody_is_connected_is_told_once() -> None:
    script = Scripted(*(ConnectionDropped("x") for _ in range(5)))
    script.fails_when_looked = OSError("disk")
    said = run(script)
    assert said.count("OSError: disk") == 1


class Deaf(Scripted):
    """A wire that keeps a cancellation to itself, as the goodbye of websockets does."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at = at
        self.is_there = threading.Event()
        self.opened = 0

    async def _say(self, word: str) -> None:
        if word != self.at:
            return
        self.is_there.set()
        try:
            await asyncio.sleep(30.0)
        except asyncio.CancelledError:
            if self.opened > 3:
                raise  # so that a failing test ends

    async def open(self) -> None:
        self.opened += 1
        await self._say("open")

    async def receive(self) -> bytes:
        await self._say("receive")
        if self.at == "close":
            raise ConnectionDropped("gone")
        return b""

    async def close(self) -> None:
        await self._say("close")
        await super().close()


@pytest.mark.case(66)
@pytest.mark.parametrize("at", ["open", "receive", "close"])
def test_a_stop_is_heeded_also_where_the_wire_keeps_it_to_itself(at: str) -> None:
    wire = Deaf(at)
    connection = Connection(wire, wire, Backoff(0.01, 0.02, lambda: 1.0))
    thread = StreamThread("t", connection.run, Backoff(0.01, 0.02, lambda: 1.0))
    thread.start()
    assert wire.is_there.wait(5)
    assert thread.stop(2)
    assert thread.failure is None
    assert wire.opened == 1
    assert wire.said.count("closed") == 1


class Turned(Deaf):
    """A wire whose keys are refused for good, and that is deaf while it says goodbye."""

    async def open(self) -> None:
        self.opened += 1
        raise KeysRefused("no")

    async def close(self) -> None:
        if self.opened > 1:
            await super().close()


@pytest.mark.case(66)
def test_a_stop_is_heeded_in_the_last_goodbye_too_and_nothing_goes_on_after_it() -> None:
    wire = Turned("close")
    went_on = threading.Event()

    async def main() -> None:
        await Connection(wire, wire, Backoff(0.01, 0.02, lambda: 1.0)).run()
        went_on.set()

    thread = StreamThread("t", main, Backoff(0.01, 0.02, lambda: 1.0))
    thread.start()
    assert wire.is_there.wait(5)
    assert thread.stop(2)
    assert not went_on.is_set()
