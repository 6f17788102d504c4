"""Recorded bars: reading files, mending rows, and the stream with its session events."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqd.feeds.bars_file import BarsTable
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.mending import RecordedBars, mended_bars
from mqd.feeds.recorded import RecordedFeed, read_bars
from mqd.ground.errors import BarsFileError
from mqd.ground.times import NS_PER_MINUTE, iso_utc, parse_iso
from mqd.model.event import BarClosed, FeedDefectFound, SessionClosed, SessionOpened
from mqd.ports.calendar import Session
from mqd.ports.feed import FeedEvent

SHARED = Path(__file__).parents[2] / "../shared/data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the shared bars are not here")
CALENDAR = ExchangeCalendar()
NAN = math.nan
OPEN_NS = parse_iso("2024-11-29T14:30:00Z")  # a half day before a weekend: closes at 18:00 UTC
NEXT_OPEN_NS = parse_iso("2024-12-02T14:30:00Z")

Row = tuple[str, int, float, float, float, float, float]  # symbol, start_ns, OHLC, volume


def _at(minute: float, open_ns: int = OPEN_NS) -> int:
    return open_ns + int(minute * NS_PER_MINUTE)


def _row_at(start_ns: int) -> Row:
    return ("SPY", start_ns, 1.0, 1.0, 1.0, 1.0, 0.0)


def _row(minute: float, close: float = 100.0, symbol: str = "SPY") -> Row:
    return (symbol, _at(minute), 100.0, 101.0, 99.0, close, 5.0)


def _table(rows: Sequence[Row]) -> BarsTable:
    symbols = tuple(dict.fromkeys(row[0] for row in rows))
    return BarsTable(
        symbols,
        np.array([symbols.index(row[0]) for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        tuple(np.array([row[number] for row in rows], dtype=np.float64) for number in range(2, 7)),
    )


def _bars(*files: Sequence[Row], symbol: str | None = None) -> RecordedBars:
    return mended_bars([_table(rows) for rows in files], symbol)


def _events(bars: RecordedBars, after_ns: int | None = None) -> list[FeedEvent]:
    return list(RecordedFeed(bars, CALENDAR).events(after_ns))


def _story(events: Sequence[FeedEvent]) -> list[str]:
    """The stream in short: bars by their start, defects by their code."""
    words = []
    for event in events:
        if isinstance(event, BarClosed):
            words.append(iso_utc(event.start_ns)[11:16])
        elif isinstance(event, FeedDefectFound):
            words.append(event.code)
        else:
            words.append(type(event).__name__)
    return words


def _defects(events: Sequence[FeedEvent]) -> list[FeedDefectFound]:
    return [event for event in events if isinstance(event, FeedDefectFound)]


# ------------------------------------------------------------------------------- the stream


def test_a_session_opens_before_its_first_bar_and_closes_after_its_last() -> None:
    rows = [_row(minute) for minute in (-2, 0, 1, 209, 215)]
    events = _events(_bars(rows))
    assert _story(events) == [
        "14:28", "SessionOpened", "14:30", "14:31", "GAP", "17:59", "SessionClosed", "18:05",
    ]  # fmt: skip
    opened, closed = events[1], events[6]
    assert opened == SessionOpened(OPEN_NS, "2024-11-29", OPEN_NS, _at(210), 34_200)
    assert closed == SessionClosed(_at(210), "2024-11-29")


def test_a_session_is_closed_by_a_bar_of_a_later_date() -> None:
    rows = [_row(100), _row_at(NEXT_OPEN_NS)]
    assert _story(_events(_bars(rows))) == [
        "SessionOpened", "SESSION_STARTS_LATE", "16:10", "SessionClosed", "SessionOpened", "14:30",
    ]  # fmt: skip


@pytest.mark.parametrize(("last", "closes"), [(208, False), (209, True), (209.5, True)])
def test_the_end_of_the_data_closes_a_finished_session_only(last: float, closes: bool) -> None:
    story = _story(_events(_bars([_row(0), _row(last)])))
    assert ("SessionClosed" in story) is closes


@pytest.mark.case(139)
def test_extended_hours_open_nothing() -> None:
    rows = [_row(-30), _row(-1), _row(300), _row_at(parse_iso("2024-11-30T15:00:00Z"))]
    assert _story(_events(_bars(rows))) == ["14:00", "14:29", "19:30", "15:00"]


def test_broken_bars_are_delivered_as_they_are() -> None:
    rows: list[Row] = [
        ("SPY", _at(0), NAN, 1.0, 2.0, -3.0, -4.0),
        ("SPY", _at(1.5), 1.0, 1.0, 1.0, 1.0, NAN),
    ]
    bars = [event for event in _events(_bars(rows)) if isinstance(event, BarClosed)]
    assert repr(bars[0][2:]) == repr((_at(0), NAN, 1.0, 2.0, -3.0, -4.0))
    assert bars[1].at_ns - bars[1].start_ns == NS_PER_MINUTE
    assert bars[1].start_ns % NS_PER_MINUTE


@pytest.mark.case(131)
def test_gaps_say_where_and_how_many() -> None:
    gap, late = _defects(_events(_bars([_row(0), _row(3), _row_at(_at(2, NEXT_OPEN_NS))])))
    assert gap == FeedDefectFound(
        _at(3), "SPY", "GAP", _at(1),
        "2 minutes missing from 2024-11-29T14:31:00Z until 2024-11-29T14:33:00Z",
    )  # fmt: skip
    assert (late.code, late.start_ns, late.at_ns) == (
        "SESSION_STARTS_LATE", NEXT_OPEN_NS, _at(2, NEXT_OPEN_NS),
    )  # fmt: skip
    assert late.detail.startswith("2 minutes missing")


def test_an_off_minute_bar_does_not_fill_a_minute() -> None:
    assert _story(_events(_bars([_row(0), _row(1.5), _row(2)]))) == [
        "SessionOpened", "14:30", "14:31", "GAP", "14:32",
    ]  # fmt: skip


def test_several_symbols_share_their_sessions() -> None:
    rows = [_row(minute, symbol=symbol) for symbol in ("SPY", "QQQ") for minute in (0, 1, 209)]
    events = _events(_bars(rows))
    assert _story(events) == [
        "SessionOpened", "14:30", "14:30", "14:31", "14:31", "GAP", "17:59", "GAP", "17:59",
        "SessionClosed",
    ]  # fmt: skip
    bars = [event for event in events if isinstance(event, BarClosed)]
    assert [bar.symbol for bar in bars] == ["QQQ", "SPY"] * 3


# --------------------------------------------------------------------------------- mending


def test_of_equal_stamps_the_last_row_stays() -> None:
    bars = _bars([_row(0, 1.0), _row(0, 2.0), _row(1)], [_row(0, 3.5), _row(1)])
    assert bars.close.tolist() == [3.5, 100.0]
    assert [(row, defect.code, defect.detail) for row, defect in bars.defects] == [
        (0, "DUPLICATE_ROW", "revised: close 1 -> 3.5; the later row was kept"),
        (0, "DUPLICATE_ROW", "revised: close 2 -> 3.5; the later row was kept"),
        (1, "DUPLICATE_ROW", "exact repeat"),
    ]


def test_not_a_number_repeated_is_an_exact_repeat() -> None:
    bars = _bars([_row(0, NAN), _row(0, NAN)])
    assert [defect.detail for _, defect in bars.defects] == ["exact repeat"]


def test_a_late_row_is_put_in_its_place() -> None:
    events = _events(_bars([_row(0), _row(2), _row(3), _row(1)]))
    assert _story(events) == [
        "SessionOpened", "14:30", "OUT_OF_ORDER_ROW", "14:31", "14:32", "14:33",
    ]  # fmt: skip
    assert "2024-11-29T14:33:00Z" in _defects(events)[0].detail


def test_a_newest_first_file_is_one_defect() -> None:
    events = _events(_bars([_row(minute) for minute in (3, 2, 2, 1, 0)]))
    assert Counter(_story(events)) == Counter(
        ["SessionOpened", "NEWEST_FIRST_FILE", "DUPLICATE_ROW", "14:30", "14:31", "14:32", "14:33"]
    )
    assert _defects(events)[0].at_ns == _at(0)


def test_files_in_any_order_are_merged_without_a_defect() -> None:
    assert _bars([_row(1), _row(3)], [_row(0), _row(2)]).start_ns.tolist() == [
        _at(minute) for minute in range(4)
    ]
    assert not _bars([_row(1), _row(3)], [_row(0), _row(2)]).defects
    by_symbol = [_row(minute, symbol=symbol) for symbol in ("SPY", "QQQ") for minute in (0, 1)]
    assert not _bars(by_symbol).defects  # a file sorted by symbol is not in disorder


def test_rows_of_another_symbol_are_left_out_and_told_in_time() -> None:
    rows = [_row(-1, symbol="QQQ"), _row(0), _row(209), _row(210, symbol="QQQ")]
    events = _events(_bars(rows, symbol="SPY"))
    assert _story(events) == [
        "FOREIGN_SYMBOL_ROW", "SessionOpened", "14:30", "GAP", "17:59",
        "SessionClosed", "FOREIGN_SYMBOL_ROW",
    ]  # fmt: skip
    assert {defect.symbol for defect in _defects(events)} == {"QQQ", "SPY"}


# ------------------------------------------------------------------------------ properties

MINUTES = st.one_of(
    st.integers(-5, 20), st.integers(195, 215), st.sampled_from([0.5, 7.5, -0.5, 208.5, 209.5])
).map(_at) | st.integers(-3, 12).map(lambda minute: _at(minute, NEXT_OPEN_NS))
CLOSES = st.sampled_from([1.0, 2.0, NAN])


def _rows(symbols: Sequence[str]) -> st.SearchStrategy[list[Row]]:
    return st.lists(
        st.builds(
            lambda symbol, start_ns, close: (symbol, start_ns, 1.0, 1.0, 1.0, close, 1.0),
            st.sampled_from(symbols),
            MINUTES,
            CLOSES,
        ),
        min_size=1,
        max_size=30,
    )


@settings(deadline=None)
@given(st.lists(_rows(["SPY", "QQQ"]), min_size=1, max_size=3))
def test_sorting_and_dropping_agree_with_a_plain_dictionary(files: list[list[Row]]) -> None:
    expected: dict[tuple[int, str], float] = {}
    late = newest_first = 0
    for rows in files:
        latest: dict[str, int] = {}
        falls, rises = 0, False
        before: dict[str, int] = {}
        for symbol, start_ns, *_, close, _ in rows:
            expected[start_ns, symbol] = close
            falls += start_ns < latest.get(symbol, start_ns)
            rises |= start_ns > before.get(symbol, start_ns)
            before[symbol] = start_ns
            latest[symbol] = max(start_ns, latest.get(symbol, start_ns))
        late += falls if rises else 0
        newest_first += bool(falls and not rises)
    bars = _bars(*files)
    names = [bars.symbols[code] for code in bars.codes.tolist()]
    found = list(zip(bars.start_ns.tolist(), names, bars.close.tolist(), strict=True))
    assert repr(found) == repr([(*key, expected[key]) for key in sorted(expected)])
    codes = Counter(defect.code for _, defect in bars.defects)
    assert codes["DUPLICATE_ROW"] == sum(map(len, files)) - len(expected)
    assert codes["OUT_OF_ORDER_ROW"] == late
    assert codes["NEWEST_FIRST_FILE"] == newest_first
    for row, defect in bars.defects:
        assert (defect.start_ns, defect.symbol) == (found[row][0], found[row][1])


def _plain_stream(bars: RecordedBars) -> Iterator[str]:
    """The stream by a plain loop, bar by bar, asking the calendar every time."""
    session: Session | None = None
    last_minute: dict[str, int] = {}
    last_ns = 0
    for row in range(bars.count):
        start_ns, symbol = int(bars.start_ns[row]), bars.symbols[int(bars.codes[row])]
        if session is not None and start_ns >= session.close_ns:
            yield "SessionClosed"
            session = None
        today = CALENDAR.session_on(start_ns)
        is_regular = today is not None and today.open_ns <= start_ns < today.close_ns
        if is_regular and session is None:
            yield "SessionOpened"
            session, last_minute = today, {}
        yield from (defect.code for place, defect in bars.defects if place == row)
        if is_regular and session is not None and start_ns % NS_PER_MINUTE == 0:
            if symbol in last_minute:
                if start_ns > last_minute[symbol] + NS_PER_MINUTE:
                    yield "GAP"
            elif start_ns > session.open_ns:
                yield "SESSION_STARTS_LATE"
            last_minute[symbol] = start_ns
        yield f"{symbol} {iso_utc(start_ns)}"
        last_ns = start_ns + NS_PER_MINUTE
    if session is not None and last_ns >= session.close_ns:
        yield "SessionClosed"


@settings(deadline=None)
@given(_rows(["SPY", "QQQ"]))
def test_the_stream_agrees_with_a_plain_loop(rows: list[Row]) -> None:
    bars = _bars(rows)
    found = [
        f"{event.symbol} {iso_utc(event.start_ns)}"
        if isinstance(event, BarClosed)
        else event.code
        if isinstance(event, FeedDefectFound)
        else type(event).__name__
        for event in _events(bars)
    ]
    assert found == list(_plain_stream(bars))


@settings(deadline=None)
@given(_rows(["SPY"]), _rows(["QQQ"]) | st.just([]))
def test_a_restart_after_any_bar_continues_the_stream(own: list[Row], other: list[Row]) -> None:
    bars = _bars(own + other, symbol="SPY")
    feed = RecordedFeed(bars, CALENDAR)
    whole = list(feed.events())
    for place, event in enumerate(whole, 1):
        if isinstance(event, BarClosed):
            assert repr(whole[:place] + list(feed.events(event.at_ns))) == repr(whole)


@settings(deadline=None)
@given(_rows(["SPY"]), _rows(["QQQ"]) | st.just([]))
def test_bars_are_never_lost_and_time_never_runs_back(own: list[Row], other: list[Row]) -> None:
    bars = _bars(own + other, symbol="SPY")
    events = _events(bars)
    assert sum(isinstance(event, BarClosed) for event in events) == bars.count
    on_minutes = [event for event in events if event.at_ns % NS_PER_MINUTE == 0]
    stamps = [event.at_ns for event in on_minutes]
    if len(on_minutes) == len(events):  # an off-minute bar overlaps the next one
        assert stamps == sorted(stamps)


def test_a_restart_with_a_file_that_starts_where_the_journal_ends() -> None:
    story = _story(_events(_bars([_row(60), _row(209)]), after_ns=_at(60)))
    assert story == ["15:30", "GAP", "17:59", "SessionClosed"]
    assert _story(_events(_bars([_row(62)]), after_ns=_at(60))) == ["GAP", "15:32"]
    assert _story(_events(_bars([_row(0)]), after_ns=_at(60))) == []
    assert _story(_events(_bars([_row(0)]), after_ns=_at(210))) == ["SessionClosed"]


# ------------------------------------------------------------------------------ file types


def _columns(**changed: Any) -> dict[str, Any]:
    return {
        "symbol": pa.array(["SPY", "SPY"]),
        "ts": pa.array([_at(0), _at(1)], pa.timestamp("ns", tz="UTC")),
        "open": pa.array([571.3, 571.17]),
        "high": pa.array([571.56, 571.305]),
        "low": pa.array([571.17, 570.92]),
        "close": pa.array([571.17, 571.26]),
        "volume": pa.array([526934, 134537]),
        **changed,
    }


def _written(folder: Path, **changed: Any) -> Path:
    path = folder / "bars.parquet"
    pq.write_table(pa.table(_columns(**changed)), path)
    return path


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("symbol", pa.array(["SPY", "SPY"]).dictionary_encode()),
        ("symbol", pa.array(["SPY", "SPY"], pa.large_string())),
        ("symbol", pa.array(["SPY", "SPY"], pa.string_view())),
        ("ts", pa.array([_at(0) // 10**6, _at(1) // 10**6], pa.timestamp("ms", tz="UTC"))),
        ("ts", pa.array([_at(0) // 10**3, _at(1) // 10**3], pa.timestamp("us", tz="+09:00"))),
        ("ts", pa.array([_at(0) // 10**9, _at(1) // 10**9], pa.timestamp("s", tz="Asia/Tokyo"))),
        ("ts", pa.array(["2024-11-29T14:30:00Z", "2024-11-29 09:31:00-05:00"])),
        ("open", pa.array([Decimal("571.30"), Decimal("571.17")])),
        ("open", pa.array([Decimal("571.3000"), Decimal("571.1700")], pa.decimal256(50, 4))),
        ("open", pa.array(["571.3", "571.17"])),
        ("open", pa.array([571.3, 571.17]).dictionary_encode()),
        ("volume", pa.array([526934, 134537], pa.uint32())),
        ("volume", pa.array([526934, 134537], pa.float32())),
        ("volume", pa.array([526934, 134537], pa.float64())),
        ("vwap", pa.array(["an extra column", None])),
    ],
)
def test_columns_of_many_types(tmp_path: Path, name: str, column: pa.Array) -> None:
    bars = read_bars([_written(tmp_path, **{name: column})], "SPY")
    assert bars.symbols == ("SPY",)
    assert bars.start_ns.tolist() == [_at(0), _at(1)]
    assert bars.open.tolist() == [571.3, 571.17]
    assert bars.volume.tolist() == [526934.0, 134537.0]
    assert (bars.count, bars.first_ns, bars.last_ns) == (2, _at(0), _at(2))


@settings(deadline=None, max_examples=200)
@given(st.decimals(0, 100_000, allow_nan=False, places=4))
def test_decimals_become_the_nearest_float(
    tmp_path_factory: pytest.TempPathFactory, price: Decimal
) -> None:
    path = _written(tmp_path_factory.mktemp("bars"), open=pa.array([price, price]))
    assert read_bars([path]).open.tolist() == [float(price)] * 2


def test_unknown_values_are_not_numbers(tmp_path: Path) -> None:
    path = _written(
        tmp_path,
        open=pa.array([None, math.inf], pa.float64()),
        high=pa.array(["x", "1"]),
        low=pa.nulls(2),
    )
    bars = read_bars([path])
    assert repr(bars.open.tolist() + bars.high.tolist()) == "[nan, nan, nan, 1.0]"
    assert repr(bars.low.tolist()) == "[nan, nan]"


def test_csv_cells_that_are_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(
        "\ufeffts,symbol,extra,open,high,low,close,volume\r\n"
        "2024-11-29T14:30:00Z,SPY,,0.1,,n/a,1e2,-7\r\n"
        "2024-11-29 09:31:00-05:00,SPY,9, 571.3 ,nan,inf,571.17,0\r\n"
    )
    bars = read_bars([path])
    assert bars.start_ns.tolist() == [_at(0), _at(1)]
    assert repr(bars.open.tolist() + bars.high.tolist()) == "[0.1, 571.3, nan, nan]"
    assert repr(bars.low.tolist() + bars.close.tolist()) == "[nan, nan, 100.0, 571.17]"
    assert bars.volume.tolist() == [-7.0, 0.0]


HEADER = "symbol,ts,open,high,low,close,volume\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; expected one-minute bars"),
        (HEADER, "holds no rows"),
        ("time,price\n1,2\n", "has no column symbol, ts, .*found time, price"),
        (HEADER.replace("\n", ",open\n") + "S,1,2,3,4,5,6,7\n", "column open more than once"),
        (HEADER + "SPY,2024-10-07 13:30:00,1,1,1,1,1\n", "row 2: '.*' has no time zone; write it"),
        (HEADER + "SPY,20:15,1,1,1,1,1\n", "column ts, row 2: expected a time like 2024-.*'20:15'"),
        (HEADER + "SPY,,1,1,1,1,1\n", "column ts, row 2: is empty"),
        (HEADER + ",2024-10-07T13:30:00Z,1,1,1,1,1\n", "column symbol, row 2: is empty"),
        (HEADER + "SPY,1970-01-20T13:30:00Z,1,1,1,1,1\n", "row 2: 1970-01-20.* is outside 1980"),
        (HEADER + "SPY,2024-10-07T13:30:00Z,1\n", "cannot be read: .*Expected 7 columns"),
        (b"\xff\xfe\x00", "cannot be read: .*decode"),
    ],
)
def test_bad_csv_files_are_refused_in_one_line(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    _assert_refused([path], message)


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("ts", pa.array([1, 2], pa.timestamp("us")), "column ts has no time zone; write it with"),
        ("ts", pa.array([1, 2]), "column ts: expected timestamps with a time zone, found int64"),
        ("ts", pa.array([None, None], pa.timestamp("us", "UTC")), "column ts, row 1: is empty"),
        ("ts", pa.array([2**60] * 2, pa.timestamp("us", "UTC")), "cannot be read: .*out of bounds"),
        ("symbol", pa.array([1, 2]), "column symbol: expected text, found int64"),
        ("close", pa.array([True, False]), "column close: expected numbers, found bool"),
    ],
)
def test_bad_columns_are_refused_in_one_line(
    tmp_path: Path, name: str, column: pa.Array, message: str
) -> None:
    _assert_refused([_written(tmp_path, **{name: column})], message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "no such file"),
        (lambda path: path.mkdir(), "is not a file"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_text("symbol,ts"), "is not Parquet; a CSV file must be named"),
        (lambda path: path.write_bytes(b"PAR1" + bytes(100)), "cannot be read: "),
        (
            lambda path: pq.write_table(pa.table({"x": [1]}), path),
            "has no column symbol, .*found x",
        ),
        (lambda path: pq.write_table(pa.table(_columns()).slice(0, 0), path), "holds no rows"),
    ],
)
def test_bad_files_are_refused_in_one_line(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "bars.parquet"
    make(path)
    _assert_refused([path], message)


def test_a_symbol_that_no_file_holds(tmp_path: Path) -> None:
    path = _written(tmp_path)
    _assert_refused([path], "no row of QQQ; holds only SPY; try --symbol SPY", "QQQ")
    _assert_refused([], "no bars file was named")


def _assert_refused(paths: list[Path], message: str, symbol: str | None = None) -> None:
    with pytest.raises(BarsFileError, match=message) as caught:
        read_bars(paths, symbol)
    assert "\n" not in str(caught.value)
    assert all(str(path) in str(caught.value) for path in paths)


# ------------------------------------------------------------------------------- real bars

BARS = sorted((SHARED / "bars").glob("*.parquet")) + sorted((SHARED / "ties").glob("*.parquet"))


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.stem) for path in BARS if "quotes" not in path.name]
)
def test_every_real_file_is_delivered_whole(path: Path) -> None:
    table = pq.read_table(path)
    expected = sorted(zip(*(table.column(n).to_pylist() for n in ("close", "volume")), strict=True))
    events = _events(read_bars([path]))
    bars = [event for event in events if isinstance(event, BarClosed)]
    assert sorted((bar.close, bar.volume) for bar in bars) == expected
    assert [bar.start_ns for bar in bars] == sorted(table.column("ts").cast(pa.int64()).to_pylist())
    opened = sum(isinstance(event, SessionOpened) for event in events)
    closed = sum(isinstance(event, SessionClosed) for event in events)
    assert opened - closed in {0, 1}


@needs_shared
def test_gaps_of_real_files_agree_with_their_table() -> None:
    """`missing` counts all missing regular minutes, at the edges of a day too."""
    days = pa_csv.read_csv(SHARED / "bars/days.csv").to_pylist()
    for name in ("shy_lean_2008-03-07", "goog_lean_halfday_2015-12-23_2015-12-28"):
        defects = _defects(_events(read_bars([SHARED / "bars" / f"{name}.parquet"])))
        found = sum(int(defect.detail.split()[0]) for defect in defects)
        missing = sum(day["missing"] for day in days if day["dataset"] == name)
        assert found == missing, name


@needs_shared
def test_the_dirty_file_reports_every_fault() -> None:
    stem = SHARED / "derived/dirty_spy_2024-10-14_2024-10-16"
    faults = json.loads(Path(f"{stem}.faults.json").read_text())["faults"]
    events = _events(read_bars([Path(f"{stem}.parquet")], "SPY"))

    def told(*kinds: str) -> list[str]:
        return sorted(fault["ts"] for fault in faults if fault["kind"] in kinds)

    def found(code: str, start: str = "") -> list[str]:
        return sorted(
            iso_utc(defect.start_ns)
            for defect in _defects(events)
            if defect.code == code and defect.detail.startswith(start)
        )

    assert found("DUPLICATE_ROW", "exact") == told("duplicate_exact")
    assert found("DUPLICATE_ROW", "revised") == told("duplicate_revised")
    assert found("FOREIGN_SYMBOL_ROW") == told("foreign_symbol_row")
    # The row that was moved off its minute is missing there.
    assert found("GAP") == told("gap", "missing", "off_grid_30s")
    assert found("GAP", "7 minutes") == told("gap")
    disorder = set(found("OUT_OF_ORDER_ROW"))
    moved = set(told("swapped_with_next", "late_by_rows"))
    assert moved <= disorder
    assert disorder - moved <= set(told("duplicate_revised"))  # some revisions came a row late
    revised = {fault["ts"]: fault for fault in faults if fault["kind"] == "duplicate_revised"}
    bars = [event for event in events if isinstance(event, BarClosed)]
    kept = {iso_utc(bar.start_ns): bar for bar in bars if iso_utc(bar.start_ns) in revised}
    assert {ts: (bar.close, bar.volume) for ts, bar in kept.items()} == {
        ts: (fault["close"], fault["volume"]) for ts, fault in revised.items()
    }
    assert sum(math.isnan(bar.close) for bar in bars) == len(told("nan_close"))
    assert sum(bar.volume < 0 for bar in bars) == len(told("negative_volume"))
    assert sum(bar.high < bar.low for bar in bars) == len(told("high_below_low"))


@needs_shared
@pytest.mark.parametrize("name", ["bars/qqq_reversed_2019-02-11_2019-02-15", "ties/newest_first"])
def test_newest_first_files_are_turned_round(name: str) -> None:
    defects = _defects(_events(read_bars([SHARED / f"{name}.parquet"])))
    assert Counter(defect.code for defect in defects)["NEWEST_FIRST_FILE"] == 1
    assert {defect.code for defect in defects} <= {"NEWEST_FIRST_FILE", "GAP"}


@needs_shared
def test_the_csv_example_is_the_same_as_its_parquet() -> None:
    csv = read_bars([SHARED / "bars/example_spy_2024-10-07_2024-10-08.csv"])
    whole = read_bars([SHARED / "bars/spy_2024-09-03_2024-10-31.parquet"])
    span = slice(*np.searchsorted(whole.start_ns, [csv.first_ns, csv.last_ns]).tolist())
    for column in ("start_ns", "open", "high", "low", "close", "volume"):
        assert getattr(csv, column).tobytes() == getattr(whole, column)[span].tobytes()


@needs_shared
def test_overlapping_files_count_their_repeats() -> None:
    paths = [
        SHARED / "bars/spy_2024-03-26_2024-06-28.parquet",
        SHARED / "bars/spy_ext_2024-02-20_2024-03-28.parquet",
    ]
    codes = Counter(defect.code for _, defect in read_bars(paths).defects)
    first, second = (set(read_bars([path]).start_ns.tolist()) for path in paths)
    assert codes == {"DUPLICATE_ROW": len(first & second)}
