"""What `transitions` does by default and is unsafe for money, and that our wrapper does not."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
import transitions
from hypothesis import given
from hypothesis import strategies as st

from mqd.engine.machine import WrappedMachine
from mqd.engine.orders import OrderStateMachine, TransactionLog
from mqd.engine.state import OrderFacts
from mqd.ground.errors import InvalidTransitionError, MqdError
from mqd.ground.times import NS_PER_S
from mqd.model.order import Order
from mqd.rules.book import Header, MachineRules, Row, State
from mqd.rules.compile.ruleset import CompiledSet
from mqd.rules.expressions import ir
from mqd.rules.problems import Place

PLACE = Place("test", 1, 1)
SOMETHING = ir.Number("1", None)  # type: ignore[arg-type]  # only that there is a guard matters


def row(name, event, sources, target, *, guarded=False, otherwise=None, do="apply"):
    return Row(
        id=name, events=(event,), sources=tuple(sources), target=target, disposition=do,
        requires=(), when=SOMETHING if guarded else None, when_text="", otherwise=otherwise,  # type: ignore[arg-type]  # as above
        raises=None, severity="INFO", because="", place=PLACE,
    )  # fmt: skip


def rules(states, events, rows, second=()):
    """A machine whose table holds every row but the `second` ones, which `else` leads to."""
    first = [each for each in rows if each.id not in second]
    return MachineRules(
        header=Header("machine", "test", "", "", "", "", PLACE),
        initial=states[0],
        states=tuple(State(name, "", is_terminal=False, place=PLACE) for name in states),
        events=tuple(events),
        rows=tuple(rows),
        table={(s, e): each for each in first for s in each.sources for e in each.events},
    )


def guard(answer):
    """A compiled guard that answers with a constant, or with what a function says."""
    ask = answer if callable(answer) else lambda _: answer
    return CompiledSet(("G",), "", lambda *objects: int(ask(objects[-1])))


def ways(machine: WrappedMachine, source: str, event: str):
    """What the library was given for a pair."""
    return machine._machine.get_transitions(
        machine._event_ids[event], machine._state_ids[source], "*"
    )


# ------------------------------------------------------ the library's defaults, and our wrapper


class Model:
    state: str

    def fail(self) -> None:
        raise RuntimeError("after")


def test_the_library_adds_ways_out_of_every_state_by_default():
    model = Model()
    transitions.Machine(model, states=["OPEN", "FILLED"], initial="FILLED")
    model.to_OPEN()  # type: ignore[attr-defined]  # added by the library
    assert model.state == "OPEN"


def test_the_wrapper_has_no_way_but_those_of_the_table():
    machine = WrappedMachine(rules("ab", ["go"], [row("R1", "go", "a", "b")]), {})
    model = machine._borrowed
    assert not [name for name in dir(model) if name.startswith("to_")]
    assert set(machine._machine.events) == {"e0"}
    assert machine.fire("a", "go").state == "b"
    with pytest.raises(InvalidTransitionError, match="no answer to `go` in b"):
        machine.fire("b", "go")


def test_the_library_answers_a_failed_guard_with_false():
    model = Model()
    machine = transitions.Machine(model, states=["A", "B"], initial="A", auto_transitions=False)
    machine.add_transition("go", "A", "B", conditions=lambda: False)
    assert model.trigger("go") is False  # type: ignore[attr-defined]  # added by the library


def test_the_library_answers_a_failed_guard_with_true_where_events_are_queued():
    model = Model()
    machine = transitions.Machine(
        model, states=["A", "B"], initial="A", auto_transitions=False, queued=True
    )
    machine.add_transition("go", "A", "B", conditions=lambda: False)
    assert model.trigger("go") is True  # type: ignore[attr-defined]  # added by the library
    assert model.state == "A"


def test_the_wrapper_queues_nothing():
    machine = WrappedMachine(rules("ab", ["go"], [row("R1", "go", "a", "b")]), {})
    assert not machine._machine.has_queue


def test_the_wrapper_answers_a_failed_guard_with_the_other_row():
    rows = [
        row("R1", "go", "a", "b", guarded=True, otherwise="R2"),
        row("R2", "go", "a", "c"),
    ]
    machine = WrappedMachine(rules("abc", ["go"], rows, second={"R2"}), {"R1": guard(False)})
    fired = machine.fire("a", "go")
    assert (fired.row.id, fired.state) == ("R2", "c")


def test_the_wrapper_makes_a_library_that_disagrees_with_the_table_an_error():
    """A guard that changes its mind: the table asks once, the library a second time."""
    answers = iter([True, False])
    rows = [row("R1", "go", "a", "b", guarded=True, otherwise="R2"), row("R2", "go", "a", "c")]
    made = rules("abc", ["go"], rows, second={"R2"})
    machine = WrappedMachine(made, {"R1": guard(lambda _: next(answers))})
    with pytest.raises(InvalidTransitionError, match="led to c, the table says b"):
        machine.fire("a", "go")


def test_guards_in_a_row_are_asked_one_after_the_other():
    rows = [
        row("R1", "go", "a", "b", guarded=True, otherwise="R2"),
        row("R2", "go", "a", "c", guarded=True, otherwise="R3"),
        row("R3", "go", "a", None, do="book_only"),
    ]
    made = rules("abc", ["go"], rows, second={"R2", "R3"})
    for first, second, expected in [(1, 1, "b"), (0, 1, "c"), (0, 0, "a")]:
        machine = WrappedMachine(made, {"R1": guard(first), "R2": guard(second)})
        assert machine.fire("a", "go").state == expected


def test_guards_that_lead_in_a_circle_are_no_machine():
    rows = [
        row("R0", "go", "a", "b", guarded=True, otherwise="R1"),
        row("R1", "go", "a", "b", guarded=True, otherwise="R2"),
        row("R2", "go", "a", "b", guarded=True, otherwise="R1"),
    ]
    with pytest.raises(InvalidTransitionError, match="R0 -> R1 -> R2 end in a circle"):
        WrappedMachine(rules("ab", ["go"], rows, second={"R1", "R2"}), {})


def test_the_library_has_changed_the_state_when_an_after_callback_raises():
    model = Model()
    machine = transitions.Machine(model, states=["A", "B"], initial="A", auto_transitions=False)
    machine.add_transition("go", "A", "B", after="fail")
    with pytest.raises(RuntimeError):
        model.trigger("go")  # type: ignore[attr-defined]  # added by the library
    assert model.state == "B"


def test_the_library_has_changed_the_state_when_entering_it_raises():
    model = Model()
    states: list[str | transitions.State] = ["A", transitions.State("B", on_enter="fail")]
    machine = transitions.Machine(model, states=states, initial="A", auto_transitions=False)
    machine.add_transition("go", "A", "B")
    with pytest.raises(RuntimeError):
        model.trigger("go")  # type: ignore[attr-defined]  # added by the library
    assert model.state == "B"


def test_the_wrapper_does_nothing_in_callbacks(shipped):
    machine = WrappedMachine(shipped.desk_machine, {})
    inner = machine._machine
    assert not [*inner.before_state_change, *inner.after_state_change, *inner.prepare_event]
    for state in inner.states.values():
        assert not state.on_enter
        assert not state.on_exit
    for event in inner.events.values():
        for each in (way for found in event.transitions.values() for way in found):
            assert not [*each.before, *each.after, *each.prepare]


def test_a_guard_that_raises_changes_nothing_and_spoils_nothing():
    def ask(subject):
        if subject == "bad":
            raise ZeroDivisionError
        return True

    rows = [row("R1", "go", "a", "b", guarded=True, otherwise="R2"), row("R2", "go", "a", "c")]
    machine = WrappedMachine(rules("abc", ["go"], rows, second={"R2"}), {"R1": guard(ask)})
    with pytest.raises(ZeroDivisionError):
        machine.fire("a", "go", "bad")
    assert machine.fire("a", "go", "good").state == "b"


def test_the_library_takes_the_first_of_two_equal_transitions():
    model = Model()
    machine = transitions.Machine(
        model, states=["A", "B", "C"], initial="A", auto_transitions=False
    )
    machine.add_transition("go", "A", "B")
    machine.add_transition("go", "A", "C")
    model.trigger("go")  # type: ignore[attr-defined]  # added by the library
    assert model.state == "B"


def test_the_wrapper_gives_the_library_one_way_per_pair_and_guard(shipped):
    for machine_rules in shipped.machines:
        machine = WrappedMachine(machine_rules, {})
        for (source, event), stands in machine_rules.table.items():
            expected = []
            following = stands
            while True:
                if following.disposition == "apply":
                    expected.append(machine._state_ids[str(following.target)])
                if following.when is None:
                    break
                following = machine_rules.row(str(following.otherwise))
            given_ = ways(machine, source, event) if expected else []
            assert [way.dest for way in given_] == expected, (source, event)


def test_the_library_notices_an_undefined_target_only_when_it_goes_there():
    model = Model()
    machine = transitions.Machine(model, states=["A"], initial="A", auto_transitions=False)
    machine.add_transition("go", "A", "NOWHERE")
    with pytest.raises(ValueError, match="NOWHERE"):
        model.trigger("go")  # type: ignore[attr-defined]  # added by the library


def test_the_wrapper_is_not_made_with_an_undefined_target():
    with pytest.raises(KeyError, match="nowhere"):
        WrappedMachine(rules("a", ["go"], [row("R1", "go", "a", "nowhere")]), {})


def test_the_library_lets_an_assignment_pass_every_rule():
    model = Model()
    transitions.Machine(model, states=["A", "B"], initial="A", auto_transitions=False)
    model.state = "B"
    assert model.state == "B"


def test_the_wrapper_keeps_no_state_that_could_be_assigned():
    machine = WrappedMachine(rules("ab", ["go"], [row("R1", "go", "a", "b")]), {})
    machine._borrowed.state = "s1"
    assert machine.fire("a", "go").state == "b"
    with pytest.raises(AttributeError):
        made("FILLED").state = "PENDING"  # type: ignore[misc]  # that it cannot be is the point


def test_the_library_gives_each_model_what_it_makes_of_every_event():
    """A model takes long to add and stays for ever: 10,000 orders would be 10,000 of them."""
    machine = transitions.Machine(None, states=["A", "B"], initial="A", auto_transitions=False)
    machine.add_transition("go", "A", "B")
    models = [Model() for _ in range(3)]
    machine.add_model(models)
    assert machine.models == models
    assert all("go" in vars(model) for model in models)


def test_the_wrapper_has_one_model_however_many_orders_there_are(orders):
    machine = orders._machine
    for _ in range(3):
        orders.apply(made("SUBMITTED"), "cancelled", 2, TransactionLog())
    assert machine._machine.models == [machine._borrowed]


HOSTILE = [
    "__class__", "__init__", "trigger", "state", "subject", "set_state", "to_s1", "may_e0", "e0",
    "s0", "is_s0", "os.system", "add_transition", "lambda: 0", "Ω",
]  # fmt: skip


@pytest.mark.parametrize("word", HOSTILE)
def test_no_name_out_of_a_rule_file_reaches_the_library(word):
    made_rules = rules([word, "other"], [word], [row("R1", word, [word], "other")])
    machine = WrappedMachine(made_rules, {})
    plain = WrappedMachine(rules("ab", ["go"], [row("R1", "go", "a", "b")]), {})
    assert set(vars(machine._borrowed)) == set(vars(plain._borrowed))
    assert set(machine._machine.states) == {"s0", "s1"}
    assert set(machine._machine.events) == {"e0"}
    assert machine.fire(word, word).state == "other"


@pytest.mark.parametrize("word", HOSTILE)
def test_an_undeclared_name_is_refused_before_the_library_hears_of_it(word):
    machine = WrappedMachine(rules("ab", ["go"], [row("R1", "go", "a", "b")]), {})
    for state, event in [(word, "go"), ("a", word)]:
        with pytest.raises(InvalidTransitionError, match="no answer"):
            machine.fire(state, event)


# --------------------------------------------------------------------- the shipped order machine

WORKING = ("PENDING", "SUBMITTED", "PARTIALLY_FILLED", "PENDING_CANCEL", "UNKNOWN")
TERMINAL = ("NOT_SENT", "FILLED", "CANCELLED", "REJECTED", "EXPIRED")
INVALID, LATE = "InvalidTransitionError", "TerminalStateError"
SETTLED_NS = 10 * NS_PER_S + 1
# state -> event -> the state afterwards, or the error. `rest` and `part` are fills.
TABLE = {
    "PENDING": {
        "acknowledged": "SUBMITTED", "rest": "FILLED", "part": "PARTIALLY_FILLED",
        "cancel_requested": "PENDING_CANCEL", "cancelled": "CANCELLED", "rejected": "REJECTED",
        "expired": "EXPIRED", "outcome_lost": "UNKNOWN", "not_found": "NOT_SENT",
        "not_taken": "PENDING", "cancel_refused": "PENDING",
    },
    "SUBMITTED": {
        "acknowledged": "SUBMITTED", "rest": "FILLED", "part": "PARTIALLY_FILLED",
        "cancel_requested": "PENDING_CANCEL", "cancelled": "CANCELLED", "rejected": "REJECTED",
        "expired": "EXPIRED", "outcome_lost": "SUBMITTED", "not_found": INVALID,
        "not_taken": "SUBMITTED", "cancel_refused": "SUBMITTED",
    },
    "PARTIALLY_FILLED": {
        "acknowledged": "PARTIALLY_FILLED", "rest": "FILLED", "part": "PARTIALLY_FILLED",
        "cancel_requested": "PENDING_CANCEL", "cancelled": "CANCELLED", "rejected": INVALID,
        "expired": "EXPIRED", "outcome_lost": "PARTIALLY_FILLED", "not_found": INVALID,
        "not_taken": "PARTIALLY_FILLED", "cancel_refused": "PARTIALLY_FILLED",
    },
    "PENDING_CANCEL": {
        "acknowledged": "PENDING_CANCEL", "rest": "FILLED", "part": "PENDING_CANCEL",
        "cancel_requested": "PENDING_CANCEL", "cancelled": "CANCELLED", "rejected": "REJECTED",
        "expired": "EXPIRED", "outcome_lost": "PENDING_CANCEL", "not_found": "CANCELLED",
        "not_taken": "PENDING_CANCEL", "cancel_refused": "PENDING_CANCEL",
    },
    "UNKNOWN": {
        "acknowledged": "SUBMITTED", "rest": "FILLED", "part": "PARTIALLY_FILLED",
        "cancel_requested": "PENDING_CANCEL", "cancelled": "CANCELLED", "rejected": "REJECTED",
        "expired": "EXPIRED", "outcome_lost": "UNKNOWN", "not_found": "NOT_SENT",
        "not_taken": "UNKNOWN", "cancel_refused": "UNKNOWN",
    },
    **{
        state: {
            "acknowledged": state, "rest": LATE, "part": LATE, "cancel_requested": state,
            "cancelled": state, "rejected": state, "expired": state, "outcome_lost": state,
            "not_found": state, "not_taken": state, "cancel_refused": state,
        }
        for state in TERMINAL
    },
}  # fmt: skip
EVENTS = tuple(TABLE["PENDING"])


def made(state: str, filled: str = "0", broker: str | None = "b-1") -> Order:
    return Order(
        "o-1", "s", "SPY", "buy", "market", "entry", Decimal(10), Decimal(100), Decimal(99),
        "ENTRY", "digest", 1, state, broker, Decimal(filled),
    )  # fmt: skip


@pytest.fixture(scope="session")
def orders(shipped):
    from mqd.rules.compile.book import compile_book

    return OrderStateMachine(shipped.order_machine, compile_book(shipped).guards)


def test_the_table_here_speaks_of_every_pair(shipped):
    machine = shipped.order_machine
    assert set(TABLE) == {state.name for state in machine.states}
    events = {"filled" if event in {"rest", "part"} else event for event in EVENTS}
    assert events == set(machine.events)
    assert {(s, e) for s in TABLE for e in events} == set(machine.table)
    assert machine.terminal == set(TERMINAL)


@pytest.mark.rule(
    "OL-01", "OL-02", "OL-03", "OL-04", "OL-05", "OL-06", "OL-07", "OL-08", "OL-09", "OL-10",
    "OL-11", "OL-80", "OL-81", "OL-82", "OL-83", "OL-84", "OL-85", "OL-86", "OL-87", "OL-88",
    "OL-89", "OL-90", "OL-91", "OL-92",
)  # fmt: skip
@pytest.mark.parametrize(("state", "event"), list(product(TABLE, EVENTS)))
def test_every_pair_of_the_order_machine(orders, state, event):
    order = made(state, "10" if event == "rest" else "4" if event == "part" else "0")
    log = TransactionLog()
    heard = "filled" if event in {"rest", "part"} else event
    expected = TABLE[state][event]
    if expected in {INVALID, LATE}:
        with pytest.raises(MqdError) as raised:
            orders.apply(order, heard, 2, log)
        assert type(raised.value).__name__ == expected
        assert log.entries[0].error == expected
        assert log.entries[0].severity == "CRITICAL"
        assert log.entries[0].to_state == state
    else:
        moved = orders.apply(order, heard, SETTLED_NS, log)
        assert moved == order._replace(state=expected, updated_ns=SETTLED_NS)
        assert log.entries[0].to_state == expected
    (line,) = log.entries
    assert (line.event, line.from_state, line.client_order_id) == (heard, state, "o-1")
    assert line.rule


@pytest.mark.rule("OL-09", "OL-11", "OL-92")
@pytest.mark.parametrize("state", ["PENDING", "UNKNOWN", "PENDING_CANCEL"])
@pytest.mark.parametrize(("asked_ns", "ends"), [(SETTLED_NS - 1, False), (SETTLED_NS, True)])
def test_a_broker_that_does_not_know_an_order_proves_nothing_before_it_has_settled(
    orders, state, asked_ns, ends
):
    """It counts when the broker was asked, however late it answers."""
    log = TransactionLog()
    order = made(state, broker=None)._replace(sent_ns=1)
    after = orders.apply(order, "not_found", SETTLED_NS * 9, log, asked_ns)
    assert (after.state != state) == ends
    assert (log.entries[0].rule != "OL-92") == ends


def test_an_order_that_never_left_needs_no_settling(orders):
    log = TransactionLog()
    now_ns = 1_732_000_000 * NS_PER_S
    order = made("PENDING", broker=None)._replace(created_ns=now_ns)
    assert orders.apply(order, "not_found", now_ns, log).state == "NOT_SENT"


@pytest.mark.rule("OL-90", "OL-91")
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(EVENTS), st.integers(0, 12), st.booleans()), max_size=40
    )
)
def test_no_sequence_of_events_leaves_the_declared_states_or_a_terminal_one(orders, steps):
    order = orders.created(made("", broker=None), TransactionLog())
    for event, filled, has_id in steps:
        heard = "filled" if event in {"rest", "part"} else event
        order = order._replace(
            filled_qty=Decimal(filled), broker_order_id="b-1" if has_id else order.broker_order_id
        )
        was_terminal = order.state in TERMINAL
        log = TransactionLog()
        try:
            after = orders.apply(order, heard, 2, log)
        except MqdError:
            after = order
        assert after.state in TABLE
        assert after.state == order.state or not was_terminal
        (line,) = log.entries
        assert (line.from_state, line.to_state) == (order.state, after.state)
        order = after


def test_firing_is_a_function_of_its_arguments(orders):
    """Nothing of one order stays behind for the next one."""
    full, part = OrderFacts(10.0, filled_qty=10.0), OrderFacts(10.0, filled_qty=4.0)
    fire = orders._machine.fire
    assert [fire("SUBMITTED", "filled", facts).state for facts in (full, part, full)] == [
        "FILLED", "PARTIALLY_FILLED", "FILLED",
    ]  # fmt: skip
