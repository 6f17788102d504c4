"""Journals of the versions after the first: readable, replayed, and gone on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from mqd.app.run import DeskRun, RunPlan
from mqd.app.settings import Settings
from mqd.model.command import CancelOrder, LookUpOrder
from mqd.model.decision import Outcome, ProtectionTripped, outcome_record
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock
from mqd.runtime.older_rows import commands_then, is_same
from mqd.runtime.replay import replay
from mqd.store.journal import open_journal
from mqd.store.rows import ROW_VERSION
from mqd.store.verify import verify

ROOT = Path(__file__).parents[2]
ROWS = {2: 269, 3: 263, 4: 263, 5: 263}
HEADS = {
    2: "809415994a35c76313022de78941881e528f967924a7a571faefd38cc3e6f404",
    3: "3f261c1d907262414f3587273108040868a52ac74b0d1fc31334762df3f7e002",
    4: "27316f1704c98774414330f76e77800e56725cd0edf6d1247b651fd7118d8dc4",
    5: "3701837f6f1494606659b8b8ecfbd41805d1a7b8eea39726f4d30a90a3514bf5",
}
ROWS_IN_POSITION = 200

each_version = pytest.mark.parametrize("version", sorted(ROWS))


@each_version
@pytest.mark.parametrize("is_flat", [True, False], ids=["flat", "with shares held"])
def test_a_desk_goes_on_from_it(facts, path, clock, version, is_flat):
    rows = ROWS[version] if is_flat else ROWS_IN_POSITION
    facts.of_version(path, version, rows)
    plan = RunPlan(load_rules(ROOT / "rules"), (), Settings(), str(path), most_sessions=1)
    run = DeskRun(plan, SystemClock())
    assert run.is_restart
    assert bool(run.desk.state.ledger.positions.open_positions()) != is_flat
    run.run()
    with open_journal(str(path), clock, write=False) as journal:
        assert verify(journal).ok
        versions = [row.version for row in journal.rows()]
        assert versions == [version] * rows + [ROW_VERSION] * (len(versions) - rows)
        *_, last = replay(journal)
        assert last.state.hash() == run.desk.state.hash()


@each_version
def test_its_rows_and_rules_are_whole(facts, path, clock, version):
    with open_journal(str(facts.of_version(path, version)), clock, write=False) as journal:
        assert verify(journal, HEADS[version]).rows == ROWS[version]
        assert {row.version for row in journal.rows()} == {version}
        for found in replay(journal):
            kinds = found.engine.book.rules.reconciliation
            assert kinds.difference("lost_order").do == "halt"
            assert bool(kinds.looks_again) == (version > 2)


ASKED = '[["LookUpOrder",1,"mqd-1"],["CancelOrder",1,"mqd-1","TTL"]]'


def test_a_protection_that_said_less_of_its_trip_tripped_all_the_same():
    """Form 5 did not say of what a block was, how long it was to last, and by which row."""
    then = '[["ProtectionTripped",1,"daily_loss_limit",9]]'
    now = ProtectionTripped(1, "daily_loss_limit", 9, "", "rest_of_session", "PL-01")
    assert is_same(then, outcome_record(Outcome(notes=(now,))), 5)
    assert not is_same(then, outcome_record(Outcome(notes=(now,))), ROW_VERSION)


def test_a_question_more_or_less_is_no_difference_and_a_cancel_is_one():
    looked, cancelled = ["LookUpOrder", 1, "mqd-1"], ["CancelOrder", 1, "mqd-1", "HALTED"]
    assert is_same(ASKED, [cancelled], 2)
    assert is_same(ASKED, [looked, looked, cancelled], 2)
    assert not is_same(ASKED, [looked], 2)
    assert not is_same(ASKED, [looked, ["CancelOrder", 1, "mqd-2", "TTL"]], 2)


def test_only_what_was_asked_then_is_asked_again():
    commands = (
        LookUpOrder(1, "mqd-1"), LookUpOrder(1, "mqd-2"), CancelOrder(1, "mqd-1", "told otherwise"),
    )  # fmt: skip
    assert commands_then(commands, ASKED, 2) == (commands[0], commands[2])
    assert commands_then(commands, ASKED, ROW_VERSION) == commands
