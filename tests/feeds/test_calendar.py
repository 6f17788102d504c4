"""The exchange calendar: holidays, early closes, sudden closures, clock changes, bounds."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from mqd.feeds.calendar import EXCHANGE_ZONE, ExchangeCalendar, exchange_time_text
from mqd.ground.errors import SetupError
from mqd.ground.times import NS_PER_S, iso_utc, parse_iso, to_ns

HOURS_FILE = Path(__file__).parents[2] / "../shared/data/reference/market_hours_usa_equity.json"
NINE_THIRTY_S = 34_200


@pytest.fixture(scope="module")
def calendar() -> ExchangeCalendar:
    return ExchangeCalendar()


def _noon(date: str) -> int:
    return to_ns(datetime.fromisoformat(f"{date}T12:00").replace(tzinfo=EXCHANGE_ZONE))


@pytest.mark.case(126, 128)
@pytest.mark.parametrize(
    ("date", "opens", "closes"),
    [
        ("2000-01-03", "14:30", "21:00"),
        ("2024-03-08", "14:30", "21:00"),  # the last day before the clocks change
        ("2024-03-11", "13:30", "20:00"),
        ("2024-07-03", "13:30", "17:00"),
        ("2024-11-01", "13:30", "20:00"),
        ("2024-11-04", "14:30", "21:00"),
        ("2024-11-29", "14:30", "18:00"),
        ("2024-12-24", "14:30", "18:00"),
        ("2026-11-27", "14:30", "18:00"),
        ("2027-11-26", "14:30", "18:00"),
    ],
)
def test_session_hours(calendar: ExchangeCalendar, date: str, opens: str, closes: str) -> None:
    session = calendar.session_on(_noon(date))
    assert session is not None
    assert session.date == date
    assert iso_utc(session.open_ns) == f"{date}T{opens}:00Z"
    assert iso_utc(session.close_ns) == f"{date}T{closes}:00Z"
    assert session.open_time_s == NINE_THIRTY_S


@pytest.mark.case(127)
@pytest.mark.parametrize(
    "date",
    [
        "2001-09-12",  # the exchange stayed closed
        "2012-10-29",  # a hurricane
        "2018-12-05",  # a day of mourning
        "2024-03-29",
        "2024-11-28",
        "2024-11-30",
        "2025-01-09",  # a day of mourning
        "2026-07-03",  # Independence Day falls on a Saturday
        "1969-12-31",
        "2200-01-02",
    ],
)
def test_days_without_a_session(calendar: ExchangeCalendar, date: str) -> None:
    assert calendar.session_on(_noon(date)) is None


@pytest.mark.parametrize("at_ns", [-(10**30), -1, 10**19, 10**30])
def test_instants_outside_every_year_have_no_session(
    calendar: ExchangeCalendar, at_ns: int
) -> None:
    assert calendar.session_on(at_ns) is None
    with pytest.raises(SetupError, match="no exchange session is known after"):
        calendar.next_session(at_ns)


def test_the_date_is_the_exchanges_date(calendar: ExchangeCalendar) -> None:
    """23:59 in New York is the next date in UTC, in winter and in summer."""
    for before, after, day in (
        ("2024-07-09T03:59:59Z", "2024-07-09T04:00:00Z", "2024-07-08"),
        ("2024-12-10T04:59:59Z", "2024-12-10T05:00:00Z", "2024-12-09"),
    ):
        last, first = calendar.session_on(parse_iso(before)), calendar.session_on(parse_iso(after))
        assert last is not None
        assert first is not None
        assert (last.date, first.date) == (day, after[:10])


def test_next_session(calendar: ExchangeCalendar) -> None:
    opens = parse_iso("2024-11-27T14:30:00Z")
    assert calendar.next_session(opens - 1).date == "2024-11-27"
    assert calendar.next_session(opens).date == "2024-11-29"
    assert calendar.next_session(parse_iso("2001-09-11T20:00:00Z")).date == "2001-09-17"
    assert calendar.next_session(parse_iso("2029-12-31T22:00:00Z")).date == "2030-01-02"


def test_sessions_of_a_span(calendar: ExchangeCalendar) -> None:
    found = calendar.sessions("2024-11-25", "2024-12-02")
    assert [session.date[5:] for session in found] == ["11-25", "11-26", "11-27", "11-29", "12-02"]
    assert calendar.sessions("2024-11-30", "2024-12-01") == ()
    assert calendar.sessions("2024-12-02", "2024-11-25") == ()
    assert len(calendar.sessions("2024-01-01", "2024-12-31")) == 252
    assert calendar.sessions("2199-12-31", "2300-01-01")[-1].date == "2199-12-31"


@pytest.mark.case(128)
def test_every_session_opens_at_half_past_nine(calendar: ExchangeCalendar) -> None:
    sessions = calendar.sessions("2000-01-01", "2028-12-31")
    assert {session.open_time_s for session in sessions} == {NINE_THIRTY_S}
    lengths_h = {(s.close_ns - s.open_ns) / (3_600 * NS_PER_S) for s in sessions}
    assert {6.5, 3.5} <= lengths_h
    assert max(lengths_h) == 6.5


def test_exchange_time_text() -> None:
    assert exchange_time_text(parse_iso("2024-10-07T14:05:00Z")) == "2024-10-07 10:05 ET"
    assert exchange_time_text(parse_iso("2024-12-02T14:30:15.5Z")) == "2024-12-02 09:30:15 ET"


@pytest.mark.skipif(not HOURS_FILE.exists(), reason="the shared reference data is not here")
def test_holidays_and_early_closes_agree_with_a_second_source(calendar: ExchangeCalendar) -> None:
    """From 2000 to 2026; the other source has rows on weekends, which say nothing."""
    hours = json.loads(HOURS_FILE.read_text())["Equity-usa-[*]"]

    def dates(rows: list[str]) -> set[str]:
        parts = [[int(part) for part in row.split("/")] for row in rows]
        days = [date(year, month, day) for month, day, year in parts]
        return {day.isoformat() for day in days if 2000 <= day.year <= 2026 and day.weekday() < 5}

    closed = dates(hours["holidays"])
    assert "2025-01-09" in closed
    days = (date(2000, 1, 1) + timedelta(days=number) for number in range(27 * 366))
    weekdays = {day.isoformat() for day in days if day.weekday() < 5 and day.year <= 2026}
    sessions = calendar.sessions("2000-01-01", "2026-12-31")
    assert {session.date for session in sessions} == weekdays - closed
    half_days = {s.date for s in sessions if s.close_ns - s.open_ns < 6.5 * 3_600 * NS_PER_S}
    assert half_days == dates(list(hours["earlyCloses"])) - closed
