"""A journal that the first version of mqd wrote: readable, comparable, and gone on with."""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from mqd.app.run import DeskRun, RunPlan
from mqd.app.settings import Settings
from mqd.ground.canonical import encode
from mqd.ground.errors import JournalError
from mqd.model.command import SubmitOrder, TakeSnapshot
from mqd.model.decision import Decision, DeskStateChanged, Outcome, WatchActed, outcome_record
from mqd.model.event import OrderFilled
from mqd.model.position import Trade
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock
from mqd.runtime.older_rows import commands_then, is_same, same_in_older, same_reply
from mqd.runtime.replay import replay
from mqd.store.journal import open_journal
from mqd.store.rows import ROW_VERSION
from mqd.store.verify import verify
from tests.commands import command

ROOT = Path(__file__).parents[2]
ROWS, EVENTS, DECISIONS = 248, 125, 119
HEAD = "dab87599ea75aa74151305c0eec41abb1ae767a5c169422cdf52e4739c40c90b"
ROWS_IN_POSITION = 150  # the process stopped here: bought at 10:31, not sold yet


@pytest.fixture
def old(facts, path) -> Path:
    return facts.version_1(path)


@pytest.fixture
def mqd(tmp_path):
    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return command(*words, cwd=tmp_path)

    return run


def desk(path: Path) -> DeskRun:
    plan = RunPlan(load_rules(ROOT / "rules"), (), Settings(), str(path), most_sessions=1)
    return DeskRun(plan, SystemClock())


# --------------------------------------------------------------------------------- its rows


def test_its_rows_are_whole_and_are_of_version_1(old, clock):
    with open_journal(str(old), clock, write=False) as journal:
        assert verify(journal, HEAD).rows == ROWS
        assert {row.version for row in journal.rows()} == {1}
        entries = list(journal.entries())
    assert len(entries) == EVENTS
    assert {entry.version for entry in entries} == {1}


def test_a_fill_of_version_1_does_not_say_of_what(old, clock):
    with open_journal(str(old), clock, write=False) as journal:
        fills = [entry.event for entry in journal.entries() if isinstance(entry.event, OrderFilled)]
        assert journal.last_event("OrderFilled") == fills[-1]
    assert [(fill.symbol, fill.side, fill.qty) for fill in fills] == [
        ("", "", Decimal("0.840"))
    ] * 2  # fmt: skip


def test_rows_of_both_versions_make_one_chain(old, clock, facts):
    with open_journal(str(old), clock, write=True) as journal:
        facts.steps(journal, facts.FULL, facts.INTENT)
        assert verify(journal, HEAD).rows == ROWS + 4
        versions = [row.version for row in journal.rows()]
        assert versions == [1] * ROWS + [ROW_VERSION] * 4
        assert [entry.version for entry in journal.tail(3)] == [1, ROW_VERSION, ROW_VERSION]
    with open_journal(str(old), clock, write=True) as journal:  # the newest rows hang together
        assert journal.count() == EVENTS + 2


def test_the_version_is_part_of_what_is_chained(old, clock, facts):
    facts.tamper(old, "UPDATE journal SET version = 2 WHERE position = 100")
    with open_journal(str(old), clock, write=False) as journal:
        assert verify(journal).first_bad_position == 100


# --------------------------------------------------------------------- what it is compared by

DECIDED = Decision(1, "vwap", "SPY", "ENTER", 0, 0, 0, 0, 0, (1.5, None), "ab")
BOUGHT = SubmitOrder(1, "mqd-1", "SPY", "buy", Decimal("0.84"), "market", "day")
TRADED = Trade(
    "vwap", "SPY", 1, Decimal(5), Decimal(1), 2, Decimal(6), "TARGET", Decimal("1.00"), "ab"
)
THEN = Outcome(decisions=(DECIDED,), trades=(TRADED,), commands=(BOUGHT,))
OLD = encode(outcome_record(THEN))


@pytest.mark.parametrize(
    "now",
    [
        THEN,
        THEN._replace(notes=(WatchActed(1, "order", "STALE", "mqd-1", "look_up"),)),
        THEN._replace(commands=(TakeSnapshot(1, "start"), BOUGHT)),
        THEN._replace(decisions=(DECIDED._replace(facts=(1.5, None, True), checks=1),)),
    ],
    ids=["the same", "a note that is new", "a command that is new", "more facts"],
)
def test_what_version_1_could_not_say_is_no_difference(now):
    record = outcome_record(now)
    assert same_in_older(OLD, record, 1)
    assert is_same(OLD, record, 1)
    assert is_same(OLD, record, ROW_VERSION) == (now == THEN)


@pytest.mark.parametrize(
    "now",
    [
        Outcome(),
        THEN._replace(decisions=()),
        THEN._replace(decisions=(DECIDED._replace(outcome="NO_TRADE"),)),
        THEN._replace(decisions=(DECIDED, DECIDED)),
        THEN._replace(commands=()),
        THEN._replace(commands=(BOUGHT._replace(client_order_id="mqd-2"),)),
        THEN._replace(commands=(BOUGHT._replace(qty=Decimal("0.85")),)),
        THEN._replace(trades=()),
        THEN._replace(trades=(TRADED._replace(pnl_usd=Decimal("1.01")),)),
    ],
)
def test_what_it_could_say_is(now):
    assert not same_in_older(OLD, outcome_record(now), 1)
    assert not is_same(OLD, outcome_record(now), ROW_VERSION)


def test_only_what_it_could_ask_is_asked_again():
    """A simulated broker lives the journaled day again; it was never asked for a snapshot."""
    commands = (TakeSnapshot(1, "start"), BOUGHT)
    assert commands_then(commands, OLD, 1) == (BOUGHT,)
    assert commands_then(commands, OLD, ROW_VERSION) == commands


def test_a_fill_that_is_repeated_may_say_more():
    then = OrderFilled(1, "mqd-1", "b-1", "x-1", Decimal(5), Decimal(1), Decimal(0))
    now = then._replace(symbol="SPY", side="buy")
    assert same_reply(then, now)
    assert same_reply(now, now)
    assert not same_reply(now, then)
    assert not same_reply(then, now._replace(price=Decimal(6)))
    assert not same_reply(now, now._replace(side="sell"))


# ----------------------------------------------------------------------------- with commands


def test_commands_that_need_no_rules_read_it(mqd, old):
    found = mqd("journal", "verify", "--db", old, "--head", HEAD)
    assert found.returncode == 0, found.stderr
    assert mqd("journal", "export", "--db", old).stdout.count("\n") == ROWS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("journal", "tail", "-n", "60"), "filled 0.84 @ 596.52"),
        (("journal", "export", "--decisions"), "ENTER"),
        (("status",), "2024-11-25, open"),
        (("why", "--at", "2024-11-25 10:31"), "entered: nothing stood against it"),
        (("report", "daily"), "MEAN_REVERSION"),
    ],
)
def test_commands_read_it(mqd, old, words, said):
    done = mqd(*words, "--db", old)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_it_replays(mqd, old):
    done = mqd("journal", "replay", "--db", old, "--format", "json")
    found = json.loads(done.stdout)
    assert (found["ok"], found["events"], found["decisions"]) == (True, EVENTS, DECISIONS)


def test_what_its_rules_did_not_say_does_nothing_in_it(old, clock):
    """The rows that were added for watches, buttons and a broker's words stay silent."""
    with open_journal(str(old), clock, write=False) as journal:
        outcomes = [found.outcome for found in replay(journal)]
    notes = [note for outcome in outcomes for note in outcome.notes]
    assert len(outcomes) == EVENTS
    assert not [note for note in notes if isinstance(note, WatchActed | DeskStateChanged)]


def test_rules_of_it_that_were_edited_are_refused(old, clock, facts):
    edit = (
        'UPDATE rule_books SET canonical = replace(canonical, \'"value":"1.5"\', \'"value":"2"\')'
    )
    facts.tamper(old, edit)
    with (
        open_journal(str(old), clock, write=False) as journal,
        pytest.raises(JournalError, match="digest"),
    ):
        list(replay(journal))


@pytest.mark.parametrize("rows", [ROWS, ROWS_IN_POSITION], ids=["flat", "with shares held"])
def test_a_desk_goes_on_from_it(facts, path, clock, rows):
    facts.version_1(path, rows)
    run = desk(path)
    assert run.is_restart
    assert run.journal.migrated is not None
    run.run()
    with open_journal(str(path), clock, write=False) as journal:
        assert verify(journal).ok
        versions = [row.version for row in journal.rows()]
        assert versions == [1] * rows + [ROW_VERSION] * (len(versions) - rows)
        *_, last = replay(journal)
        assert last.state.hash() == run.desk.state.hash()
        outcomes = [entry.outcome or "" for entry in journal.entries()]
    trades = [outcome for outcome in outcomes if '"Trade"' in outcome]
    assert len(trades) == 1
    assert '"MEAN_REVERSION","1.1508"' in trades[0]
