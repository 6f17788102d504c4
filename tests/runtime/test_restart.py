"""The same day in one go, or with stops and restarts anywhere: the same log, byte for byte."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from mqd.app.run import DeskRun, RunPlan
from mqd.app.settings import Settings
from mqd.brokers.simulated import SimulatedBroker, SimulationSettings
from mqd.engine.state import DeskState
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.recorded import RecordedFeed, read_bars
from mqd.ground.errors import JournalError
from mqd.model.command import SubmitOrder
from mqd.model.decision import NO_TRADE, Outcome
from mqd.model.event import (
    BarClosed,
    DeskStarted,
    Event,
    OperatorActed,
    OrderFilled,
    SessionClosed,
    SessionOpened,
    SnapshotTaken,
)
from mqd.rules.changes import Changes
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock
from mqd.runtime.recovery import rebuilt, recover
from mqd.runtime.replay import replay
from mqd.store.journal import open_journal

ROOT = Path(__file__).resolve().parents[2]


# ----------------------------------------------------------------- every point, in memory


def test_the_day_has_something_to_lose(desks):
    """Entries, exits, parts and rejections: a restart test on an idle day would prove nothing."""
    journal, _ = desks.whole()
    events = [type(event).__name__ for event, _ in journal.pairs]
    sent = [each for _, outcome in journal.pairs for each in outcome.commands]
    assert sum(isinstance(each, SubmitOrder) for each in sent) >= 8
    assert any(outcome.trades for _, outcome in journal.pairs)
    assert events.count("SessionOpened") == 2
    assert "FeedDefectFound" in events
    if desks.settings.reject_every:
        assert "OrderRejected" in events


@pytest.mark.rule("RESTART_CHANGES_NOTHING")
@pytest.mark.parametrize("opened", [False, True], ids=["between events", "in an event"])
@pytest.mark.case(68, 76)
def test_case_76_a_restart_at_any_record_changes_nothing(desks, opened):
    """Whatever came last: a command without its replies, a reply, a session's edge.

    In an event: it was durable and had no outcome yet, so it is offered again.
    """
    journal, came = desks.whole()
    for count in range(len(journal.pairs) + (not opened)):
        part = journal.until(count, opened=opened)
        assert desks.came(part) == came, f"after {count} events"
        if count % 10 == 0:
            assert desks.came(part) == came, f"after {count} events, and started once more"


@pytest.mark.case(140)
def test_what_a_button_sends_is_there_after_a_restart(desks):
    """The first position is flattened by a person; the desk goes on, and trades again."""
    untouched, _ = desks.whole()
    filled = first_with(untouched, lambda event, _: isinstance(event, OrderFilled))
    bars = 1 + sum(isinstance(event, BarClosed) for event, _ in untouched.pairs[:filled])
    desks.buttons = {bars: "flatten", bars + 1: "resume", 60: "halt", 61: "resume"}
    journal, came = desks.whole()
    acted = [outcome for event, outcome in journal.pairs if isinstance(event, OperatorActed)]
    assert len(acted) == 4
    assert any(isinstance(command, SubmitOrder) for command in acted[0].commands)
    for count in range(len(journal.pairs)):
        assert desks.came(journal.until(count)) == came, f"after {count} events"
        assert desks.came(journal.until(count, opened=True)) == came, f"in event {count}"


def test_a_desk_that_ended_before_a_bar_cannot_be_compared_without_it(make_desks, books, busy_feed):
    """What the broker said of the bar is journaled, and the bar is not."""
    desks = make_desks(books, busy_feed, fill="next-open")
    journal, came = desks.whole()
    filled = first_with(journal, lambda event, _: isinstance(event, OrderFilled))
    part = journal.until(filled + 1)
    with pytest.raises(JournalError, match=r"ended between .*; `mqd run` goes on from there"):
        recover(part, SimulatedBroker(desks.settings), engine_of=desks.engine)
    assert desks.came(part) == came


def test_case_140_a_restart_after_every_bar_changes_nothing(desks):
    journal, came = desks.whole()
    stopped = journal.until(0)
    for _ in range(len(list(desks.feed.events()))):
        desks.start(stopped, most=1)
    assert desks.came(stopped) == came


def test_a_crash_right_after_a_restart_and_again(desks):
    journal, came = desks.whole()
    for count in range(0, len(journal.pairs), 7):
        part = journal.until(count)
        for _ in range(3):
            desks.start(part, most=0)
        assert desks.came(part) == came, f"after {count} events"


def test_a_crash_at_every_record_of_a_restart(desks):
    """The start itself, its questions and the answers to them are records like any other."""
    journal, came = desks.whole()
    for count in range(5, len(journal.pairs), 23):
        part = journal.until(count)
        desks.start(part, most=1)
        for more in range(count, len(part.pairs) + 1):
            again = part.until(more)
            assert desks.came(again) == came, f"after {count} events, and {more - count} more"


@pytest.mark.case(140)
def test_streamed_and_in_one_batch_are_the_same(desks):
    journal, came = desks.whole()
    batch = list(desks.feed.events())

    class Batch:
        def events(self, after_ns=None):
            assert after_ns is None
            return iter(batch)

    desks.feed = Batch()
    again, batched = desks.whole()
    assert again.head() == journal.head()
    assert batched == came


@pytest.mark.case(77)
def test_case_77_starting_twice_without_trading_writes_no_fills(desks):
    journal, came = desks.whole()
    before = len(journal.pairs)
    for _ in range(2):
        assert desks.came(journal) == came
    later = [type(event) for event, _ in journal.pairs[before:]]
    assert later == [DeskStarted, SnapshotTaken] * 2


def test_replaying_a_journal_rebuilds_the_state(desks, runtime):
    journal = runtime.KeptJournal()
    state = desks.start(journal)
    found = list(replay(journal, desks.engine))
    assert found[-1].state.canonical() == state.canonical()
    assert [(item.event, item.outcome) for item in found] == journal.pairs
    assert rebuilt(journal, desks.engine).state.canonical() == state.canonical()


def test_bars_that_end_together_are_not_lost_in_a_restart(pair_of_symbols, make_desks):
    """Two symbols: a stop may fall between two bars of one minute."""
    books, feed = pair_of_symbols
    desks = make_desks(books, feed)
    journal, came = desks.whole()
    assert len({event.symbol for event, _ in journal.pairs if isinstance(event, BarClosed)}) == 2
    for count in range(len(journal.pairs) + 1):
        assert desks.came(journal.until(count)) == came, f"after {count} events"


def test_a_journal_goes_on_with_bars_that_its_first_ones_are_not_among(desks, runtime, tmp_path):
    """One file up to any bar and another from there: the same as both at once."""
    rows = runtime.busy_rows()
    _, came = desks.whole()
    next_day = next(n for n, row in enumerate(rows) if row[1] > "2024-10-08")
    dips = range(30, next_day - 12, 5)  # in position, and out of it
    for cut in [1, 2, 20, *dips, next_day - 1, next_day, next_day + 1, next_day + 2]:
        journal = runtime.KeptJournal()
        for name, part in (("old.csv", rows[:cut]), ("new.csv", rows[cut:])):
            desks.feed = runtime.feed_of([runtime.write_bars(tmp_path / name, part)], "SPY")
            state = desks.start(journal)
        assert runtime.came_to(journal.pairs, state) == came, f"after {cut} rows"
        edges = [
            (type(event), event.date)
            for event, _ in journal.pairs
            if isinstance(event, SessionOpened | SessionClosed)
        ]
        assert edges == [
            (SessionOpened, "2024-10-07"),
            (SessionClosed, "2024-10-07"),
            (SessionOpened, "2024-10-08"),
        ], f"after {cut} rows"


def test_a_restart_on_other_bars_may_be_followed_by_restarts(desks, runtime, tmp_path):
    """Wherever the second file is stopped, and whether it comes alone or behind the first one."""
    rows = runtime.busy_rows()
    _, came = desks.whole()
    cut = next(n for n, row in enumerate(rows) if row[1] > "2024-10-08")
    old = runtime.write_bars(tmp_path / "old.csv", rows[:cut])
    new = runtime.write_bars(tmp_path / "new.csv", rows[cut:])
    desks.feed = runtime.feed_of([old], "SPY")
    first = runtime.KeptJournal()
    desks.start(first)
    for most in (0, 1, 2, 3, 12):
        for later in ([new], [old, new]):
            journal = first.until(len(first.pairs))
            desks.feed = runtime.feed_of([new], "SPY")
            desks.start(journal, most=most)
            desks.feed = runtime.feed_of(later, "SPY")
            assert desks.came(journal) == came, f"after {most} events of the second file"


def test_a_real_month_with_a_few_restarts(real_bars, make_desks, books):
    feed = RecordedFeed(read_bars([real_bars], "SPY"), ExchangeCalendar())
    desks = make_desks(books, feed)
    journal, came = desks.whole()
    total = len(journal.pairs)
    commands = [n for n, (_, outcome) in enumerate(journal.pairs) if outcome.commands]
    for count in [1, 2, *(n + 1 for n in commands[:3]), total // 2, total - 1]:
        assert desks.came(journal.until(count)) == came


# ------------------------------------------------------------------- what must be refused


def first_with(journal, wanted) -> int:
    return next(n for n, pair in enumerate(journal.pairs) if wanted(*pair))


def test_a_changed_outcome_is_refused_and_named(desks):
    journal, _ = desks.whole()
    place = first_with(journal, lambda _, outcome: bool(outcome.decisions))
    event, outcome = journal.pairs[place]
    lie = outcome._replace(decisions=(outcome.decisions[0]._replace(no_trade=0),))
    journal.pairs[place] = (event, lie)
    with pytest.raises(JournalError, match=rf"^event {place + 1} \(BarClosed\) leads to another"):
        list(replay(journal.until(len(journal.pairs)), desks.engine))


def test_an_outcome_where_there_was_none_is_refused(desks):
    journal, _ = desks.whole()
    place = first_with(journal, lambda _, outcome: not any(outcome))
    decided = first_with(journal, lambda _, outcome: bool(outcome.decisions))
    journal.pairs[place] = (journal.pairs[place][0], journal.pairs[decided][1])
    with pytest.raises(JournalError, match=f"^event {place + 1} "):
        list(replay(journal.until(len(journal.pairs)), desks.engine))


def test_a_journal_that_starts_in_the_middle_is_refused(desks):
    journal, _ = desks.whole()
    del journal.pairs[0]
    with pytest.raises(JournalError, match="does not start with the start of a desk"):
        list(replay(journal.until(9), desks.engine))


def test_a_journal_without_its_rules_is_refused(desks):
    journal, _ = desks.whole()
    part = journal.until(9)
    part._rules.clear()
    with pytest.raises(JournalError, match="never saw the rules"):
        list(replay(part))


@pytest.mark.parametrize(
    "changed",
    [
        {"slippage_bps": Decimal(3)}, {"fee_per_share_usd": Decimal(1)}, {"reject_every": 1},
        {"fill": "next-open"}, {"largest_fill_shares": Decimal(1)},
    ],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
@pytest.mark.parametrize("later", [0, 1, 5, 20])
def test_another_market_than_the_journal_was_written_with_is_refused(
    make_desks, books, busy_feed, changed, later
):
    """Else the broker would hold other shares than the ledger, and refuse to sell them."""
    desks = make_desks(books, busy_feed)
    journal, _ = desks.whole()
    filled = first_with(journal, lambda event, _: type(event).__name__ == "OrderFilled")
    part = journal.until(filled + 1 + later)
    with pytest.raises(JournalError, match="settings") as caught:
        desks.start(part, **changed)
    assert len(str(caught.value)) < 200


# ------------------------------------------------------------------------- changed rules


@pytest.mark.parametrize("second", ["other", "bare"])
def test_rules_that_change_between_two_starts(desks, second):
    """Each part of the journal is replayed under the rules it ran under."""
    journal, _ = desks.whole()
    for count in range(3, len(journal.pairs), 11):
        part = journal.until(count)
        came = desks.came(part, book=second)
        found = list(replay(part, desks.engine))
        digests = [item.engine.book.digest for item in found]
        assert digests[0] == desks.books["first"].digest
        assert digests[-1] == desks.books[second].digest
        for event, outcome in part.pairs[count:]:
            for decision in outcome.decisions:
                assert decision.rules_digest == digests[-1], event
        again = part.until(max(count + 1, len(part.pairs) - 5))
        assert desks.came(again, book=second) == came


def test_the_journal_alone_is_enough_to_replay_under_every_book(desks):
    """The rules come out of the journal's own text, not out of the files."""
    journal, _ = desks.whole()
    part = journal.until(len(journal.pairs) // 2)
    ended = desks.start(part, book="other")
    *_, last = replay(part)
    assert last.state.hash() == ended.hash()


# ----------------------------------------------------------------------- on disk, for real


class Crash(Exception):
    """The process ends here."""


class CrashAfter:
    """A watcher that ends the run after so many events."""

    def __init__(self, count: int) -> None:
        self.left = count

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:  # the port's names
        self.left -= 1
        if self.left <= 0:
            raise Crash


def plan(folder, *, samples=None, **settings) -> RunPlan:
    book = samples or load_rules(ROOT / "rules", Changes(values={"max_trades_per_day": "3"}))
    return RunPlan(book, (), Settings(**settings), f"sqlite:///{folder / 'desk.db'}")


@pytest.fixture
def come(runtime):
    """What the journal in a folder tells."""

    def read(folder):
        with open_journal(str(folder / "desk.db"), SystemClock(), write=False) as journal:
            found = list(replay(journal))
        pairs = [(item.event, item.outcome) for item in found]
        return runtime.came_to(pairs, found[-1].state)

    return read


SETTINGS = [
    {"fill": "close"},
    {"fill": "next-open", "slippage_bps": "1", "fee_per_share_usd": "0.01", "reject_every": "2"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=["close", "next-open"])
@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_the_sample_sessions_with_stops_on_the_way(
    tmp_path, monkeypatch, come, settings, is_killed
):
    """Killed: what was not yet durable is gone, and comes again."""
    whole = tmp_path / "whole"
    whole.mkdir()
    run = DeskRun(plan(whole, **settings), SystemClock())
    run.run()
    expected = come(whole)
    assert expected.trades

    stops = tmp_path / "stops"
    stops.mkdir()
    for count in (1, 2, 95, 3, 5, 211, 1, 400, 33, 390, 5_000):
        part = DeskRun(plan(stops, **settings), SystemClock())
        if is_killed:
            monkeypatch.setattr(part.journal, "flush", lambda: None)
        try:
            part.run([CrashAfter(count)])
        except Crash:
            continue
        break
    else:
        pytest.fail("the sessions never ended")
    assert come(stops) == expected


def test_a_stop_between_sessions_and_the_number_of_sessions(tmp_path, come):
    """`--sessions`: one session at a time is the same as all of them."""
    whole, single = tmp_path / "whole", tmp_path / "single"
    for folder in (whole, single):
        folder.mkdir()
    DeskRun(plan(whole), SystemClock()).run()
    one = plan(single)
    for _ in range(6):
        run = DeskRun(
            RunPlan(one.book, one.bars, one.settings, one.journal_url, most_sessions=1),
            SystemClock(),
        )
        run.run()
    assert come(single) == come(whole)


def test_a_restart_with_other_settings_of_the_market_is_refused_on_disk(tmp_path):
    run = DeskRun(plan(tmp_path), SystemClock())
    run.run()
    with pytest.raises(JournalError, match="settings"):
        DeskRun(plan(tmp_path, slippage_bps="2"), SystemClock())


def test_decisions_are_there_for_every_regular_bar(desks):
    """Case 143, through the loop: set aside or decided, never both and never neither."""
    journal, _ = desks.whole()
    for event, outcome in journal.pairs:
        if isinstance(event, BarClosed):
            assert len(outcome.decisions) + len(outcome.notes) >= 1
            assert len(outcome.decisions) <= 1
        else:
            assert not outcome.decisions
    outcomes = {each.outcome for _, outcome in journal.pairs for each in outcome.decisions}
    assert {NO_TRADE, "ENTER", "EXIT"} <= outcomes


def test_the_default_market_is_the_one_of_the_settings():
    assert Settings().simulation() == SimulationSettings()
