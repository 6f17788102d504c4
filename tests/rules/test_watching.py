"""Watches, the comparison with the broker, invariants and a broker's words, as the rules say them.

Every question is asked of the compiled rules, with facts given by name as the engine gives them.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mqd.rules.compile.book import CompiledBook, compile_book
from mqd.rules.compile.ruleset import CompiledSet
from mqd.rules.shape import schema_for
from mqd.rules.validate import load_rules
from mqd.rules.words.acts import (
    ACTS_ON,
    ANSWER_MEANINGS,
    ANY,
    BROKER_NEWS,
    BROKER_REQUESTS,
    BROKER_WORDS,
    DIFFERENCE_ACTS,
    DIFFERENCES,
    MEANINGS_FOR,
    NEWS_MEANINGS,
    NO_ANSWERS,
    REQUESTS,
    STATUS_MEANINGS,
    WATCH_ACTS,
)
from mqd.rules.words.fact import PROFILES
from mqd.rules.words.watching import ROLES

RULES = Path(__file__).resolve().parents[2] / "rules"


@pytest.fixture(scope="module")
def book() -> CompiledBook:
    return compile_book(load_rules(RULES))


def first(
    book: CompiledBook,
    watch: str,
    subject: object,
    state: str = "ACTIVE",
    is_open: bool = True,
    lacks_shares: bool = False,
    **desk: Any,
) -> str | None:
    """The row that acts and what it does, as `CODE act`; None where nothing is true."""
    states = [each.name for each in book.rules.desk_machine.states]
    usual = {
        "is_in_step": True, "profile_code": PROFILES.index("paper"), "breaker_code": 0,
        "refused_orders": 0, "is_restricted": False, "has_compared": True,
    }  # fmt: skip
    facts = SimpleNamespace(state_code=states.index(state), **{**usual, **desk})
    session = SimpleNamespace(is_open=is_open)
    rules: CompiledSet = getattr(book, f"{watch}_watch")
    symbol = SimpleNamespace(lacks_shares=lacks_shares)
    mask = rules.evaluate(None, symbol, session, facts, None, subject, subject)
    true = rules.true_codes(mask)
    if not true:
        return None
    return f"{true[0]} {getattr(book, f'{watch}_watch_acts')[rules.codes.index(true[0])]}"


# -- orders -------------------------------------------------------------------------------------


def order(book: CompiledBook, role: str, state: str, **facts: Any) -> SimpleNamespace:
    states = [each.name for each in book.rules.order_machine.states]
    usual = {
        "age_s": 1.0, "silence_s": 0.0, "look_ups": 0, "times_sent": 1, "was_taken": True,
        "times_asked_back": 0, "excess": 0.0, "shortfall": 0.0, "stops": 0, "is_enabled": True,
        "since_sent_s": 0.0, "is_protected": False,
    }  # fmt: skip
    return SimpleNamespace(
        role_code=ROLES.index(role), state_code=states.index(state), **{**usual, **facts}
    )


@pytest.mark.parametrize(
    ("role", "state", "facts", "desk", "acts"),
    [
        ("entry", "SUBMITTED", {}, "ACTIVE", None),
        ("entry", "SUBMITTED", {}, "REDUCING", None),
        ("entry", "SUBMITTED", {}, "HALTED", "ENTRY_ASKED_BACK ask_back"),
        ("entry", "UNKNOWN", {}, "FROZEN", "ENTRY_ASKED_BACK ask_back"),
        ("entry", "PENDING_CANCEL", {}, "HALTED", None),
        ("entry", "SUBMITTED", {"is_enabled": False}, "ACTIVE", "ENTRY_ASKED_BACK ask_back"),
        ("entry", "PENDING_CANCEL", {"is_enabled": False}, "ACTIVE", None),
        ("exit", "SUBMITTED", {"is_enabled": False}, "ACTIVE", None),
        ("exit", "SUBMITTED", {}, "HALTED", None),
        ("external", "SUBMITTED", {"age_s": 9e5}, "FLATTENING", None),
        ("entry", "SUBMITTED", {"age_s": 599.9}, "ACTIVE", None),
        ("entry", "SUBMITTED", {"age_s": 600.0}, "ACTIVE", "ENTRY_TOO_OLD ask_back"),
        ("exit", "PARTIALLY_FILLED", {"since_sent_s": 120.0}, "HALTED", "EXIT_TOO_OLD ask_back"),
        ("exit", "PARTIALLY_FILLED", {"since_sent_s": 119.9, "age_s": 9e3}, "ACTIVE", None),
        ("exit", "PARTIALLY_FILLED", {"since_sent_s": 120.0}, "FROZEN", None),
        ("exit", "PENDING_CANCEL", {"since_sent_s": 120.0}, "ACTIVE", None),
        ("exit", "SUBMITTED", {"excess": 0.1}, "HALTED", "EXIT_TOO_LARGE ask_back"),
        ("exit", "SUBMITTED", {"excess": 0.1}, "FROZEN", "EXIT_TOO_LARGE ask_back"),
    ],
)
def test_what_is_asked_back(book, role, state, facts, desk, acts) -> None:
    assert first(book, "order", order(book, role, state, **facts), desk) == acts


REFUSED = {"was_taken": False, "silence_s": 2.0}


@pytest.mark.parametrize(
    ("role", "state", "facts", "desk", "acts"),
    [
        ("entry", "PENDING", REFUSED, "ACTIVE", "ENTRY_NOT_TAKEN send_again"),
        ("entry", "PENDING", REFUSED, "REDUCING", None),
        (
            "entry",
            "PENDING",
            {**REFUSED, "is_enabled": False},
            "ACTIVE",
            "ENTRY_ASKED_BACK ask_back",
        ),
        ("entry", "PENDING", {**REFUSED, "is_protected": True}, "ACTIVE", None),
        (
            "exit",
            "PENDING",
            {**REFUSED, "is_protected": True},
            "ACTIVE",
            "EXIT_NOT_TAKEN send_again",
        ),
        ("entry", "PENDING", {**REFUSED, "silence_s": 1.9}, "ACTIVE", None),
        ("entry", "PENDING", {**REFUSED, "times_sent": 5}, "ACTIVE", None),
        ("entry", "PENDING", {"silence_s": 2.0}, "ACTIVE", None),
        ("entry", "UNKNOWN", REFUSED, "ACTIVE", None),
        ("exit", "PENDING", REFUSED, "HALTED", "EXIT_NOT_TAKEN send_again"),
        ("exit", "PENDING", REFUSED, "FROZEN", None),
        ("exit", "UNKNOWN", {"silence_s": 2.0}, "HALTED", "EXIT_UNPROVED send_again"),
        ("exit", "UNKNOWN", {"silence_s": 2.0}, "FROZEN", None),
        ("exit", "UNKNOWN", {"silence_s": 2.0, "times_sent": 5}, "ACTIVE", None),
        ("exit", "PENDING_CANCEL", REFUSED, "ACTIVE", "CANCEL_NOT_TAKEN ask_back"),
        (
            "exit",
            "PENDING_CANCEL",
            {**REFUSED, "times_asked_back": 4},
            "ACTIVE",
            "CANCEL_NOT_TAKEN ask_back",
        ),
        (
            "exit",
            "PENDING_CANCEL",
            {**REFUSED, "times_asked_back": 5},
            "ACTIVE",
            "CANCEL_REFUSED page",
        ),
    ],
)
def test_what_is_sent_again(book, role, state, facts, desk, acts) -> None:
    assert first(book, "order", order(book, role, state, **facts), desk) == acts


@pytest.mark.parametrize(
    ("state", "facts", "acts"),
    [
        ("UNKNOWN", {"silence_s": 9.9}, None),
        ("UNKNOWN", {"silence_s": 10.0}, "STILL_UNKNOWN look_up"),
        ("UNKNOWN", {"silence_s": 10.0, "look_ups": 4}, "STILL_UNKNOWN look_up"),
        ("UNKNOWN", {"silence_s": 10.0, "look_ups": 5}, "UNPROVED page"),
        ("PENDING", {"silence_s": 9.9}, None),
        ("PENDING", {"silence_s": 10.0}, "UNCONFIRMED look_up"),
        ("PENDING", {"silence_s": 0.0, "look_ups": 5}, "UNPROVED page"),
        ("PENDING_CANCEL", {"silence_s": 9.9}, None),
        ("PENDING_CANCEL", {"silence_s": 10.0}, "CANCEL_UNANSWERED look_up"),
        ("PENDING_CANCEL", {"silence_s": 10.0, "look_ups": 5}, "UNPROVED page"),
        ("SUBMITTED", {"silence_s": 1e6, "look_ups": 4}, None),
        ("SUBMITTED", {"silence_s": 1e6, "look_ups": 5}, "UNPROVED page"),
    ],
)
def test_what_is_looked_up_and_when_a_person_is_told(book, state, facts, acts) -> None:
    assert first(book, "order", order(book, "entry", state, **facts)) == acts


# -- positions ----------------------------------------------------------------------------------


def held(**facts: Any) -> SimpleNamespace:
    usual = {
        "qty": 1.0, "entry_price": 100.0, "planned_distance": 0.3, "takes_stop": True,
        "working_entries": 0, "working_exits": 0, "exit_attempts": 0, "since_exit_s": 0.0,
        "working_stops": 1, "stop_attempts": 0, "since_stop_s": 0.0, "has_stop_ended": False,
        "stop_price": 99.1, "last_price": 100.0,
        "unwatched_s": 0.0, "is_managed": True, "is_external": False,
    }  # fmt: skip
    return SimpleNamespace(**{**usual, **facts})


NO_STOP = {"working_stops": 0, "stop_attempts": 1, "has_stop_ended": True}
"""The broker would not hold the stop."""


@pytest.mark.parametrize(
    ("facts", "state", "is_open", "acts"),
    [
        ({}, "ACTIVE", True, None),
        ({}, "FLATTENING", True, "CLOSE_ORDERED close"),
        ({}, "FLATTENING", False, None),
        ({"is_external": True}, "FLATTENING", True, None),
        ({"working_exits": 1}, "FLATTENING", True, None),
        # A close that was refused is not repeated at once, and is repeated for ever.
        ({"exit_attempts": 1, "since_exit_s": 4.9}, "FLATTENING", True, None),
        ({"exit_attempts": 9, "since_exit_s": 5.0}, "FLATTENING", True, "CLOSE_ORDERED close"),
        ({"exit_attempts": 9, "since_exit_s": 4.9}, "FLATTENING", True, "EXIT_ATTEMPTS_SPENT page"),
        # Nobody tried to leave, so what the clock says about it means nothing.
        ({"exit_attempts": 0, "since_exit_s": 1e9}, "ACTIVE", True, None),
        ({"exit_attempts": 1, "since_exit_s": 5.0}, "ACTIVE", True, "EXIT_ENDED_SHORT exit_again"),
        ({"exit_attempts": 1, "since_exit_s": 5.0}, "HALTED", True, "EXIT_ENDED_SHORT exit_again"),
        ({"exit_attempts": 1, "since_exit_s": 5.0}, "FROZEN", True, None),
        ({"exit_attempts": 1, "since_exit_s": 5.0}, "ACTIVE", False, None),
        ({"exit_attempts": 2, "since_exit_s": 5.0, "working_exits": 1}, "ACTIVE", True, None),
        ({"exit_attempts": 3, "since_exit_s": 5.0}, "ACTIVE", True, "EXIT_ATTEMPTS_SPENT page"),
        ({"unwatched_s": 239.9}, "ACTIVE", True, None),
        ({"unwatched_s": 240.0}, "ACTIVE", True, "NOT_WATCHED page"),
        ({"unwatched_s": 240.0}, "ACTIVE", False, None),
        ({"unwatched_s": 240.0, "is_external": True}, "ACTIVE", True, None),
        ({"working_stops": 0}, "ACTIVE", True, "PROTECTIVE_STOP protect"),
        ({"working_stops": 0}, "HALTED", True, "PROTECTIVE_STOP protect"),
        ({"working_stops": 0}, "FROZEN", True, None),
        ({"working_stops": 0}, "ACTIVE", False, None),
        ({"working_stops": 0, "takes_stop": False}, "ACTIVE", True, None),
        ({"working_stops": 0, "working_entries": 1}, "ACTIVE", True, None),
        ({"working_stops": 0, "working_exits": 1}, "ACTIVE", True, None),
        ({"working_stops": 0, "planned_distance": float("nan")}, "ACTIVE", True, None),
        ({"working_stops": 0, "is_external": True}, "ACTIVE", True, None),
        ({**NO_STOP, "since_stop_s": 4.9}, "ACTIVE", True, None),
        ({**NO_STOP, "since_stop_s": 5.0}, "ACTIVE", True, "PROTECTIVE_STOP protect"),
        ({**NO_STOP, "stop_attempts": 3}, "ACTIVE", True, "STOP_ATTEMPTS_SPENT page"),
        ({**NO_STOP, "last_price": 99.1}, "ACTIVE", True, "BELOW_ITS_STOP close"),
        ({**NO_STOP, "last_price": 99.11}, "ACTIVE", True, None),
        ({**NO_STOP, "last_price": 99.1}, "FROZEN", True, None),
    ],
)
def test_how_a_position_is_looked_after(book, facts, state, is_open, acts) -> None:
    assert first(book, "position", held(**facts), state, is_open) == acts


def test_a_stop_is_made_of_shares_that_the_broker_has(book) -> None:
    bare = held(working_stops=0)
    assert first(book, "position", bare, has_compared=False) is None
    assert first(book, "position", bare, lacks_shares=True) is None
    assert first(book, "position", bare, is_in_step=False) == "PROTECTIVE_STOP protect"


@pytest.mark.rule("EXIT_WAITED_FOR_STOP")
def test_an_exit_that_waited_leaves_when_its_stop_has_ended(book) -> None:
    waits = {"times_sent": 0, "silence_s": 1.0}
    leaves = "EXIT_WAITED_FOR_STOP send_again"
    assert first(book, "order", order(book, "exit", "PENDING", **waits)) == leaves
    assert first(book, "order", order(book, "exit", "PENDING", **waits, stops=1)) is None
    lacking = order(book, "exit", "PENDING", **waits)
    assert first(book, "order", lacking, lacks_shares=True) is None


# -- the desk -----------------------------------------------------------------------------------

ASKED = {
    "snapshot_asked": True, "since_snapshot_s": 0.0, "is_in_step": True, "snapshot_is_due": False,
    "is_waiting_for_snapshot": False, "open_positions": 0, "working_orders": 0,
    "refused_orders": 0, "is_restricted": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "is_open", "acts"),
    [
        ({}, True, None),
        ({"snapshot_is_due": True}, False, "SNAPSHOT_DUE take_snapshot"),
        ({"snapshot_is_due": True, "is_waiting_for_snapshot": True}, True, None),
        ({"is_waiting_for_snapshot": True, "since_snapshot_s": 29.9}, True, None),
        ({"is_waiting_for_snapshot": True, "since_snapshot_s": 30.0}, True,
         "SNAPSHOT_UNANSWERED take_snapshot"),
        ({"is_in_step": False, "since_snapshot_s": 4.9}, True, None),
        ({"is_in_step": False, "since_snapshot_s": 5.0}, True, "OUT_OF_STEP take_snapshot"),
        ({"is_in_step": False, "since_snapshot_s": 1e9, "snapshot_asked": False}, True, None),
        ({"refused_orders": 1, "since_snapshot_s": 4.9}, True, None),
        ({"refused_orders": 1, "since_snapshot_s": 5.0}, False, "ORDER_REFUSED take_snapshot"),
        ({"refused_orders": 1, "since_snapshot_s": 5.0, "breaker_code": 1}, True, None),
        ({"refused_orders": 9, "since_snapshot_s": 5.0, "is_waiting_for_snapshot": True}, True,
         None),
        ({"is_restricted": True}, False, "ACCOUNT_MAY_NOT_TRADE page"),
        ({"is_restricted": None}, True, None),
        ({"since_snapshot_s": 299.9}, True, None),
        ({"since_snapshot_s": 300.0}, True, "SNAPSHOT_TIMER take_snapshot"),
        ({"since_snapshot_s": 300.0}, False, None),
    ],
)  # fmt: skip
def test_when_the_desk_is_compared(book, facts, is_open, acts) -> None:
    assert first(book, "desk", None, is_open=is_open, **{**ASKED, **facts}) == acts


# -- the comparison -----------------------------------------------------------------------------


def true(rules: CompiledSet, subject: object) -> tuple[str, ...]:
    return rules.true_codes(rules.evaluate(None, None, None, None, None, None, subject))


@pytest.mark.parametrize(
    ("qty", "share", "value_usd", "is_small"),
    [
        (0.001, 0.05, 1.0, True),
        (0.001, 0.05, None, True),
        (0.0011, 0.01, 0.10, False),
        (0.001, 0.051, 0.10, False),
        (0.001, 0.01, 1.01, False),
        (0.0, 0.0, 0.0, True),
    ],
)
def test_a_difference_is_small_in_every_way_or_it_counts(
    book, qty, share, value_usd, is_small
) -> None:
    known = value_usd is not None
    value = value_usd if known else 1e6
    drift = SimpleNamespace(qty=qty, share=share, value_usd=value, value_known=known)
    assert true(book.drift_tolerates, drift) == (("SMALL",) if is_small else ())


@pytest.mark.parametrize(
    ("looks", "orders", "since_fill_s", "again"),
    [
        (1, 0, None, False),
        (1, 1, None, True),
        (2, 1, None, True),
        (3, 1, None, False),
        (2, 0, 9.9, True),
        (2, 0, 10.0, False),
        (3, 0, 0.0, False),
    ],
)
def test_what_may_be_a_fill_on_its_way_is_looked_at_again(
    book, looks, orders, since_fill_s, again
) -> None:
    known = since_fill_s is not None
    drift = SimpleNamespace(
        looks=looks, orders=orders, since_fill_s=since_fill_s if known else 0.0, has_filled=known,
        has_ended=False,
    )  # fmt: skip
    assert true(book.drift_looks_again, drift) == (("MAY_BE_A_FILL",) if again else ())


@pytest.mark.parametrize(("looks", "again"), [(1, True), (2, True), (3, False)])
def test_an_order_that_has_ended_here_and_works_there_is_looked_at_again(book, looks, again):
    drift = SimpleNamespace(
        looks=looks, orders=0, since_fill_s=0.0, has_filled=False, has_ended=True
    )
    assert true(book.drift_looks_again, drift) == (("MAY_HAVE_ENDED",) if again else ())


def test_an_entry_is_not_sent_again_while_the_desk_and_the_broker_may_not_agree(book) -> None:
    entry = order(book, "entry", "PENDING", **REFUSED)
    assert first(book, "order", entry) == "ENTRY_NOT_TAKEN send_again"
    assert first(book, "order", entry, is_in_step=False) is None
    assert first(book, "order", entry, breaker_code=1) is None
    assert first(book, "order", entry, breaker_code=2) is None
    leaving = order(book, "exit", "PENDING", **REFUSED)
    assert first(book, "order", leaving, is_in_step=False) == "EXIT_NOT_TAKEN send_again"
    assert first(book, "order", leaving, breaker_code=1) == "EXIT_NOT_TAKEN send_again"


@pytest.mark.parametrize(
    ("missing", "share", "refusals"),
    [
        (3, 0.05, ()),
        (4, 0.05, ("POSITIONS_MISSING",)),
        (3, 0.0501, ("DRIFT_TOO_LARGE",)),
        (4, 1.0, ("POSITIONS_MISSING", "DRIFT_TOO_LARGE")),
    ],
)
def test_exactly_at_the_limit_goes_on_and_more_refuses(book, missing, share, refusals) -> None:
    facts = SimpleNamespace(missing_positions=missing, largest_share=share)
    assert true(book.drift_refuses, facts) == refusals


def test_the_unknown_is_not_tolerated_and_it_refuses(folder) -> None:
    compared = "desk/reconciliation.yaml"
    folder.replace(compared, "drift.value is unknown or ", "")
    of_the_rest = "drift.largest_share / (1 - drift.largest_share) >"
    folder.replace(compared, "drift.largest_share >", of_the_rest)
    book = compile_book(load_rules(folder.root))
    unknown = SimpleNamespace(qty=0.0, share=0.0, value_usd=0.0, value_known=False)
    assert true(book.drift_tolerates, unknown) == ()
    unknown.value_known = True
    assert true(book.drift_tolerates, unknown) == ("SMALL",)
    gone = SimpleNamespace(missing_positions=0, largest_share=1.0)  # a division by nothing
    assert true(book.drift_refuses, gone) == ("DRIFT_TOO_LARGE",)
    gone.largest_share = 0.01
    assert true(book.drift_refuses, gone) == ()


# -- invariants ---------------------------------------------------------------------------------

SOUND = {
    "position_gap": 0.0, "fill_gap": 0.0, "cash_gap": 0.0, "wrong_working": 0, "exit_excess": 0.0,
    "entries_on_one_symbol": 1, "entries_while_stopped": 0, "positions_without_exit": 0,
    "commands_unrecorded": 0, "exits_beside_stops": 0,
}  # fmt: skip


def test_everything_holds_when_all_is_well(book) -> None:
    assert true(book.invariants, SimpleNamespace(**SOUND)) == book.invariants.codes
    codes = [rule.code for rules in book.rules.invariants for rule in rules.always]
    assert list(book.invariants.codes) == codes
    assert [rules.header.id for rules in book.rules.invariants] == ["desk", "orders", "positions"]


@pytest.mark.parametrize("fact", SOUND)
def test_each_fault_breaks_exactly_one_invariant(book, fact: str) -> None:
    spoilt = {**SOUND, fact: SOUND[fact] + (1 if isinstance(SOUND[fact], int) else 0.001)}
    held_still = true(book.invariants, SimpleNamespace(**spoilt))
    assert len(book.invariants.codes) - len(held_still) == 1


def test_what_is_not_known_does_not_hold(folder) -> None:
    folder.replace("invariants/positions.yaml", "holds: audit.cash_gap == 0",
                   "holds: audit.exit_excess / audit.fill_gap < 2")  # fmt: skip
    book = compile_book(load_rules(folder.root))
    assert "PNL_IS_ITS_EXECUTIONS" not in true(book.invariants, SimpleNamespace(**SOUND))
    fine = SimpleNamespace(**{**SOUND, "fill_gap": 1.0})
    assert "PNL_IS_ITS_EXECUTIONS" in true(book.invariants, fine)


# -- words --------------------------------------------------------------------------------------


def test_every_word_of_the_broker_means_something(book) -> None:
    words = book.rules.broker_words
    assert tuple(each.word for each in words.statuses) == BROKER_WORDS["alpaca"]
    assert len(words.statuses) == 18
    assert {each.means for each in words.statuses} <= set(STATUS_MEANINGS)
    assert words.meaning("partially_filled") == "acknowledged"
    assert words.meaning("filled") == "filled"
    assert words.meaning("canceled") == "cancelled"
    assert words.meaning("cancelled") is None


def test_every_difference_has_its_act(book) -> None:
    compared = book.rules.reconciliation
    assert [each.kind for each in compared.differences] == list(DIFFERENCES)
    assert compared.difference("stuck_order").do == "look_up"


def choices(schema: dict[str, Any]) -> dict[str, str]:
    return {each["const"]: each["description"] for each in schema["oneOf"]}


def test_the_schemas_offer_the_words_of_the_vocabulary() -> None:
    acts = choices(schema_for("watch")["$defs"]["watch_row"]["properties"]["do"])
    assert set(acts) == {act for known in WATCH_ACTS.values() for act in known}
    compared = schema_for("reconciliation")
    kinds = compared["properties"]["differences"]["properties"]
    assert list(kinds) == list(DIFFERENCES) == list(ACTS_ON)
    for kind, about in kinds.items():
        offered = compared["$defs"][about["$ref"].rsplit("/", 1)[1]]["properties"]["do"]
        assert choices(offered) == {act: DIFFERENCE_ACTS[act] for act in ACTS_ON[kind]}
        assert about["description"] == DIFFERENCES[kind]
    broker = schema_for("broker")
    assert tuple(broker["properties"]["statuses"]["properties"]) == BROKER_WORDS["alpaca"]
    assert choices(broker["$defs"]["status"]["properties"]["means"]) == STATUS_MEANINGS
    assert tuple(broker["properties"]["news"]["properties"]) == BROKER_NEWS["alpaca"]
    assert choices(broker["$defs"]["news_word"]["properties"]["means"]) == NEWS_MEANINGS
    answer = broker["$defs"]["answer"]["properties"]
    assert choices(answer["means"]) == ANSWER_MEANINGS
    assert choices(answer["request"]).items() >= REQUESTS.items()
    assert set(choices(answer["request"])) == set(MEANINGS_FOR) == {*REQUESTS, ANY}
    assert choices(answer["status"]["anyOf"][-1]).items() >= NO_ANSWERS.items()
    numbers = broker["properties"]["requests"]["properties"]
    assert {name: about["description"] for name, about in numbers.items()} == BROKER_REQUESTS
