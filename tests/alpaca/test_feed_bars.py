"""Live bars over real sockets, with the history behind them: each minute once, in order."""

from __future__ import annotations

import random
import struct
import time
from itertools import pairwise

import msgpack
import numpy as np
import pytest

from mqd.feeds.alpaca_bars.feed import AlpacaBars, BarsSource
from mqd.feeds.bars_file import BarsTable
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.mending import mended_bars
from mqd.feeds.recorded import RecordedFeed
from mqd.feeds.samples import sample_bars
from mqd.feeds.sequence import Sequencer, Source
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S, parse_iso
from mqd.model.event import (
    BarClosed,
    BrokerLockedOut,
    FeedDefectFound,
    FrameReceived,
    SessionClosed,
    SessionOpened,
    StreamLost,
    StreamRestored,
    UnreadableReceived,
)
from mqd.ports.account import Keys

CALENDAR = ExchangeCalendar()
OPEN_NS = parse_iso("2024-11-29T14:30:00Z")  # a half day: it closes at 18:00 UTC
CLOSE_NS = parse_iso("2024-11-29T18:00:00Z")
BEFORE_NS = parse_iso("2024-11-27T21:00:00Z")  # the close of the session before
NEXT_NS = parse_iso("2024-12-02T14:30:00Z")  # the open of the session after
UP = ["StreamLost", "StreamRestored"]
MARKET = (BarClosed, SessionOpened, SessionClosed, FeedDefectFound)


def at(minute: float) -> int:
    return OPEN_NS + int(minute * NS_PER_MINUTE)


class Bench:
    """A feed between its two servers, under a clock that the test moves."""

    def __init__(self, data, rest, inbox, clock, requests, keys, make_bar) -> None:
        self.data, self.rest, self.inbox, self.clock = data, rest, inbox, clock
        self.requests, self.keys, self.make_bar = requests, keys, make_bar
        self.feed: AlpacaBars | None = None

    def start(
        self, after_ns: int | None = None, told_ns: int | None = None, **changed
    ) -> AlpacaBars:
        source = BarsSource(
            ("SPY",), self.keys, self.rest.url, self.data.url, self.requests, most_ahead_s=5.0
        )
        self.feed = AlpacaBars(
            source._replace(**changed), self.clock, CALENDAR, self.inbox, random.Random(7).random
        )
        self.feed.start(after_ns, told_ns)
        return self.feed

    def past(self, *minutes: float) -> list[BarClosed]:
        """Let the history have these minutes."""
        made = [self.make_bar(at(minute), 100.0 + minute / 4) for minute in minutes]
        self.rest.bars += made
        return made

    def live(self, *minutes: float, in_history: bool = True) -> None:
        """The minutes pass, and their bars come over the stream, one frame each."""
        for minute in minutes:
            bar = self.make_bar(at(minute), 100.0 + minute / 4)
            self.clock.time_ns = max(self.clock.time_ns, bar.at_ns)
            if in_history:
                self.rest.bars.append(bar)
            self.data.bars(bar)

    @property
    def minutes(self) -> list[float]:
        return [(bar.start_ns - OPEN_NS) / NS_PER_MINUTE for bar in self.inbox.of(BarClosed)]

    @property
    def defects(self) -> list[str]:
        return [defect.code for defect in self.inbox.of(FeedDefectFound)]

    @property
    def market(self) -> list:
        return [event for event in self.inbox.told if isinstance(event, MARKET)]


@pytest.fixture
def bench(data_server, rest_server, inbox, hand_clock, stream_requests, stream_keys, make_bar):
    made = Bench(
        data_server, rest_server, inbox, hand_clock, stream_requests, stream_keys, make_bar
    )
    made.clock.time_ns = at(-5)
    yield made
    if made.feed is not None:
        assert made.feed.stop()
        assert made.feed.failure is None
    assert made.inbox.lanes <= {False}


def table_of(bars: list[BarClosed]) -> BarsTable:
    columns = list(zip(*bars, strict=True))
    return BarsTable(
        ("SPY",),
        np.zeros(len(bars), dtype=np.int64),
        np.array(columns[2], dtype=np.int64),
        tuple(np.array(column, dtype=np.float64) for column in columns[3:]),
    )


def recorded(bars: list[BarClosed], after_ns: int | None = None) -> list:
    return list(RecordedFeed(mended_bars([table_of(bars)]), CALENDAR).events(after_ns))


# ------------------------------------------------------------------------------- a quiet day


def test_a_bar_is_told_after_its_frame_with_the_session_before_it(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0)
    eventually(lambda: bench.minutes == [0])
    bench.live(1)
    eventually(lambda: bench.minutes == [0, 1])
    assert bench.inbox.names == [*UP, "SessionOpened", "BarClosed", "BarClosed"]
    first = next(i for i, event in enumerate(bench.inbox.told) if isinstance(event, FrameReceived))
    assert [type(event).__name__ for event in bench.inbox.told[first : first + 3]] == [
        "FrameReceived", "SessionOpened", "BarClosed",
    ]  # fmt: skip
    frame = bench.inbox.of(FrameReceived)[0]
    assert '"t":"2024-11-29T14:30:00Z"' in frame.text
    assert (frame.stream, frame.at_ns) == ("bars", at(1))
    assert bench.inbox.of(BarClosed)[0].at_ns == at(1)
    assert not bench.rest.asked  # nothing was missing


def test_it_asks_for_bars_and_updated_bars_of_its_symbols(bench, eventually) -> None:
    bench.start(symbols=("SPY", "QQQ"))
    eventually(lambda: bench.inbox.names == UP)
    asked = bench.data.said[1]
    assert {key: sorted(value) for key, value in asked.items() if key != "action"} == {
        "bars": ["QQQ", "SPY"],
        "updatedBars": ["QQQ", "SPY"],
    }


@pytest.mark.case(126, 127, 131, 223)
def test_sessions_with_gaps_are_told_as_a_recorded_feed_tells_them(bench, eventually) -> None:
    """All of the sample sessions, with early closes, a holiday and missing minutes."""
    rows = sample_bars()
    bars = [event for event in RecordedFeed(rows, CALENDAR).events() if type(event) is BarClosed]
    bench.clock.time_ns = bars[0].start_ns - NS_PER_MINUTE
    bench.start(most_ahead_s=None)
    eventually(lambda: bench.inbox.names == UP)
    for bar in bars:
        bench.clock.time_ns = max(bench.clock.time_ns, bar.at_ns)
        bench.rest.bars.append(bar)
        bench.data.bars(bar)
        eventually(lambda bar=bar: bench.market and bar in bench.market[-3:], 10)
    assert bench.market == recorded(bars)


@pytest.mark.case(131, 133)
@pytest.mark.parametrize("seed", range(4))
def test_whatever_breaks_the_bars_are_those_of_a_recorded_feed(bench, eventually, seed) -> None:
    """Lines cut, frames that never come, twice or late: each minute once, in order, no hole."""
    dice = random.Random(seed)
    minutes = [minute for minute in range(210) if dice.random() > 0.05]  # no trade: no bar
    bars = [bench.make_bar(at(minute), 100.0 + dice.randint(-400, 400) / 100) for minute in minutes]
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    for number, bar in enumerate(bars):
        bench.clock.time_ns = bar.at_ns + NS_PER_S
        bench.rest.bars.append(bar)
        what = dice.choice(("tell",) * 12 + ("drop", "lose", "twice", "again"))
        if what == "drop" and bench.data.live:
            bench.data.drop()
        eventually(lambda: bench.data.live)
        if what != "lose":
            bench.data.bars(bar)
        if what == "twice":
            bench.data.bars(bar)
        if what == "again" and number > 5:
            bench.data.bars(bars[number - 3])
        if dice.random() < 0.5 and what != "lose":
            eventually(lambda bar=bar: bar in bench.inbox.told)
    bench.clock.time_ns = CLOSE_NS + 2 * NS_PER_S
    eventually(lambda: isinstance(bench.market[-1], SessionClosed))
    mine = [event for event in bench.market if getattr(event, "code", "") != "DUPLICATE_BAR"]
    expected = recorded(bars)
    if not isinstance(expected[-1], SessionClosed):  # a file that ends before its close
        expected.append(SessionClosed(CLOSE_NS, "2024-11-29"))
    assert mine == expected


def test_the_close_is_told_with_the_last_bar_and_not_a_second_time(bench, eventually) -> None:
    bench.clock.time_ns = at(207)
    bench.start(after_ns=at(207))
    eventually(lambda: bench.inbox.names == UP)
    bench.live(207, 208, 209)
    eventually(lambda: bench.inbox.of(SessionClosed))
    assert bench.inbox.told[-1] == SessionClosed(CLOSE_NS, "2024-11-29")
    bench.clock.time_ns = CLOSE_NS + 60 * NS_PER_S
    bench.live(215, in_history=False)  # trading after hours goes on
    eventually(lambda: bench.minutes == [207, 208, 209, 215])
    assert len(bench.inbox.of(SessionClosed)) == 1


def test_the_close_is_told_though_the_last_bar_never_comes(bench, eventually) -> None:
    bench.clock.time_ns = at(207)
    bench.start(after_ns=at(207))
    eventually(lambda: bench.inbox.names == UP)
    bench.live(207, 208)
    eventually(lambda: bench.minutes == [207, 208])
    bench.clock.time_ns = CLOSE_NS + NS_PER_S // 4
    time.sleep(0.3)
    assert not bench.inbox.of(SessionClosed)  # the last bar may still be on its way
    bench.clock.time_ns = CLOSE_NS + NS_PER_S
    eventually(lambda: bench.inbox.of(SessionClosed))
    assert bench.inbox.of(SessionClosed) == [SessionClosed(CLOSE_NS, "2024-11-29")]
    bench.live(209, in_history=False)
    eventually(lambda: bench.defects == ["LATE_BAR"])
    assert bench.minutes == [207, 208]


def test_the_last_bar_that_only_the_history_has_comes_before_the_close(bench, eventually) -> None:
    bench.clock.time_ns = at(209)
    bench.start(after_ns=at(209))
    eventually(lambda: bench.inbox.names == UP)
    bench.past(209)
    bench.clock.time_ns = CLOSE_NS + NS_PER_S
    eventually(lambda: bench.inbox.of(SessionClosed))
    assert bench.inbox.names[-2:] == ["BarClosed", "SessionClosed"]


# --------------------------------------------------------------- starts, restarts and warm-up


@pytest.mark.case(138)
def test_a_start_in_the_session_learns_its_minutes_from_the_history(bench, eventually) -> None:
    past = bench.past(*range(30))
    bench.past(30)  # its minute has not ended
    bench.clock.time_ns = at(30.5)
    bench.start()
    eventually(lambda: "StreamRestored" in bench.inbox.names)
    assert bench.inbox.names == [
        "StreamLost",
        "SessionOpened",
        *["BarClosed"] * 30,
        "StreamRestored",
    ]
    assert bench.inbox.of(BarClosed) == past
    assert not bench.inbox.of(FrameReceived)
    asked = bench.rest.asked[0]
    assert (asked["timeframe"], asked["feed"], asked["limit"]) == ("1Min", "iex", "10000")
    assert (asked["start"], asked["path"]) == ("2024-11-29T14:30:00Z", "/v2/stocks/bars")
    bench.clock.time_ns = at(31)
    bench.data.bars(bench.make_bar(at(30), 107.5))
    eventually(lambda: bench.minutes == list(range(31)))
    assert len(bench.rest.asked) == 1


def test_a_restart_goes_on_after_the_last_bar_and_opens_nothing_twice(bench, eventually) -> None:
    bench.past(*range(40))
    bench.clock.time_ns = at(40)
    bench.start(after_ns=at(25))
    eventually(lambda: "StreamRestored" in bench.inbox.names)
    assert bench.minutes == list(range(25, 40))
    assert not bench.inbox.of(SessionOpened)


def test_a_restart_of_another_day_closes_that_session_first(bench, eventually) -> None:
    after_ns = at(205)
    monday_ns = parse_iso("2024-12-02T14:30:00Z")
    bench.past(*range(205, 210))
    bench.rest.bars += [bench.make_bar(monday_ns + n * NS_PER_MINUTE) for n in range(3)]
    bench.clock.time_ns = monday_ns + 3 * NS_PER_MINUTE
    bench.start(after_ns=after_ns)
    eventually(lambda: "StreamRestored" in bench.inbox.names)
    assert bench.market == recorded(bench.rest.bars, after_ns)
    assert [type(event).__name__ for event in bench.market[5:7]] == [
        "SessionClosed",
        "SessionOpened",
    ]


def test_the_history_comes_in_pages_and_in_time_order(bench, eventually) -> None:
    bench.rest.page = 7
    bench.past(*range(30))
    bench.clock.time_ns = at(30)
    bench.start()
    eventually(lambda: bench.minutes == list(range(30)))
    assert len(bench.rest.asked) == 5


def test_two_symbols_whose_pages_come_one_after_the_other(bench, eventually) -> None:
    for minute in range(10):
        for symbol in ("SPY", "QQQ"):
            bench.rest.bars.append(bench.make_bar(at(minute), symbol=symbol))
    bench.rest.page = 8
    bench.clock.time_ns = at(10)
    bench.start(symbols=("SPY", "QQQ"))
    eventually(lambda: "StreamRestored" in bench.inbox.names)
    told = [(bar.start_ns, bar.symbol) for bar in bench.inbox.of(BarClosed)]
    assert told == sorted(told)
    assert len(told) == 20
    assert not bench.defects


@pytest.mark.case(138, 219)
def test_history_and_stream_give_the_same_bits(bench, eventually) -> None:
    """Every float that has a shortest decimal is the same over JSON and over msgpack."""
    dice = random.Random(11)
    bars = []
    for minute in range(60):
        prices = [round(dice.uniform(0.0001, 9000), dice.randint(0, 6)) for _ in range(4)]
        values = dict(zip(("open", "high", "low", "close"), prices, strict=True))
        volume = float(dice.randint(0, 10**9))
        bars.append(bench.make_bar(at(minute), **values, volume=volume))
    bench.rest.bars = bars[:30]
    bench.clock.time_ns = at(30)
    bench.start()
    eventually(lambda: "StreamRestored" in bench.inbox.names)
    bench.clock.time_ns = at(60)
    bench.data.bars(*bars[30:])
    eventually(lambda: len(bench.inbox.of(BarClosed)) == 60)
    for mine, sent in zip(bench.inbox.of(BarClosed), bars, strict=True):
        assert struct.pack("5d", *mine[3:]) == struct.pack("5d", *sent[3:])


def test_a_history_that_is_down_is_asked_again_and_the_stream_is_not_restored(
    bench, eventually
) -> None:
    bench.past(*range(10))
    bench.rest.is_down = True
    bench.clock.time_ns = at(10)
    bench.start()
    eventually(lambda: len(bench.rest.asked) >= 3)
    assert bench.inbox.names == ["StreamLost"]
    bench.rest.is_down = False
    eventually(lambda: bench.minutes == list(range(10)))
    eventually(lambda: bench.inbox.names[-1:] == ["StreamRestored"])


def test_a_live_bar_does_not_wait_for_a_history_that_is_down(bench, eventually) -> None:
    """Exits must go on; the hole is told, and the stream is not called restored."""
    bench.rest.is_down = True
    bench.clock.time_ns = at(10)
    bench.start()
    eventually(lambda: bench.data.live)
    bench.live(10, 11)
    eventually(lambda: bench.minutes == [10, 11])
    assert bench.defects == ["SESSION_STARTS_LATE"]
    assert "StreamRestored" not in bench.inbox.names
    bench.past(*range(10))
    bench.rest.is_down = False
    bench.live(12)
    eventually(lambda: bench.inbox.names[-1:] == ["StreamRestored"])
    assert bench.minutes[:3] == [10, 11, 12]


@pytest.mark.case(74)
@pytest.mark.rule("read_timeout")
def test_a_history_that_hangs_holds_a_bar_up_no_longer_than_its_time_limit(
    bench, eventually
) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0)
    eventually(lambda: bench.minutes == [0])
    before = bench.rest.answered
    bench.rest.is_slow_s = 10.0
    bench.live(2)
    eventually(lambda: bench.minutes == [0, 2])
    assert len(bench.rest.asked) > before == bench.rest.answered
    assert bench.defects == ["GAP"]


@pytest.mark.case(74)
def test_a_bar_that_follows_on_what_is_there_waits_for_no_answer(bench, eventually) -> None:
    """A question about something else hangs: only a minute that is missing is waited for."""
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0)
    eventually(lambda: bench.minutes == [0])
    before = bench.rest.answered
    bench.rest.is_slow_s = 10.0
    bench.clock.time_ns = at(3) + NS_PER_S  # silent: it connects again, and asks for two minutes
    eventually(lambda: bench.data.connected == 2 and bench.data.live)
    eventually(lambda: bench.rest.asked)
    bench.data.bars(bench.make_bar(at(1), 100.25))
    eventually(lambda: bench.minutes == [0, 1])
    assert bench.rest.answered == before
    assert not bench.defects


@pytest.mark.case(66, 131)
@pytest.mark.rule("first_pause")
def test_a_bar_told_just_before_the_line_was_there_is_asked_for_when_it_is_due(
    bench, eventually
) -> None:
    """The other side's clock may be ahead of ours: at the yes, our minute was not over yet."""
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0)
    eventually(lambda: bench.minutes == [0])
    bench.clock.time_ns = at(2) - NS_PER_S // 2
    bench.data.drop()
    bench.past(1)  # told while nobody listened
    eventually(lambda: bench.inbox.names[-1] == "StreamRestored" and bench.data.connected == 2)
    bench.clock.time_ns = at(2)
    eventually(lambda: bench.minutes == [0, 1])
    assert not bench.defects


@pytest.mark.case(66, 131)
def test_a_bar_that_the_history_did_not_have_at_once_is_asked_for_again(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0)
    eventually(lambda: bench.minutes == [0])
    bench.clock.time_ns = at(2)
    bench.data.drop()
    eventually(lambda: bench.inbox.names[-1] == "StreamRestored" and bench.data.connected == 2)
    bench.past(1)  # a moment too late for the question that was asked when the line was there
    eventually(lambda: bench.minutes == [0, 1])
    assert not bench.defects


@pytest.mark.case(131)
def test_a_line_that_came_back_asks_no_more_than_once_for_a_minute_without_a_trade(
    bench, eventually
) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0)
    eventually(lambda: bench.minutes == [0])
    bench.data.drop()
    eventually(lambda: bench.inbox.names[-1] == "StreamRestored" and bench.data.connected == 2)
    asked = len(bench.rest.asked)
    bench.clock.time_ns = at(2)
    eventually(lambda: len(bench.rest.asked) == asked + 1)
    time.sleep(0.3)
    assert len(bench.rest.asked) == asked + 1


@pytest.mark.parametrize("wish", [{"Retry-After": "0.2"}, {"X-Ratelimit-Reset": None}])
def test_too_many_requests_are_followed_by_the_rest_that_was_asked_for(
    bench, eventually, wish
) -> None:
    bench.past(*range(5))
    bench.clock.time_ns = at(5)
    reset_s = str(bench.clock.time_ns / NS_PER_S + 0.2)
    headers = {name: value or reset_s for name, value in wish.items()}
    bench.rest.failures = [(429, '{"code":42910000,"message":"rate limit exceeded"}', headers)]
    started = time.monotonic()
    bench.start()
    eventually(lambda: bench.minutes == list(range(5)))
    assert time.monotonic() - started >= 0.2
    assert len(bench.rest.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "<html>",
        "[]",
        "{}",
        '{"bars":[1],"next_page_token":null}',
        '{"bars":{},"next_page_token":7}',
    ],
)
def test_a_history_of_garbage_is_asked_again(bench, eventually, answer) -> None:
    bench.past(0, 1)
    bench.clock.time_ns = at(2)
    bench.rest.failures = [(200, answer, {})]
    bench.start()
    eventually(lambda: bench.minutes == [0, 1])


def test_a_row_of_history_that_is_no_bar_is_told_and_the_others_count(bench, eventually) -> None:
    bench.past(0, 1, 2)
    good = bench.rest.rows_of
    bench.rest.rows_of = lambda bars: [
        {**row, "t": None} if bars[0].start_ns == at(1) else row for row in good(bars)
    ]
    bench.clock.time_ns = at(3)
    bench.start()
    eventually(lambda: bench.inbox.names[-1:] == ["StreamRestored"])
    assert bench.minutes == [0, 2]
    assert bench.defects == ["GAP"]
    assert "t: None" in bench.inbox.of(UnreadableReceived)[0].reason


# ----------------------------------------------------------------------- streams that break


@pytest.mark.case(66)
def test_a_cut_line_leaves_no_hole_and_no_double(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0, 1)
    eventually(lambda: bench.minutes == [0, 1])
    bench.data.http_status = 503
    bench.data.drop()
    eventually(lambda: len(bench.inbox.of(StreamLost)) == 2)
    bench.past(2, 3)
    bench.clock.time_ns = at(4)
    bench.data.http_status = None
    eventually(lambda: len(bench.inbox.of(StreamRestored)) == 2)
    assert bench.minutes == [0, 1, 2, 3]
    assert bench.inbox.names[-1] == "StreamRestored"  # after the bars that were missing
    bench.data.bars(bench.make_bar(at(3), 100.75))  # the stream has the history's last bar too
    bench.live(4)
    eventually(lambda: bench.minutes == [0, 1, 2, 3, 4])
    assert not bench.defects


@pytest.mark.case(65, 216)
def test_while_the_stream_is_gone_the_history_is_asked_every_minute(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0)
    eventually(lambda: bench.minutes == [0])
    bench.data.http_status = 503
    bench.data.drop()
    eventually(lambda: len(bench.inbox.of(StreamLost)) == 2)
    for minute in range(1, 5):
        bench.past(minute)
        bench.clock.time_ns = at(minute + 1) + NS_PER_S // 10
        eventually(lambda minute=minute: bench.minutes[-1] == minute)
    assert bench.inbox.names[-1] == "BarClosed"  # still lost
    assert len(bench.rest.asked) <= 6  # not in haste


@pytest.mark.case(65, 216)
@pytest.mark.rule("stale_after_bars")
def test_a_mute_stream_in_the_session_is_lost_until_a_bar_proves_it(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0)
    eventually(lambda: bench.minutes == [0])
    bench.clock.time_ns = at(2.9)
    time.sleep(0.4)
    assert bench.inbox.names.count("StreamLost") == 1  # two bars are not due yet
    bench.past(1, 2)
    bench.clock.time_ns = at(3) + NS_PER_S  # those of the second and third minute should be here
    eventually(lambda: len(bench.inbox.of(StreamLost)) == 2)
    eventually(lambda: bench.data.connected == 2)  # a new connection, in case that helps
    eventually(lambda: bench.minutes == [0, 1, 2])  # and the history meanwhile
    time.sleep(0.3)
    assert len(bench.inbox.of(StreamRestored)) == 1  # that it says yes proves nothing now
    bench.past(3)
    bench.clock.time_ns = at(4) + NS_PER_S // 10
    eventually(lambda: bench.minutes == [0, 1, 2, 3])
    bench.live(4)
    eventually(lambda: len(bench.inbox.of(StreamRestored)) == 2)
    assert bench.minutes == [0, 1, 2, 3, 4]


@pytest.mark.case(127, 216)
@pytest.mark.rule("stale_after_bars")
def test_silence_outside_the_session_is_no_fault(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    for moment in (at(-2), CLOSE_NS + NS_PER_MINUTE, CLOSE_NS + 600 * NS_PER_MINUTE):
        bench.clock.time_ns = moment
        time.sleep(0.25)
    assert bench.inbox.names == UP


@pytest.mark.case(65, 225)
@pytest.mark.rule("stale_after_bars")
def test_a_session_that_opens_without_a_bar_is_silent_too(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.clock.time_ns = at(1.5)
    time.sleep(0.3)
    assert bench.inbox.names == UP
    bench.clock.time_ns = at(2) + NS_PER_S
    eventually(lambda: len(bench.inbox.of(StreamLost)) == 2)


@pytest.mark.case(65, 66, 225)
def test_it_stops_also_while_it_says_goodbye_to_a_line_that_went_silent(bench, eventually) -> None:
    feed = bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.data.half_die()  # so that nobody answers the goodbye
    bench.clock.time_ns = at(2) + NS_PER_S
    eventually(lambda: len(bench.inbox.of(StreamLost)) == 2)
    assert feed.stop()
    assert bench.data.connected == 1


@pytest.mark.case(65, 66, 218)
def test_a_half_dead_line_is_noticed_by_its_pings(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.data.half_die()
    eventually(lambda: bench.inbox.names == UP * 2, 8)
    assert bench.data.connected == 2


def test_a_server_that_never_welcomes_is_left(bench, eventually) -> None:
    bench.data.welcomes = False
    bench.start()
    eventually(lambda: bench.data.connected >= 2, 8)
    bench.data.welcomes = True
    eventually(lambda: bench.inbox.names == UP, 8)


@pytest.mark.case(226)
def test_wrong_keys_end_the_stream_when_they_were_refused_twice(bench, eventually) -> None:
    """The history, which takes them, goes on in its place, to the end of the session."""
    bench.start(keys=Keys("PKTEST", "the wrong secret"))
    eventually(lambda: bench.inbox.names == ["StreamLost", "BrokerLockedOut"])
    assert "the wrong secret" not in repr(bench.inbox.told)  # which the server repeats
    bench.past(0, 1, 209)
    bench.clock.time_ns = at(2) + NS_PER_S
    eventually(lambda: bench.minutes == [0, 1])
    bench.clock.time_ns = CLOSE_NS + NS_PER_S
    eventually(lambda: bench.minutes == [0, 1, 209])
    eventually(lambda: bench.inbox.of(SessionClosed))
    names = [type(event).__name__ for event in bench.market]
    assert names == [
        "SessionOpened", "BarClosed", "BarClosed", "FeedDefectFound", "BarClosed", "SessionClosed",
    ]  # fmt: skip
    assert bench.data.connected == 2
    assert not bench.inbox.of(StreamRestored)


@pytest.mark.case(226)
def test_where_the_history_refuses_the_keys_too_the_calendar_ends_the_sessions(
    bench, eventually
) -> None:
    bench.past(0)
    bench.clock.time_ns = at(1)
    bench.rest.failures = [(401, '{"message":"unauthorized."}', {})] * 99
    bench.start()
    eventually(lambda: bench.inbox.of(SessionOpened))
    edges = [
        OPEN_NS,
        CLOSE_NS,
        NEXT_NS,
        parse_iso("2024-12-02T21:00:00Z"),
    ]
    for count, edge_ns in enumerate(edges[1:], 2):
        bench.clock.time_ns = edge_ns  # and stands still: an exchange at its end does
        eventually(lambda count=count: len(bench.market) == count)
    assert [type(each) for each in bench.market] == [SessionOpened, SessionClosed] * 2
    assert [each.at_ns for each in bench.market] == edges
    assert len(bench.rest.asked) == 2
    assert len(bench.inbox.of(BrokerLockedOut)) == 1


@pytest.mark.case(226)
def test_what_traded_outside_of_sessions_comes_before_the_next_open(bench, eventually) -> None:
    """Also where that session is opened by the calendar: nothing goes back in time."""
    bench.clock.time_ns = at(208)
    bench.past(207)
    bench.start(at(207), OPEN_NS, keys=Keys("PKTEST", "the wrong secret"))
    eventually(lambda: bench.inbox.of(BrokerLockedOut))
    bench.past(208, 209)
    bench.clock.time_ns = CLOSE_NS + NS_PER_S
    eventually(lambda: bench.inbox.of(SessionClosed))
    traded = [CLOSE_NS + 30 * NS_PER_MINUTE, NEXT_NS - 60 * NS_PER_MINUTE, NEXT_NS]
    bench.rest.bars += [bench.make_bar(start_ns, 100.0) for start_ns in traded]
    bench.clock.time_ns = NEXT_NS + NS_PER_S
    eventually(lambda: bench.inbox.of(SessionOpened))
    bench.clock.time_ns = NEXT_NS + NS_PER_MINUTE + NS_PER_S
    eventually(lambda: bench.inbox.of(BarClosed)[-1].start_ns == NEXT_NS)
    assert not bench.defects
    assert [each.at_ns for each in bench.market] == sorted(each.at_ns for each in bench.market)
    assert [bar.start_ns for bar in bench.inbox.of(BarClosed)[3:]] == traded


def test_a_session_that_opened_without_a_bar_is_not_opened_again(bench, eventually) -> None:
    """Nor is what was before its open told, by a history that answers late."""
    sequence = Sequencer(CALENDAR, ("SPY",), BEFORE_NS, BEFORE_NS)
    assert [type(each) for each in sequence.open(at(5))] == [SessionOpened]
    assert not sequence.open(at(6))
    late = sequence.take(bench.make_bar(at(-30), 100.0), Source.HISTORY)
    assert [each.code for each in late] == ["LATE_BAR"]
    assert sequence.take(bench.make_bar(at(0), 100.0), Source.HISTORY)[0].start_ns == at(0)
    bench.past(0)
    bench.clock.time_ns = at(5)
    bench.start(None, OPEN_NS)
    eventually(lambda: bench.minutes == [0])
    assert not bench.inbox.of(SessionOpened)


def test_a_session_that_closed_is_not_opened_again_by_a_clock_that_is_behind() -> None:
    assert not Sequencer(CALENDAR, ("SPY",), CLOSE_NS, CLOSE_NS).open(CLOSE_NS - NS_PER_S)


def test_a_start_just_after_the_close_waits_for_the_last_bar_too(bench, eventually) -> None:
    bench.clock.time_ns = CLOSE_NS + NS_PER_S // 10
    bench.start(at(209), OPEN_NS)
    eventually(lambda: bench.inbox.names == UP)
    time.sleep(0.2)
    bench.live(209, in_history=False)
    eventually(lambda: bench.inbox.of(SessionClosed))
    assert bench.minutes == [209]


@pytest.mark.parametrize(
    "answers",
    [
        [(401, '{"message":"unauthorized."}', {})],
        [(403, "<html><h1>403 Forbidden</h1></html>", {})] * 3,
        [(401, "<html>log in first</html>", {})] * 3,
    ],
)
def test_one_odd_answer_or_a_gateway_ends_nothing(bench, eventually, answers) -> None:
    bench.past(0)
    bench.clock.time_ns = at(1)
    bench.rest.failures = answers
    bench.start()
    eventually(lambda: bench.minutes == [0])
    eventually(lambda: bench.inbox.names[-1:] == ["StreamRestored"])
    assert not bench.inbox.of(BrokerLockedOut)


@pytest.mark.case(66, 67, 218)
@pytest.mark.rule("longest_pause")
def test_a_taken_place_is_asked_for_with_the_longest_pauses(bench, eventually) -> None:
    bench.data.errors = [406, 406, 406]
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    assert bench.data.connected == 4
    assert all(later - before >= 0.15 for before, later in pairwise(bench.data.came_s))


@pytest.mark.case(67)
def test_a_place_that_is_taken_away_is_a_lost_stream(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.data.send(
        msgpack.packb([{"T": "error", "code": 406, "msg": "connection limit exceeded"}])
    )
    eventually(lambda: bench.inbox.names == UP * 2)
    first, second = bench.data.came_s
    assert second - first >= 0.15


@pytest.mark.parametrize("code", [405, 409])
def test_what_the_subscription_does_not_allow_is_told_once_and_tried_rarely(
    bench, eventually, code
) -> None:
    bench.data.on_subscribe = [code] * 3
    feed = bench.start()
    eventually(lambda: bench.inbox.names[-1:] == ["StreamRestored"])
    assert bench.inbox.names == ["StreamLost", "UnreadableReceived", "StreamRestored"]
    assert "insufficient subscription" in bench.inbox.of(UnreadableReceived)[0].reason
    assert all(later - before >= 0.15 for before, later in pairwise(bench.data.came_s))
    assert feed.is_alive


def test_a_history_that_the_subscription_does_not_allow_is_told_once(bench, eventually) -> None:
    bench.past(0)
    bench.clock.time_ns = at(1)
    said = '{"code":42210000,"message":"subscription does not permit querying recent SIP data"}'
    bench.rest.failures = [(403, said, {})] * 3
    bench.start()
    eventually(lambda: bench.minutes == [0])
    assert bench.inbox.names.count("UnreadableReceived") == 1
    assert not bench.inbox.of(BrokerLockedOut)


@pytest.mark.parametrize("code", [400, 404, 407, 500, "x", None])
def test_any_other_error_is_a_lost_connection(bench, eventually, code) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.data.send(msgpack.packb([{"T": "error", "code": code, "msg": "slow client"}]))
    eventually(lambda: bench.inbox.names == UP * 2)


# ------------------------------------------------------------------- bars that are not right


def test_a_missing_minute_is_asked_of_the_history_before_the_next_bar_goes_on(
    bench, eventually
) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0)
    bench.past(1, 2)
    bench.live(3)
    eventually(lambda: bench.minutes == [0, 1, 2, 3])
    assert not bench.defects


@pytest.mark.case(131, 219)
def test_a_minute_without_a_trade_is_a_gap(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0, 2, 3)
    eventually(lambda: bench.minutes == [0, 2, 3])
    assert bench.market == recorded([bench.make_bar(at(n), 100.0 + n / 4) for n in (0, 2, 3)])
    assert bench.defects == ["GAP"]
    assert len(bench.rest.asked) == 1


@pytest.mark.case(132, 133, 220)
def test_twice_late_and_revised_bars_are_told_and_never_decided_on(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0, 1, 2)
    eventually(lambda: bench.minutes == [0, 1, 2])
    bench.data.bars(bench.make_bar(at(1), 100.25))
    bench.data.bars(bench.make_bar(at(1), 99.0))
    bench.data.bars(bench.make_bar(at(2), 100.75, volume=1300.0), kind="u")
    bench.data.bars(bench.make_bar(at(2), 100.5), kind="u")  # revised to what it was
    bench.data.bars(bench.make_bar(at(-3)))
    eventually(lambda: len(bench.defects) == 4)
    assert bench.defects == ["DUPLICATE_BAR", "REVISED_BAR", "REVISED_BAR", "LATE_BAR"]
    assert bench.inbox.of(FeedDefectFound)[2].detail == (
        "revised: close 100.5 -> 100.75, volume 1234 -> 1300; the first bar stands"
    )
    assert bench.minutes == [0, 1, 2]


@pytest.mark.case(133, 220)
def test_bars_in_a_wrong_order_are_put_right_by_the_history(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0)
    (second,) = bench.past(1)
    bench.live(2)
    bench.data.bars(second)
    bench.live(3)
    eventually(lambda: bench.minutes == [0, 1, 2, 3])
    assert not bench.defects


def test_a_bar_of_a_minute_that_has_not_ended_is_left_out(bench, eventually) -> None:
    """One wrong stamp must not make every later bar late."""
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0)
    bench.data.bars(bench.make_bar(at(120)))
    bench.live(1)
    eventually(lambda: bench.minutes == [0, 1])
    assert bench.defects == ["BAR_TOO_EARLY"]


def test_a_bar_of_another_symbol_is_told_and_left_out(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.data.bars(bench.make_bar(at(0), symbol="TSLA"))
    eventually(lambda: bench.defects == ["FOREIGN_SYMBOL_ROW"])
    assert not bench.minutes


@pytest.mark.case(136)
def test_absurd_values_go_on_to_the_data_rules(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    odd = [-5.0, 0.0, 1e300, float("nan"), float("inf"), "12.5", None, True, {}, 10**400]
    row = {"T": "b", "S": "SPY", "o": 1, "h": 1, "l": 1, "v": 1}
    for minute, value in enumerate(odd):
        start = msgpack.Timestamp.from_unix_nano(at(minute))
        bench.clock.time_ns = at(minute + 1)
        if isinstance(value, int) and value > 1 << 64:
            continue  # msgpack itself has no such number
        bench.data.send(msgpack.packb([{**row, "c": value, "t": start}]))
    eventually(lambda: len(bench.minutes) == 9)
    closes = [bar.close for bar in bench.inbox.of(BarClosed)]
    assert closes[:3] == [-5.0, 0.0, 1e300]
    assert all(close != close for close in closes[3:])  # noqa: PLR0124  # NaN
    assert bench.data.connected == 1


@pytest.mark.case(70)
@pytest.mark.parametrize(
    "frame",
    [
        b"\xc1", b"", b"\x92\x01", "no", msgpack.packb(7), msgpack.packb([7]),
        msgpack.packb([None]),
        msgpack.packb([{"T": "b", "S": "SPY"}]), msgpack.packb([{"T": "b", "S": 5, "t": 1}]),
        msgpack.packb([{"T": "b", "S": "SPY", "t": msgpack.Timestamp(1 << 50, 0)}]),
        msgpack.packb([{"T": "b", "S": "SPY", "t": "2024-13-01"}]),
        msgpack.packb([{"T": "?"}]), msgpack.packb([{}]), msgpack.packb({b"\xff": b"\xff"}),
    ],
)  # fmt: skip
def test_what_nobody_can_read_is_kept_and_the_next_bar_counts(bench, eventually, frame) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.data.send(frame)
    bench.live(0)
    eventually(lambda: bench.minutes == [0])
    assert bench.inbox.names == [*UP, "UnreadableReceived", "SessionOpened", "BarClosed"]
    assert len(bench.inbox.of(FrameReceived)) == 2
    assert bench.data.connected == 1


@pytest.mark.case(70, 217)
def test_one_bad_message_in_a_frame_spoils_no_other(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    start = msgpack.Timestamp.from_unix_nano(at(0))
    good = {"T": "b", "S": "SPY", "t": start, "o": 1, "h": 2, "l": 1, "c": 2, "v": 5}
    bench.clock.time_ns = at(1)
    bench.data.send(msgpack.packb([{"T": "b"}, {"T": "q", "S": "SPY"}, good, {"T": "new"}]))
    eventually(lambda: bench.minutes == [0])
    assert bench.inbox.names.count("UnreadableReceived") == 2


# --------------------------------------------------------------------------------- the inbox


def test_a_feed_that_breaks_is_told_of_and_goes_on_after_the_last_bar(bench, eventually) -> None:
    """A fault of our own, where nobody foresaw one: no bar is told twice, and none is missing."""
    feed = bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0, 1)
    eventually(lambda: bench.minutes == [0, 1])
    told_time, faults = bench.clock.now_ns, [RuntimeError("a bug")] * 2

    def breaks() -> int:
        if faults:
            raise faults.pop()
        return told_time()

    bench.clock.now_ns = breaks  # once in what is heard, and once more when that is told of
    eventually(lambda: feed.failure is not None)
    eventually(lambda: bench.inbox.names[-1] == "StreamRestored" and bench.data.live)
    bench.past(2)
    bench.live(3)
    eventually(lambda: bench.minutes == [0, 1, 2, 3])
    assert feed.is_alive
    assert "a bug" in bench.inbox.of(UnreadableReceived)[0].reason
    assert bench.inbox.names.count("SessionOpened") == 1
    assert feed.stop()
    bench.feed = None


@pytest.mark.case(75)
def test_a_full_inbox_counts_as_a_lost_stream_and_no_minute_is_lost(bench, eventually) -> None:
    bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0)
    eventually(lambda: bench.minutes == [0])
    bench.inbox.is_full = True
    bench.live(1, 2)
    time.sleep(0.3)
    bench.inbox.is_full = False
    eventually(lambda: len(bench.inbox.of(StreamRestored)) == 2)
    eventually(lambda: bench.minutes == [0, 1, 2])
    assert not bench.defects


@pytest.mark.parametrize("when", ["listening", "asking", "waiting"])
def test_it_stops_soon_whatever_it_does(bench, eventually, when) -> None:
    bench.past(0)
    bench.clock.time_ns = at(1)
    bench.rest.is_slow_s = 3.0 if when == "asking" else 0.0
    bench.data.http_status = 429 if when == "waiting" else None
    feed = bench.start()
    ready = {
        "listening": lambda: bench.minutes,
        "asking": lambda: bench.rest.asked,
        "waiting": lambda: bench.data.connected,
    }
    eventually(ready[when])
    started = time.monotonic()
    assert feed.stop()
    assert time.monotonic() - started < 1.0
    assert feed.failure is None
    told = len(bench.inbox.told)
    time.sleep(0.1)
    assert len(bench.inbox.told) == told  # nothing comes after the stop


def test_it_goes_on_where_it_stopped(bench, eventually) -> None:
    feed = bench.start()
    eventually(lambda: bench.inbox.names == UP)
    bench.live(0, 1)
    eventually(lambda: bench.minutes == [0, 1])
    assert feed.stop()
    bench.past(2)
    bench.clock.time_ns = at(3)
    feed.start(after_ns=at(2))
    eventually(lambda: bench.minutes == [0, 1, 2])
    eventually(lambda: bench.inbox.names[-1:] == ["StreamRestored"])
    assert len(bench.inbox.of(SessionOpened)) == 1
