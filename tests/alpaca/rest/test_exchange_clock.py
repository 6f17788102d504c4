"""The exchange's own time: whatever the exchange answers, it goes on being asked."""

from __future__ import annotations

import json
import time

import pytest

from mqd.brokers.alpaca.exchange_clock import ExchangeClock
from mqd.brokers.alpaca.session import AlpacaSession, Call
from mqd.ground.errors import BrokerUnavailableError
from mqd.ground.times import NS_PER_S, iso_utc
from mqd.runtime.clock import SystemClock

START_NS = 1_700_000_000 * NS_PER_S
SETTLES_S = 0.25


def wait_until(is_so) -> None:
    end = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)


@pytest.fixture
def clock(odd, words, make):
    odd.answer = lambda _asked: (200, json.dumps({"timestamp": iso_utc(START_NS)}))
    heard: list[Call] = []

    def hear(call: Call) -> None:
        heard.append(call)
        if len(heard) == 3:
            raise OSError("whoever counts the calls cannot any more")

    session = AlpacaSession(make.keys, odd.url, words.requests, SystemClock(), hear)
    clock = ExchangeClock(session, SystemClock(), SETTLES_S)
    yield clock
    clock.close()


def test_it_tells_the_exchange_s_time_and_never_steps_back(clock, odd):
    assert clock.now_ns() == START_NS
    odd.answer = lambda _asked: (200, json.dumps({"timestamp": iso_utc(START_NS + NS_PER_S)}))
    wait_until(lambda: clock.now_ns() == START_NS + NS_PER_S)
    odd.answer = lambda _asked: (200, json.dumps({"timestamp": iso_utc(START_NS)}))
    asked = len(odd.asked)
    wait_until(lambda: len(odd.asked) > asked + 1)
    assert clock.now_ns() == START_NS + NS_PER_S


def test_a_bar_that_is_on_its_way_comes_before_the_time_after_it(clock, odd):
    odd.answer = lambda _asked: (200, json.dumps({"timestamp": iso_utc(START_NS + NS_PER_S)}))
    asked, began_s = len(odd.asked), time.monotonic()
    wait_until(lambda: len(odd.asked) > asked)
    wait_until(lambda: clock.now_ns() > START_NS)
    assert time.monotonic() - began_s >= SETTLES_S
    assert clock.now_ns() == START_NS + NS_PER_S


def test_what_came_from_there_moves_it_on_and_never_back(clock):
    clock.at_least(START_NS + NS_PER_S)
    assert clock.now_ns() == START_NS + NS_PER_S
    clock.at_least(START_NS)
    assert clock.now_ns() == START_NS + NS_PER_S


def test_a_refusal_that_names_a_time_tells_none(clock, odd):
    later = json.dumps({"timestamp": iso_utc(START_NS + NS_PER_S)})
    odd.answer = lambda _asked: (503, later)
    asked = len(odd.asked)
    wait_until(lambda: len(odd.asked) > asked + 1)
    assert clock.now_ns() == START_NS


def test_nothing_that_goes_wrong_once_stops_it_for_ever(clock, odd):
    wait_until(lambda: len(odd.asked) > 3)
    odd.answer = lambda _asked: (200, "not the time")
    asked = len(odd.asked)
    wait_until(lambda: len(odd.asked) > asked + 1)
    odd.answer = lambda _asked: (200, json.dumps({"timestamp": iso_utc(START_NS + NS_PER_S)}))
    wait_until(lambda: clock.now_ns() == START_NS + NS_PER_S)


def test_an_exchange_that_does_not_tell_it_starts_nothing(odd, words, make):
    session = AlpacaSession(make.keys, odd.url, words.requests, SystemClock(), lambda _call: None)
    with pytest.raises(BrokerUnavailableError):
        ExchangeClock(session, SystemClock(), SETTLES_S)
