"""Days are counted by the rows of a daily series: a row of a day without a session is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from mqd.app.series import SeriesFiles, series_warnings, with_series
from mqd.engine.state import DeskState
from mqd.feeds.calendar import ExchangeCalendar
from mqd.ground.errors import SettingsError
from mqd.model.event import SeriesValueTold, SessionOpened
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[2]
WEEK = ("2024-09-05", "2024-09-06", "2024-09-09", "2024-09-10", "2024-09-11")
WITH_A_WEEKEND = (*WEEK[:2], "2024-09-07", "2024-09-08", WEEK[2])
SATURDAY = (
    r"vix\.csv: row 4, column date: 2024-09-07 is no session of the exchange; remove the row$"
)


@pytest.fixture(scope="module")
def shipped():
    return load_rules(ROOT / "rules")


@pytest.fixture
def told(shipped, tmp_path):
    """The dates that are told of a file with these rows, before a date."""

    def tell(dates, before: str) -> list[str]:
        write(tmp_path, dates)
        files = SeriesFiles(str(tmp_path), shipped)
        return [each.date for each in files.news(DeskState(), 0, before)]

    return tell


def write(folder, dates) -> None:
    rows = [f"{date},31" for date in dates]
    (folder / "vix.csv").write_text("\n".join(["date,value", *rows]) + "\n", "utf-8")


def test_a_weekend_among_the_newest_values_is_refused_in_one_line(told):
    with pytest.raises(SettingsError, match=SATURDAY) as caught:
        told(WITH_A_WEEKEND, "2024-09-10")
    assert "\n" not in str(caught.value)


def test_sessions_are_told(told):
    assert told(WEEK, "2024-09-12") == [*WEEK]


@pytest.mark.parametrize("day", ["2024-09-02", "2024-11-28", "2025-01-09"])
def test_a_holiday_and_a_day_of_mourning_are_refused_too(told, day):
    """Also where they are still to come: a run does not end in its midst for what stood there."""
    with pytest.raises(SettingsError, match=f"{day} is no session"):
        told(sorted((*WEEK, day)), "2024-09-06")


def test_what_is_no_longer_told_is_not_asked_for(told):
    assert told(["2024-08-31", *WEEK], "2024-09-12") == [*WEEK]
    with pytest.raises(SettingsError, match="row 2, column date: 2024-08-31"):
        told(["2024-08-31", *WEEK], "2024-09-11")


@pytest.mark.parametrize("day", ["1960-01-02", "2500-01-02"])
def test_of_years_that_the_calendar_does_not_know_nothing_is_said(told, day):
    assert WEEK[0] in told(sorted((*WEEK, day)), "2024-09-12")


def test_before_any_session_nothing_is_told_and_nothing_refused(told):
    assert told(WITH_A_WEEKEND, "") == []


def test_a_run_over_recorded_bars_does_not_start(shipped, tmp_path):
    write(tmp_path, WITH_A_WEEKEND)
    opened = [
        SessionOpened(each.open_ns, each.date, each.open_ns, each.close_ns, each.open_time_s)
        for each in ExchangeCalendar().sessions(WEEK[0], WEEK[-1])
    ]
    files = SeriesFiles(str(tmp_path), shipped)
    with pytest.raises(SettingsError, match=SATURDAY):
        files.keep(WEEK[0])
    write(tmp_path, WEEK)
    files.keep(WEEK[0])
    events = with_series(opened, files, DeskState())
    assert [type(event) for event in events][:3] == [SessionOpened, SeriesValueTold, SessionOpened]


def test_a_desk_that_starts_is_warned(shipped, tmp_path):
    write(tmp_path, WITH_A_WEEKEND)
    (line,) = series_warnings(shipped, "live", str(tmp_path))
    assert "row 4, column date: 2024-09-07 is no session" in line
    write(tmp_path, WEEK)
    assert not list(series_warnings(shipped, "live", str(tmp_path)))
