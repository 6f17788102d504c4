"""The buttons of the desk in every state it can be in, and what each state lets through."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.model.command import CancelOrder, SubmitOrder
from mqd.model.decision import OperatorHeard
from mqd.model.event import OperatorActed

WHOLE = Decimal("5.025")
# state -> button -> the state afterwards, and the row that says so
TABLE = {
    "ACTIVE": {
        "reduce": ("REDUCING", "DL-03"), "halt": ("HALTED", "DL-04"),
        "flatten": ("FLATTENING", "DL-05"), "resume": ("ACTIVE", "DL-95"),
    },
    "REDUCING": {
        "reduce": ("REDUCING", "DL-92"), "halt": ("HALTED", "DL-04"),
        "flatten": ("FLATTENING", "DL-05"), "resume": ("ACTIVE", "DL-06"),
    },
    "HALTED": {
        "reduce": ("HALTED", "DL-92"), "halt": ("HALTED", "DL-93"),
        "flatten": ("FLATTENING", "DL-05"), "resume": ("ACTIVE", "DL-06"),
    },
    "FLATTENING": {
        "reduce": ("FLATTENING", "DL-92"), "halt": ("HALTED", "DL-04"),
        "flatten": ("FLATTENING", "DL-94"), "resume": ("ACTIVE", "DL-06"),
    },
    "FROZEN": {
        "reduce": ("FROZEN", "DL-92"), "halt": ("FROZEN", "DL-93"),
        "flatten": ("FLATTENING", "DL-05"), "resume": ("FROZEN", "DL-96"),
    },
}  # fmt: skip
LEADS_TO = {"REDUCING": "reduce", "HALTED": "halt", "FLATTENING": "flatten"}


def brought_to(scene, state):
    """Bring the desk into a state the way it gets there; nothing is held and nothing works."""
    scene.until_ten()
    if state in LEADS_TO:
        scene.press(LEADS_TO[state])
    elif state == "FROZEN":
        order_id = scene.entry("ack")
        scene.hear(scene.broker.fills(order_id)._replace(symbol="QQQ"))
        scene.broker.books.move("SPY", -WHOLE, Decimal("99.5"), Decimal(0))
    assert scene.desk_state == state


def heard(scene):
    """What the last button came to."""
    return scene.notes(OperatorHeard)[-1]


@pytest.mark.rule(
    "DL-03", "DL-04", "DL-05", "DL-06", "DL-92", "DL-93", "DL-94", "DL-95", "DL-96"
)  # fmt: skip
@pytest.mark.parametrize("button", ["reduce", "halt", "flatten", "resume"])
@pytest.mark.parametrize("state", TABLE)
def test_every_button_in_every_state(scene, state, button):
    brought_to(scene, state)
    scene.press(button)
    expected, row = TABLE[state][button]
    assert scene.desk_state == expected
    assert f"({row})" in heard(scene).result
    assert (heard(scene).by, heard(scene).reason) == ("A. Person", "because of a test")
    scene.restart(after_s=86_400)
    assert scene.desk_state == expected  # it outlives a restart and midnight


@pytest.mark.parametrize(("by", "reason"), [("", "why"), ("A. Person", "")])
def test_a_button_without_a_name_or_a_reason_does_nothing(scene, by, reason):
    scene.until_ten()
    scene.hear(OperatorActed(scene.state.now_ns, "halt", "", by, reason))
    assert scene.desk_state == "ACTIVE"
    assert heard(scene).result.startswith("refused")


@pytest.mark.case(120)
@pytest.mark.rule("DESK_NOT_ACTIVE", "ENTRY_ASKED_BACK", "DL-03", "DL-04", "DL-05")
@pytest.mark.parametrize(
    ("button", "asked_back"), [("reduce", False), ("halt", True), ("flatten", True)]
)
def test_what_a_stopped_desk_lets_through(eager_scene, button, asked_back):
    """An entry that is half filled: its rest, its shares, and the next wish to enter."""
    scene = eager_scene
    entry_id = scene.entry()
    scene.fill(entry_id, "2")
    scene.press(button)
    asked = [each.client_order_id for each in scene.broker.asked(CancelOrder)]
    assert asked == ([entry_id] if asked_back else [])
    if button == "flatten":
        assert scene.order(scene.newest()).reason == "FLATTEN"
        scene.fill(scene.newest())
    else:
        assert scene.newest() == entry_id
        scene.exit("fill")
    assert not scene.held()
    scene.wait(20)
    scene.bar(98.5)
    assert scene.decision().outcome == "REFUSED"
    assert "DESK_NOT_ACTIVE" in scene.refusals()
    scene.press("resume")
    scene.bar(98.4)
    assert scene.decision().outcome == "ENTER"


@pytest.mark.rule("CLOSE_ORDERED")
def test_an_order_to_close_waits_for_no_bar(scene):
    scene.holding()
    scene.broker.answers(SubmitOrder, "fill")
    scene.press("flatten")
    exit_order = scene.order(scene.newest())
    assert (exit_order.reason, exit_order.qty) == ("FLATTEN", WHOLE)
    (trade,) = scene.trades()
    assert trade.exit_reason == "FLATTEN"
    assert scene.agrees()
    scene.wait(60)
    assert len(scene.broker.asked(SubmitOrder)) == 2
    assert not scene.incidents()


@pytest.mark.case(121)
@pytest.mark.rule("CLOSE_ORDERED", "EXIT_ATTEMPTS_SPENT")
def test_an_order_to_close_stands_however_often_it_is_refused(scene):
    """A person is told after the third refusal, and still it goes on, once every five seconds."""
    scene.holding()
    scene.broker.answers(SubmitOrder, *["reject"] * 8)
    scene.press("flatten")
    scene.wait(39)
    exits = [each for each in scene.broker.asked(SubmitOrder) if each.side == "sell"]
    assert len(exits) == len({each.client_order_id for each in exits}) == 8
    scene.broker.answers(SubmitOrder, "fill")
    scene.wait(1)
    assert not scene.held()
    assert scene.watched().count("EXIT_ATTEMPTS_SPENT") == 1
    assert scene.incidents() == ["UnresolvedError"]
    assert scene.desk_state == "FLATTENING"


@pytest.mark.rule("CLOSE_ORDERED")
def test_an_order_to_close_waits_for_the_session(scene):
    scene.holding()
    scene.close()
    scene.press("flatten")
    scene.wait(60)
    assert len(scene.broker.asked(SubmitOrder)) == 1
    scene.broker.answers(SubmitOrder, "fill")
    scene.open(day=1)
    assert not scene.held()  # before the first bar


@pytest.mark.rule("CLOSE_ORDERED", "EXIT_WORKING")
def test_an_order_to_close_sells_nothing_twice(scene):
    scene.holding()
    exit_id = scene.exit()
    scene.press("flatten")
    scene.wait(30)
    assert scene.newest() == exit_id
    scene.fill(exit_id, "2")
    scene.hear(scene.broker.takes_back(exit_id))
    scene.wait(5)
    assert scene.order(scene.newest()).qty == Decimal("3.025")
