"""A wrong row keeps out its own series, and a recorded run says it before anything runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mqd.app.run import DeskRun, RunPlan
from mqd.app.series import SeriesFiles, SeriesWatch, series_warnings
from mqd.app.settings import Settings
from mqd.brokers.simulated import SimulatedBroker, SimulationSettings
from mqd.engine.core import Engine
from mqd.engine.lives import record_now
from mqd.engine.state import DeskState
from mqd.feeds.calendar import ExchangeCalendar
from mqd.ground.errors import SettingsError
from mqd.model.event import DeskStarted, SeriesValueTold, SessionClosed, SessionOpened
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock
from mqd.runtime.desk import Desk
from mqd.store.memory import MemoryJournal

ROOT = Path(__file__).resolve().parents[2]
STRATEGY = "vwap_micro_mean_reversion"
BEFORE = ("2024-09-05", "2024-09-06", "2024-09-09", "2024-09-10", "2024-09-11")
NEXT = "2024-09-12"


@pytest.fixture(scope="module")
def shipped():
    return load_rules(ROOT / "rules")


@pytest.fixture(scope="module")
def two(shipped):
    """The shipped rules with a second series of the same kind, behind the VIX."""
    (vix,) = shipped.series
    return replace(shipped, series=(vix, replace(vix, header=replace(vix.header, id="move"))))


def write(folder: Path, series: str, *dates: str, value: str = "15", last: str = "15") -> None:
    rows = [f"{day},{value}" for day in dates[:-1]] + [f"{dates[-1]},{last}"]
    (folder / f"{series}.csv").write_text("\n".join(["date,value", *rows]) + "\n", "utf-8")


class Running:
    """A desk of profile live in its sessions, and the watch that brings it daily values."""

    def __init__(self, book, folder: Path) -> None:
        broker = SimulatedBroker(SimulationSettings())
        self.book = book
        self.desk = Desk(Engine.of(compile_book(book)), DeskState(), MemoryJournal(), broker)
        self.watch = SeriesWatch(SeriesFiles(str(folder), book), self.desk, SystemClock())
        (first,) = ExchangeCalendar().sessions(NEXT, NEXT)
        self.desk.take(DeskStarted(first.open_ns, book.digest, "live", "0"))

    def open(self, day: str) -> None:
        (each,) = ExchangeCalendar().sessions(day, day)
        opened = (each.open_ns, each.date, each.open_ns, each.close_ns, each.open_time_s)
        self.desk.take(SessionOpened(*opened))

    def close(self) -> None:
        session = self.desk.state.session
        self.desk.take(SessionClosed(session.close_ns, session.date))

    def told(self) -> list[tuple[str, str]]:
        """What the watch brings now, after the desk took it."""
        found = list(self.watch())
        for each in found:
            self.desk.take(each)
        return [(each.series, each.date) for each in found]

    @property
    def vix(self) -> tuple[float | None, float | None]:
        series = record_now(self.book, self.desk.state, STRATEGY).series
        return series.vix_close, series.vix_lowest

    @property
    def life(self) -> str:
        return self.desk.state.lives[STRATEGY].state_name


@pytest.mark.parametrize(("wrong", "right"), [("vix", "move"), ("move", "vix")])
@pytest.mark.parametrize("last", ["calm", ""])
def test_a_wrong_row_keeps_out_its_own_series_alone(two, tmp_path, wrong, right, last):
    write(tmp_path, wrong, *BEFORE, last=last)
    write(tmp_path, right, *BEFORE)
    running = Running(two, tmp_path)
    running.open(NEXT)
    assert running.told() == [(right, day) for day in BEFORE]
    assert running.told() == []
    write(tmp_path, wrong, *BEFORE)
    assert running.told() == [(wrong, day) for day in BEFORE]


def test_a_day_without_a_session_keeps_out_its_own_series_alone(two, tmp_path):
    write(tmp_path, "vix", *BEFORE[:2], "2024-09-07", *BEFORE[2:])
    write(tmp_path, "move", *BEFORE)
    running = Running(two, tmp_path)
    running.open(NEXT)
    assert running.told() == [("move", day) for day in BEFORE]


def test_a_file_that_leads_nowhere_keeps_out_its_own_series_alone(two, tmp_path):
    (tmp_path / "vix.csv").symlink_to("x" * 300)  # no name may be so long, also for the superuser
    write(tmp_path, "move", *BEFORE)
    running = Running(two, tmp_path)
    running.open(NEXT)
    assert running.told() == [("move", day) for day in BEFORE]
    (line,) = series_warnings(two, "live", str(tmp_path))
    assert line.startswith("series vix: ")


@pytest.mark.rule("MARKET_UNKNOWN")
def test_what_was_told_stands_until_it_is_stale_and_nothing_of_a_wrong_file_is_told(
    shipped, tmp_path
):
    """The rows before the wrong one are right by themselves; nobody knows that they are."""
    write(tmp_path, "vix", *BEFORE)
    running = Running(shipped, tmp_path)
    running.open(NEXT)
    running.told()
    assert (running.vix, running.life) == ((15.0, 15.0), "ACTIVE")
    running.close()
    write(tmp_path, "vix", *BEFORE, NEXT, "2024-09-13", last="calm")
    assert running.told() == []
    assert (running.vix, running.life) == ((15.0, 15.0), "ACTIVE")
    running.open("2024-09-13")
    assert running.told() == []
    assert (running.vix, running.life) == ((None, None), "PAUSED")
    write(tmp_path, "vix", *BEFORE, NEXT)
    assert running.told() == [("vix", NEXT)]
    assert (running.vix, running.life) == ((15.0, 15.0), "ACTIVE")


# -- recorded bars -------------------------------------------------------------------------------


@pytest.fixture
def plan(shipped, tmp_path):
    settings = Settings(series=str(tmp_path))
    return RunPlan(shipped, (), settings, str(tmp_path / "desk.db"), most_sessions=2)


class Spoiler:
    """Somebody who writes into the file while the run goes on; and what the desk was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened = 0
        self.told: list[str] = []

    def saw(self, event, _outcome, _state) -> None:
        if isinstance(event, SessionOpened):
            self.opened += 1
            write(self.folder, "vix", *BEFORE, NEXT, last="calm")
        elif isinstance(event, SeriesValueTold):
            self.told.append(event.date)


@pytest.mark.parametrize(
    ("day", "value", "said"),
    [
        ("2031-03-03", "calm", "row 7, column value: expected a number such as 22.64, not 'calm'"),
        ("03.03.2031", "15", "row 7, column date: expected a date such as 2024-10-07, not '03"),
        ("2031-03-02", "15", "row 7, column date: 2031-03-02 is no session of the exchange; rem"),
    ],
)
def test_a_recorded_run_does_not_start_with_a_wrong_row_of_a_later_day(
    plan, tmp_path, day, value, said
):
    write(tmp_path, "vix", *BEFORE, day, last=value)
    with pytest.raises(SettingsError) as caught:
        DeskRun(plan, SystemClock())
    assert f"{tmp_path}/vix.csv: {said}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "desk.db").exists()


def test_a_row_of_an_old_day_that_the_run_never_looks_at_may_be_of_any_day(plan, tmp_path):
    write(tmp_path, "vix", "2024-08-31", *BEFORE)
    DeskRun(plan, SystemClock()).journal.close()


def test_a_recorded_run_reads_its_files_before_it_starts_and_not_again(plan, tmp_path):
    write(tmp_path, "vix", *BEFORE)
    spoiler = Spoiler(tmp_path)
    DeskRun(plan, SystemClock()).run((spoiler,))
    assert (spoiler.opened, spoiler.told) == (2, [*BEFORE])
    with pytest.raises(SettingsError, match="row 7, column value"):
        DeskRun(plan, SystemClock())
