"""Every interleaving of what a broker may do to one and two orders, on the real step function."""

from __future__ import annotations

import json

import pytest

from mqd.app.exploration.walk import Walk
from mqd.app.proofs import record_proof
from mqd.engine import reconcile
from mqd.engine.core import Engine, raise_incident
from mqd.engine.ledger import Ledger
from mqd.ground.errors import InvariantViolatedError
from mqd.rules.compile.book import compile_book
from mqd.rules.find import shipped
from mqd.rules.validate import load_rules


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.of(compile_book(load_rules(shipped("rules"))))


@pytest.mark.rule(
    "ORDER_SENT_IS_KNOWN", "FILLS_ARE_EXECUTIONS", "WORKING_IS_NOT_ENDED", "ONE_ENTRY_A_SYMBOL",
    "POSITION_IS_ITS_EXECUTIONS", "PNL_IS_ITS_EXECUTIONS", "EXITS_WITHIN_POSITION",
)  # fmt: skip
@pytest.mark.parametrize(("orders", "depth"), [(1, 6), (2, 5)])
def test_every_interleaving_keeps_every_invariant(engine, orders, depth):
    found = Walk(engine, orders, depth).run()
    assert not found.violations
    assert found.settled > 1_000


def test_the_same_walk_twice_finds_the_same(engine):
    first, second = (Walk(engine, 1, 4).run() for _ in range(2))
    assert (first.states, first.edges, first.settled) == (
        second.states, second.edges, second.settled,
    )  # fmt: skip


def test_a_desk_that_believes_an_old_snapshot_is_found_out(engine, monkeypatch):
    monkeypatch.setattr(reconcile, "has_crossed", lambda *_: False)
    assert Walk(engine, 1, 6).run(most_violations=1).violations


def test_a_fill_that_is_booked_twice_is_found_out(engine, monkeypatch):
    def book(ledger, execution, *args):
        if execution.execution_id in ledger.executions:
            execution = execution._replace(execution_id=f"{execution.execution_id}-again")
        return original(ledger, execution, *args)

    original = Ledger.book
    monkeypatch.setattr(Ledger, "book", book)
    assert Walk(engine, 1, 5).run(most_violations=1).violations


def test_what_breaks_while_all_settles_is_found_out(engine, monkeypatch):
    """To this depth no comparison with a filled order is heard before all settles."""

    def take(engine, state, snapshot, step):
        original(engine, state, snapshot, step)
        if snapshot.executions:
            raise_incident(engine, state, step, InvariantViolatedError("IT does not hold"), "IT")

    original = reconcile._take_executions
    monkeypatch.setattr(reconcile, "_take_executions", take)
    assert Walk(engine, 1, 4).run(most_violations=1).violations


def test_the_record_keeps_what_other_proofs_said(tmp_path):
    file = tmp_path / "evidence" / "proofs.json"
    record_proof("kills", {"kills": 3}, file)
    record_proof("exploration", {"states": 1}, file)
    record_proof("exploration", {"states": 2}, file)
    assert json.loads(file.read_text()) == {"kills": {"kills": 3}, "exploration": {"states": 2}}
