"""The stream of the broker's news over a real socket that misbehaves."""

from __future__ import annotations

import json
import random
import threading
import time
from itertools import pairwise

import pytest

from mqd.brokers.alpaca.stream import TradeUpdates
from mqd.model.event import (
    FrameReceived,
    OrderOutcomeLost,
    StreamLost,
    StreamRestored,
    UnreadableReceived,
)
from mqd.ports.account import Keys

UP = ["StreamLost", "StreamRestored"]


def read(text: str, at_ns: int) -> tuple[OrderOutcomeLost, ...]:
    """A reader that keeps what it was given: the words of the desk are another test's."""
    return (OrderOutcomeLost(at_ns, str(json.loads(text)["data"]["number"])),)


@pytest.fixture
def stream(trade_server, inbox, hand_clock, stream_requests, stream_keys):
    made = []

    def make(**changed) -> TradeUpdates:
        found = {"read": read, "keys": stream_keys, "address": trade_server.url} | changed
        keys, address = found.pop("keys"), found.pop("address")
        chance = random.Random(7).random
        stream = TradeUpdates(
            keys, address, stream_requests, hand_clock, inbox, chance=chance, **found
        )
        made.append(stream)
        stream.start()
        return stream

    yield make
    for each in made:
        assert each.stop()
        assert each.failure is None


def numbers(inbox) -> list[str]:
    return [event.client_order_id for event in inbox.of(OrderOutcomeLost)]


@pytest.mark.case(205)
def test_it_is_lost_until_the_broker_says_yes_and_then_each_frame_comes_before_its_reading(
    stream, trade_server, inbox, hand_clock, eventually
) -> None:
    hand_clock.time_ns = 77
    stream()
    eventually(lambda: inbox.names == UP)
    trade_server.send(trade_server.news(1), trade_server.news(2).decode())  # binary and text
    eventually(lambda: len(numbers(inbox)) == 2)
    assert [type(event).__name__ for event in inbox.told[2:]] == [
        "FrameReceived", "OrderOutcomeLost", "FrameReceived", "OrderOutcomeLost",
    ]  # fmt: skip
    assert inbox.told[2] == FrameReceived(77, "trade_updates", trade_server.news(1).decode())
    assert {event.at_ns for event in inbox.told} == {77}
    assert inbox.lanes == {True}


@pytest.mark.case(63)
def test_a_broker_that_never_says_yes_is_never_called_restored(
    stream, trade_server, inbox, eventually
) -> None:
    trade_server.acks = False
    stream()
    eventually(lambda: trade_server.connected >= 2, 8)
    assert inbox.names == ["StreamLost"]


@pytest.mark.case(63, 66)
def test_a_cut_line_is_told_at_once_and_made_again(stream, trade_server, inbox, eventually) -> None:
    stream()
    for turn in range(3):
        eventually(lambda: trade_server.live and inbox.names[-1:] == ["StreamRestored"])
        trade_server.send(trade_server.news(turn))
        eventually(lambda turn=turn: numbers(inbox)[-1:] == [str(turn)])
        trade_server.drop()
        eventually(lambda turn=turn: len(inbox.of(StreamLost)) == turn + 2)
    eventually(lambda: inbox.names[-1] == "StreamRestored")
    told = [name for name in inbox.names if name.startswith("Stream")]
    assert told == UP * 4
    assert numbers(inbox) == ["0", "1", "2"]


@pytest.mark.case(66, 218)
def test_a_half_dead_line_is_noticed_though_nobody_says_goodbye(
    stream, trade_server, inbox, eventually
) -> None:
    stream()
    eventually(lambda: trade_server.live)
    trade_server.half_die()
    started = time.monotonic()
    eventually(lambda: len(inbox.of(StreamRestored)) == 2, 8)
    assert time.monotonic() - started > 0.5  # it is the pings that find it out
    assert inbox.names == UP * 2


def test_a_quiet_account_is_no_lost_stream(stream, trade_server, inbox, eventually) -> None:
    stream()
    eventually(lambda: inbox.names == UP)
    time.sleep(1.5)  # three times the pings' patience
    assert inbox.names == UP
    assert trade_server.connected == 1


def test_wrong_keys_end_it_when_they_were_refused_twice(
    stream, trade_server, inbox, eventually
) -> None:
    stream_ = stream(keys=Keys("PKTEST", "wrong"))
    eventually(lambda: not stream_.is_alive)
    assert trade_server.connected == 2
    assert inbox.names == ["StreamLost", "BrokerLockedOut"]
    assert "wrong" not in repr(inbox.told)


@pytest.mark.case(226)
def test_keys_revoked_while_it_runs_end_it(stream, trade_server, inbox, eventually) -> None:
    stream_ = stream()
    eventually(lambda: trade_server.live)
    trade_server.key = Keys("PKTEST", "another now")
    trade_server.drop()
    eventually(lambda: not stream_.is_alive)
    assert inbox.names == [*UP, "StreamLost", "BrokerLockedOut"]
    assert trade_server.connected == 3


def test_keys_that_are_refused_once_by_mistake_go_on(
    stream, trade_server, inbox, eventually
) -> None:
    stream_ = stream()
    eventually(lambda: trade_server.live)
    trade_server.send(
        b'{"stream":"authorization","data":{"status":"unauthorized","action":"listen"}}'
    )
    eventually(lambda: inbox.names == UP * 2)
    assert stream_.is_alive
    assert trade_server.connected == 2


def test_keys_refused_in_the_stream_itself_end_it(stream, trade_server, inbox, eventually) -> None:
    stream_ = stream()
    eventually(lambda: trade_server.live)
    said = b'{"stream":"authorization","data":{"status":"unauthorized","action":"listen"}}'
    trade_server.send(said)
    eventually(lambda: trade_server.connected == 2 and trade_server.live)
    trade_server.send(said)
    eventually(lambda: not stream_.is_alive)
    assert inbox.names == [*UP, *UP, "StreamLost", "BrokerLockedOut"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_gateway_that_lets_nobody_in_says_nothing_of_the_keys(
    stream, trade_server, inbox, eventually, status
) -> None:
    trade_server.http_status = status
    stream_ = stream()
    eventually(lambda: trade_server.connected >= 3)
    assert stream_.is_alive
    trade_server.http_status = None
    eventually(lambda: inbox.names == UP)


@pytest.mark.case(66, 67)
@pytest.mark.rule("longest_pause")
def test_a_place_that_is_taken_is_asked_for_with_the_longest_pauses(
    stream, trade_server, inbox, eventually
) -> None:
    trade_server.http_status = 429
    stream()
    eventually(lambda: trade_server.connected == 4)
    came = trade_server.came_s
    assert min(later - before for before, later in pairwise(came)) >= 0.15
    trade_server.http_status = None
    eventually(lambda: inbox.names == UP)


@pytest.mark.case(66)
@pytest.mark.rule("first_pause", "longest_pause")
def test_nobody_there_is_no_storm(stream, trade_server, inbox, eventually) -> None:
    trade_server.http_status = 503
    stream()
    time.sleep(1.5)
    assert 3 <= trade_server.connected <= 12  # 0.01..0.02, 0.04, 0.08, 0.16, then 0.15 to 0.3
    assert inbox.names == ["StreamLost"]
    trade_server.http_status = None
    eventually(lambda: inbox.names == UP)


@pytest.mark.parametrize("garbage", [b"\xff\xfe", b"[]", b"null", b'{"data":null}', b"{" * 5000])
def test_garbage_instead_of_an_answer_to_the_keys_is_tried_again(
    stream, trade_server, inbox, eventually, garbage
) -> None:
    trade_server.garbage_first = garbage
    stream()
    eventually(lambda: trade_server.connected >= 2)
    trade_server.garbage_first = None
    eventually(lambda: inbox.names == UP)


@pytest.mark.case(70, 217)
@pytest.mark.parametrize(
    "frame", [b"\xff\x00no", b"{", b"[1]", b'{"stream":"trade_updates"}', "\ud7ff"]
)
def test_what_nobody_can_read_is_kept_as_it_came_and_the_next_message_counts(
    stream, trade_server, inbox, eventually, frame
) -> None:
    stream()
    eventually(lambda: trade_server.live)
    trade_server.send(frame, trade_server.news(9))
    eventually(lambda: numbers(inbox) == ["9"])
    assert inbox.names == [*UP, "UnreadableReceived", "OrderOutcomeLost"]
    (unread,) = inbox.of(UnreadableReceived)
    assert unread.text == inbox.of(FrameReceived)[0].text != ""
    assert trade_server.connected == 1


@pytest.mark.case(68, 70)
def test_a_reader_that_fails_loses_no_message(stream, trade_server, inbox, eventually) -> None:
    def fails(text: str, _at_ns: int):
        raise RuntimeError(text)

    stream(read=fails)
    eventually(lambda: trade_server.live)
    trade_server.send(trade_server.news(1), trade_server.news(2))
    eventually(lambda: len(inbox.of(UnreadableReceived)) == 2)
    assert "RuntimeError" in inbox.of(UnreadableReceived)[0].reason


@pytest.mark.case(72, 206)
def test_news_in_a_wrong_order_and_twice_go_on_as_they_came(
    stream, trade_server, inbox, eventually
) -> None:
    """What of it counts is for the ledger, which knows every execution by its id."""
    stream()
    eventually(lambda: trade_server.live)
    trade_server.send(*(trade_server.news(number) for number in (3, 1, 1, 2)))
    eventually(lambda: numbers(inbox) == ["3", "1", "1", "2"])


@pytest.mark.case(75)
def test_a_full_inbox_counts_as_a_lost_stream_and_loses_nothing_that_came(
    stream, trade_server, inbox, eventually
) -> None:
    stream()
    eventually(lambda: trade_server.live)
    inbox.is_full = True
    trade_server.send(trade_server.news(1))
    time.sleep(0.3)
    assert inbox.names == UP
    inbox.is_full = False
    eventually(lambda: len(inbox.of(StreamRestored)) == 2)
    assert inbox.names == [*UP, "OrderOutcomeLost", *UP]


@pytest.mark.parametrize("when", ["connected", "connecting", "waiting", "full"])
def test_it_stops_soon_whatever_it_does(
    stream, trade_server, inbox, eventually, when, stream_requests
) -> None:
    trade_server.acks = when != "connecting"
    trade_server.http_status = 429 if when == "waiting" else None
    stream_ = stream()
    eventually(lambda: trade_server.connected)
    if when in {"connected", "full"}:
        eventually(lambda: trade_server.live)
    if when == "full":
        inbox.is_full = True
        trade_server.send(trade_server.news(1))
        time.sleep(0.1)
    started = time.monotonic()
    assert stream_.stop()
    assert time.monotonic() - started < 1.0
    assert not stream_.is_alive
    assert stream_.stop()  # again


def test_it_may_be_stopped_before_it_starts_from_within_and_started_again(
    stream, trade_server, inbox, eventually, stream_requests, stream_keys, hand_clock
) -> None:
    stopped = threading.Event()

    def stops(text: str, at_ns: int):
        never.stop()
        stopped.set()
        return read(text, at_ns)

    never = TradeUpdates(
        stream_keys, trade_server.url, stream_requests, hand_clock, inbox,
        read=stops, chance=lambda: 0.5,
    )  # fmt: skip
    assert never.stop()
    never.start()
    never.start()  # twice is once
    eventually(lambda: trade_server.live)
    assert trade_server.connected == 1
    trade_server.send(trade_server.news(1))  # the list-backed inbox reads on the stream's thread
    eventually(lambda: stopped.is_set() and not never.is_alive)
    never.start()
    eventually(lambda: trade_server.live)
    assert never.stop()
    assert never.failure is None


def test_a_stream_that_breaks_within_the_desk_is_told_of_and_begun_again(
    trade_server, inbox, eventually, stream_requests, stream_keys, hand_clock
) -> None:
    """A fault of our own, where nobody foresaw one: what comes later is heard all the same."""
    faults = [RuntimeError("a bug")]

    def told_time() -> int:
        if faults:
            raise faults.pop()
        return 7

    hand_clock.now_ns = told_time
    stream = TradeUpdates(
        stream_keys, trade_server.url, stream_requests, hand_clock, inbox,
        read=read, chance=lambda: 0.5,
    )  # fmt: skip
    stream.start()
    eventually(lambda: inbox.names[-1:] == ["StreamRestored"])
    trade_server.send(trade_server.news(1))
    eventually(lambda: numbers(inbox) == ["1"])
    assert inbox.names[:2] == ["StreamLost", "UnreadableReceived"]
    assert "a bug" in inbox.of(UnreadableReceived)[0].reason
    assert stream.is_alive
    assert stream.stop()
    assert isinstance(stream.failure, RuntimeError)


@pytest.mark.case(75)
def test_many_messages_come_whole_and_in_order(stream, trade_server, inbox, eventually) -> None:
    stream()
    eventually(lambda: trade_server.live)
    trade_server.send(*(trade_server.news(number) for number in range(2000)))
    eventually(lambda: len(numbers(inbox)) == 2000, 20)
    assert numbers(inbox) == [str(number) for number in range(2000)]
