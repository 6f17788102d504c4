from __future__ import annotations

import threading

import pytest

from mqd.brokers.alpaca.lanes import ALL_LANES, Lane, Lanes
from mqd.ground.errors import BrokerUnavailableError

URGENT = frozenset({Lane.URGENT})


@pytest.fixture
def lanes():
    return Lanes(4)


def test_exits_and_cancels_go_first_and_snapshots_last(lanes, make):
    commands = [make.snapshot(), make.look_up(attempt=9), make.submit(), make.submit("exit"),
                make.cancel(attempt=5)]  # fmt: skip
    for command in commands[1:]:
        lanes.put(command)
    taken = [lanes.take(ALL_LANES) for _ in range(2)]
    lanes.put(commands[0])
    taken += [lanes.take(ALL_LANES) for _ in range(3)]
    assert taken == [commands[3], commands[4], commands[2], commands[1], commands[0]]


@pytest.mark.case(86)
def test_requests_about_one_order_keep_their_order(lanes, make):
    lanes.put(make.submit())
    lanes.put(make.cancel())
    lanes.put(make.look_up())
    assert lanes.take(ALL_LANES) == make.submit()
    waiting = threading.Thread(target=lambda: taken.append(lanes.take(ALL_LANES)))
    taken: list = []
    waiting.start()
    waiting.join(0.1)
    assert not taken  # the order itself is still under way
    lanes.done(make.submit())
    waiting.join(5)
    assert taken == [make.cancel()]
    lanes.done(make.cancel())
    assert lanes.take(ALL_LANES) == make.look_up()


def test_a_worker_takes_only_from_its_lanes(lanes, make):
    lanes.put(make.submit())
    lanes.put(make.cancel())
    lanes.put(make.submit("exit"))
    assert lanes.take(URGENT) == make.submit("exit")


@pytest.mark.rule("most_queued")
def test_a_full_queue_says_so_and_still_has_room_for_exits(lanes, make):
    for attempt in range(4):
        lanes.put(make.submit(attempt=attempt))
    with pytest.raises(BrokerUnavailableError):
        lanes.put(make.submit(attempt=4))
    for attempt in range(4):
        lanes.put(make.submit("exit", attempt))
    with pytest.raises(BrokerUnavailableError):
        lanes.put(make.cancel(attempt=9))
    assert len(lanes) == 8


def test_a_question_that_waits_is_asked_once_as_the_newer_one(lanes, make):
    lanes.put(make.snapshot(make.now_ns))
    lanes.put(make.snapshot(make.now_ns + 1))
    lanes.put(make.look_up())
    lanes.put(make.look_up()._replace(at_ns=make.now_ns + 5))
    assert len(lanes) == 2
    assert lanes.take(ALL_LANES).at_ns == make.now_ns + 5
    assert lanes.take(ALL_LANES).at_ns == make.now_ns + 1


def test_a_question_stays_before_what_was_sent_after_it(lanes, make):
    lanes.put(make.look_up("exit"))
    lanes.put(make.submit("exit"))
    lanes.put(make.look_up("exit")._replace(at_ns=make.now_ns + 5))
    taken = []
    for _ in range(3):
        taken.append(lanes.take(ALL_LANES))
        lanes.done(taken[-1])
    assert [type(each).__name__ for each in taken] == ["LookUpOrder", "SubmitOrder", "LookUpOrder"]


def test_closing_wakes_who_waits_and_hands_back_what_waited(lanes, make):
    taken: list = []
    waiting = threading.Thread(target=lambda: taken.append(lanes.take(URGENT)))
    waiting.start()
    lanes.put(make.submit())
    assert lanes.close() == (make.submit(),)
    waiting.join(5)
    assert taken == [None]
    with pytest.raises(BrokerUnavailableError):
        lanes.put(make.submit())
