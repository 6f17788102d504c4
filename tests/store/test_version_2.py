"""A journal of the version before this one: readable, replayed, and gone on with."""

from __future__ import annotations

from pathlib import Path

import pytest

from mqd.app.run import DeskRun, RunPlan
from mqd.app.settings import Settings
from mqd.model.command import CancelOrder, LookUpOrder
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock
from mqd.runtime.older_rows import commands_then, is_same
from mqd.runtime.replay import replay
from mqd.store.journal import open_journal
from mqd.store.rows import ROW_VERSION
from mqd.store.verify import verify

ROOT = Path(__file__).parents[2]
ROWS = 269
HEAD = "809415994a35c76313022de78941881e528f967924a7a571faefd38cc3e6f404"
ROWS_IN_POSITION = 200


@pytest.mark.parametrize("rows", [ROWS, ROWS_IN_POSITION], ids=["flat", "with shares held"])
def test_a_desk_goes_on_from_it(facts, path, clock, rows):
    facts.version_2(path, rows)
    plan = RunPlan(load_rules(ROOT / "rules"), (), Settings(), str(path), most_sessions=1)
    run = DeskRun(plan, SystemClock())
    assert run.is_restart
    assert bool(run.desk.state.ledger.positions.open_positions()) == (rows == ROWS_IN_POSITION)
    run.run()
    with open_journal(str(path), clock, write=False) as journal:
        assert verify(journal).ok
        versions = [row.version for row in journal.rows()]
        assert versions == [2] * rows + [ROW_VERSION] * (len(versions) - rows)
        *_, last = replay(journal)
        assert last.state.hash() == run.desk.state.hash()


def test_its_rows_and_rules_are_whole(facts, path, clock):
    with open_journal(str(facts.version_2(path)), clock, write=False) as journal:
        assert verify(journal, HEAD).rows == ROWS
        assert {row.version for row in journal.rows()} == {2}
        for found in replay(journal):
            kinds = found.engine.book.rules.reconciliation
            assert kinds.difference("lost_order").do == "halt"
            assert not kinds.looks_again


ASKED = '[["LookUpOrder",1,"mqd-1"],["CancelOrder",1,"mqd-1","TTL"]]'


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
