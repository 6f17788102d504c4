"""The sample sessions: what they promise to show, and that they are the same everywhere."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mqd.feeds.calendar import ExchangeCalendar, exchange_time_text
from mqd.feeds.recorded import RecordedFeed, read_bars
from mqd.feeds.samples import SAMPLE_DESCRIPTION, SAMPLE_SYMBOL, sample_bars, write_samples
from mqd.ground.errors import BarsFileError
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.event import BarClosed, FeedDefectFound, SessionClosed, SessionOpened
from mqd.ports.calendar import Calendar
from mqd.ports.feed import FeedEvent

CSV_SHA256 = "bca6f731026808ee9b7284c1372313b2d07b2285673a4ed7f237c2298df267fe"


@pytest.fixture(scope="module")
def calendar() -> ExchangeCalendar:
    return ExchangeCalendar()


@pytest.fixture(scope="module")
def events(calendar: Calendar) -> list[FeedEvent]:
    return list(RecordedFeed(sample_bars(), calendar).events())


def _trades(events: list[FeedEvent]) -> list[tuple[str, str, str]]:
    """(date, entry time, exit time and reason) by a plain loop over the strategy's own words."""
    trades: list[tuple[str, str, str]] = []
    session: SessionOpened | None = None
    value = volume = 0.0
    count = entries = 0
    entry_price: float | None = None
    entered = ""
    for event in events:
        if isinstance(event, SessionOpened):
            session, value, volume, count, entries = event, 0.0, 0.0, 0, 0
        elif isinstance(event, SessionClosed):
            session = None
        elif isinstance(event, BarClosed) and session is not None:
            value += (event.high + event.low + event.close) / 3 * event.volume
            volume += event.volume
            count += 1
            vwap = value / volume
            time = exchange_time_text(event.at_ns)[11:16]
            if entry_price is not None:
                reason = (
                    "STOP_LOSS"
                    if event.close <= entry_price * 0.997
                    else "MEAN_REVERSION"
                    if event.close >= vwap
                    else "FORCE_FLAT"
                    if session.close_ns - event.at_ns <= 5 * NS_PER_MINUTE
                    else ""
                )
                if reason:
                    trades.append((session.date, entered, f"{time} {reason}"))
                    entry_price = None
            elif (
                event.close < vwap * 0.997
                and "10:00" <= time < "11:30"
                and count >= 20
                and not entries
            ):
                entry_price, entered, entries = event.close, time, 1
    assert entry_price is None
    return trades


def test_the_sessions_show_what_they_promise(events: list[FeedEvent]) -> None:
    assert _trades(events) == [
        ("2024-11-25", "10:31", "11:13 MEAN_REVERSION"),
        ("2024-11-26", "10:34", "10:52 STOP_LOSS"),
        ("2024-11-29", "10:45", "12:55 FORCE_FLAT"),
        ("2024-12-02", "10:25", "10:53 MEAN_REVERSION"),
    ]


def test_the_last_day_has_a_dip_too_late_to_enter_on(events: list[FeedEvent]) -> None:
    bars = [
        event
        for event in events
        if isinstance(event, BarClosed)
        and exchange_time_text(event.start_ns).startswith("2024-12-02")
    ]
    value = volume = 0.0
    late = []
    for bar in bars:
        value += (bar.high + bar.low + bar.close) / 3 * bar.volume
        volume += bar.volume
        if bar.close < value / volume * 0.997:
            late.append(exchange_time_text(bar.at_ns)[11:16])
    assert [time for time in late if time >= "11:30"]


def test_sessions_and_defects(events: list[FeedEvent]) -> None:
    opened = [event.date for event in events if isinstance(event, SessionOpened)]
    closed = [event.date for event in events if isinstance(event, SessionClosed)]
    assert opened == ["2024-11-25", "2024-11-26", "2024-11-27", "2024-11-29", "2024-12-02"]
    assert closed == opened
    defects = [event.code for event in events if isinstance(event, FeedDefectFound)]
    assert defects == ["GAP", "DUPLICATE_ROW", "GAP"]


def test_bars_are_possible_and_in_whole_cents() -> None:
    bars = sample_bars()
    assert bars.symbols == (SAMPLE_SYMBOL,)
    assert bars.count == 390 * 4 + 210 + 7 - 4
    columns = (bars.open, bars.high, bars.low, bars.close)
    for opened, high, low, closed in zip(*(c.tolist() for c in columns), strict=True):
        assert 590 <= low <= min(opened, closed) <= max(opened, closed) <= high <= 605
        assert all(value == float(f"{value:.2f}") for value in (opened, high, low, closed))
    assert min(bars.volume.tolist()) > 0
    volumes = bars.volume[:390]
    assert volumes[:30].mean() > 2 * volumes[180:210].mean() < volumes[-30:].mean()


@pytest.mark.parametrize("name", ["samples.csv", "samples.parquet"])
def test_written_samples_read_back_the_same(tmp_path: Path, name: str) -> None:
    write_samples(tmp_path / name)
    read, made = read_bars([tmp_path / name], SAMPLE_SYMBOL), sample_bars()
    for column in ("codes", "start_ns", "open", "high", "low", "close", "volume"):
        assert getattr(read, column).tobytes() == getattr(made, column).tobytes(), column
    assert read.defects == made.defects


def test_samples_are_the_same_to_the_last_byte(tmp_path: Path) -> None:
    write_samples(tmp_path / "samples.csv")
    content = (tmp_path / "samples.csv").read_bytes()
    assert hashlib.sha256(content).hexdigest() == CSV_SHA256


def test_where_samples_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(BarsFileError, match=r"written as \.parquet or \.csv"):
        write_samples(tmp_path / "samples.txt")
    with pytest.raises(BarsFileError, match="cannot be written"):
        write_samples(tmp_path / "nowhere" / "samples.csv")


def test_the_description_says_that_they_are_synthetic(events: list[FeedEvent]) -> None:
    assert "Synthetic" in SAMPLE_DESCRIPTION
    for event in events:
        if isinstance(event, SessionOpened):
            assert event.date in SAMPLE_DESCRIPTION
            assert event.close_ns - event.open_ns >= 3 * 3_600 * NS_PER_S
