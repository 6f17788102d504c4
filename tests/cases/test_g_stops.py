"""The stop that rests at the broker while a position is held, and never beside an exit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.ground.times import NS_PER_S
from mqd.model.command import CancelOrder, SubmitOrder
from mqd.model.decision import IncidentRaised, TradeWatched
from mqd.model.event import OrderNotTaken, OrderRejected, SeriesValueTold
from mqd.model.order import EXIT

WHOLE = Decimal("5.025")
STOP = Decimal("98.6")  # 99.50 less three times 0.2985, down to the cent


def cancels(scene):
    return [each.client_order_id for each in scene.broker.stops(CancelOrder)]


@pytest.mark.rule("PROTECTIVE_STOP", "protective_stop_widening", "price_step")
def test_a_position_has_a_stop_at_the_broker_further_away_than_its_own(scene):
    entry_id = scene.holding()
    (sent,) = scene.broker.stops()
    assert (sent.type, sent.side, sent.qty, sent.stop_price) == ("stop", "sell", WHOLE, STOP)
    assert sent.stop_price < scene.order(entry_id).stop_loss < scene.order(entry_id).reference_price
    assert scene.stop().state == "SUBMITTED"
    assert scene.stop().reason == "PROTECTIVE_STOP"
    scene.bar(99.4)
    assert len(scene.broker.stops()) == 1


@pytest.mark.case(15)
@pytest.mark.rule("PROTECTIVE_STOP", "price_step")
def test_case_015_a_price_between_two_cents_is_rounded_away_from_the_market(scene):
    entry_id = scene.entry()
    scene.fill(entry_id, price="99.617")
    assert scene.stop().stop_price == Decimal("98.72")  # 98.7215


@pytest.mark.rule("PROTECTIVE_STOP")
@pytest.mark.parametrize("profile", ["backtest", "samples", "practice", "live"])
def test_only_an_account_holds_a_stop(edited, make_scene, profile):
    live = {
        "strategies/vwap_micro_mean_reversion.yaml": {"status: paper": "status: live"},
        "theses/TH-001.yaml": {"status: PENDING": "status: ACTIVE"},
    }
    scene = make_scene(edited(live), profile)
    scene.open()
    for day in range(1, 6):  # real money wants to know the VIX before it opens anything
        date, through = f"2024-09-{day:02}", "2024-12-31"
        scene.feed(SeriesValueTold(scene.state.now_ns, "vix", date, Decimal(15), through))
    scene.holding()
    assert scene.held() == WHOLE
    assert bool(scene.broker.stops()) is (profile in {"practice", "live"})


@pytest.mark.rule("PROTECTIVE_STOP", "PART_FOR_THE_DAY")
def test_a_broker_that_takes_none_leaves_the_desks_own_stop(edited, make_scene):
    """The position is of parts of a share, and those are taken at the market only."""
    words = {"  PART_FOR_THE_DAY:\n    type: any\n": "  PART_FOR_THE_DAY:\n    type: market\n"}
    scene = make_scene(edited({"brokers/alpaca.yaml": words}))
    scene.holding()
    assert not scene.broker.stops()
    scene.exit("fill")
    assert scene.trades()[0].exit_reason == "STOP_LOSS"


@pytest.mark.rule("PROTECTIVE_STOP")
def test_nothing_is_sent_against_an_entry_that_still_works(scene):
    """The broker takes a sell beside a working buy for a wash trade."""
    entry_id = scene.entry()
    scene.fill(entry_id, "2")
    assert not scene.broker.stops()
    scene.hear(scene.broker.takes_back(entry_id))
    assert [each.qty for each in scene.broker.stops()] == [2]


@pytest.mark.rule("EXIT_WAITED_FOR_STOP", "EXIT_OR_STOP")
def test_an_exit_is_made_at_once_and_leaves_when_the_stop_has_ended(scene):
    scene.holding()
    scene.broker.answers_stop(CancelOrder, "accept")
    outcome = scene.bar(99.0)
    assert scene.decision().outcome == "EXIT"
    assert [type(each) for each in outcome.commands] == [CancelOrder]
    (waiting,) = [each for each in scene.state.orders.values() if each.role == EXIT]
    assert (waiting.state, waiting.times_sent, waiting.reason) == ("PENDING", 0, "STOP_LOSS")
    scene.wait(5)
    assert len(scene.broker.asked(SubmitOrder)) == 1  # the entry
    scene.hear(scene.broker.takes_back(scene.stop().client_order_id))
    assert scene.newest() == waiting.client_order_id
    assert scene.order(scene.newest()).times_sent == 1
    scene.fill(scene.newest())
    (trade,) = scene.trades()
    assert (trade.exit_reason, scene.held(), scene.incidents()) == ("STOP_LOSS", 0, [])


@pytest.mark.rule("STOP_STILL_THERE", "CANCEL_REFUSED", "EXIT_WAITED_FOR_STOP")
def test_a_stop_that_the_broker_would_not_give_back_is_asked_back_until_it_does(scene):
    """An exit waits for it: to give up would be to hold the position for ever."""
    scene.holding()
    scene.broker.answers_stop(CancelOrder, *["refuse"] * 8)
    scene.bar(99.0)
    scene.wait(75)
    assert scene.desk_state == "HALTED"  # a person was told
    (waiting,) = [each for each in scene.state.orders.values() if each.role == EXIT]
    assert waiting.times_sent == 0
    scene.wait(150)  # from here on the broker takes the cancel
    scene.fill(scene.newest())
    assert not scene.held()
    assert not scene.state.working


@pytest.mark.rule("CANCEL_UNANSWERED", "UNCONFIRMED", "EXIT_WAITED_FOR_STOP")
def test_a_cancel_that_nobody_answers_is_looked_up_and_the_exit_is_not(scene):
    scene.holding()
    scene.broker.answers_stop(CancelOrder, "vanish")
    scene.bar(99.0)
    scene.wait(30)
    assert "UNCONFIRMED" not in scene.watched()
    assert scene.watched()[:2] == ["CANCEL_UNANSWERED", "CANCEL_NOT_TAKEN"]
    assert "EXIT_WAITED_FOR_STOP" in scene.watched()
    assert len(cancels(scene)) == 2
    scene.fill(scene.newest())
    assert not scene.held()
    assert not scene.incidents()


@pytest.mark.rule("EXIT_TOO_LARGE", "OL-09")
@pytest.mark.parametrize("told", ["by the stream", "when asked"])
def test_a_stop_that_was_faster_than_its_cancel_leaves_no_exit(scene, told):
    scene.holding()
    stop_id = scene.stop().client_order_id
    filled = scene.broker.fills(stop_id, price="98.55")
    if told == "by the stream":
        scene.broker.answers_stop(CancelOrder, lambda broker, _: broker.says(filled))
    scene.bar(99.0)
    scene.wait(12)
    assert scene.order(stop_id).state == "FILLED"
    (exit_,) = [each for each in scene.state.orders.values() if each.role == EXIT]
    assert (exit_.state, exit_.times_sent) == ("NOT_SENT", 0)
    assert len(scene.broker.asked(SubmitOrder)) == 1
    (trade,) = scene.trades()
    assert trade.exit_reason == "PROTECTIVE_STOP"
    assert scene.agrees()
    assert not scene.state.working
    assert not scene.incidents()


@pytest.mark.rule("EXIT_TOO_LARGE", "EXIT_ENDED_SHORT")
def test_a_stop_that_traded_in_part_leaves_an_exit_for_the_rest(scene):
    scene.holding()
    stop_id = scene.stop().client_order_id
    scene.broker.answers_stop(CancelOrder, "accept")
    scene.bar(99.0)
    scene.fill(stop_id, "2", "98.6")
    scene.hear(scene.broker.takes_back(stop_id))
    scene.wait(6)
    sold = scene.order(scene.newest())
    assert (sold.qty, sold.reason) == (Decimal("3.025"), "STOP_LOSS")
    scene.fill(scene.newest())
    assert not scene.held()
    assert len(scene.broker.stops()) == 1


@pytest.mark.rule("RESTART_CHANGES_NOTHING", "EXIT_WAITED_FOR_STOP")
@pytest.mark.parametrize("ended", [True, False])
def test_a_process_that_ends_between_cancel_and_exit_sends_the_exit_later(scene, ended):
    scene.holding()
    stop_id = scene.stop().client_order_id
    scene.broker.answers_stop(CancelOrder, "accept")
    scene.bar(99.0)
    if ended:
        scene.broker.takes_back(stop_id)  # and nobody is there to hear it
    scene.restart(after_s=20)
    scene.wait(30)
    assert scene.order(stop_id).state == "CANCELLED"
    assert "-exit-1" in scene.newest()
    assert scene.sends(scene.newest()) == 1
    scene.fill(scene.newest())
    assert not scene.held()
    assert not scene.incidents()


@pytest.mark.rule("EXIT_UNPROVED", "EXIT_NOT_TAKEN")
@pytest.mark.parametrize("how", ["submit_lost", "reply_lost", "not_taken"])
def test_a_stop_whose_sending_went_wrong_is_sent_again_under_its_id(scene, how):
    scene.broker.answers_stop(SubmitOrder, how)
    scene.holding()
    scene.wait(4)
    assert len({each.client_order_id for each in scene.broker.stops()}) == 1
    assert len(scene.broker.stops()) == 2
    assert scene.stop().state == "SUBMITTED"
    assert not scene.incidents()


@pytest.mark.rule("STOP_TOO_SMALL", "PROTECTIVE_STOP")
def test_a_position_that_grew_gets_a_stop_of_its_size(scene):
    entry_id = scene.entry()
    scene.fill(entry_id, "2")
    late = scene.broker.fills(entry_id, "1")
    scene.hear(scene.broker.takes_back(entry_id)._replace(filled_qty=None))
    assert scene.stop().qty == 2
    scene.hear(late)
    assert [each.qty for each in scene.broker.stops()] == [2, 3]
    assert len(cancels(scene)) == 1
    assert scene.held() == 3


@pytest.mark.rule("DESK_FROZEN", "CLOSE_ORDERED")
def test_a_frozen_desk_leaves_its_stop_and_a_flatten_takes_it_back_first(scene):
    scene.holding()
    for number in range(4):
        scene.broker.books.move(f"X{number}", Decimal(1), Decimal(10), Decimal(0))
    scene.restart(after_s=20)
    scene.wait(20)
    assert scene.desk_state == "FROZEN"
    scene.bar(99.0)
    assert not cancels(scene)
    assert scene.stop().state == "SUBMITTED"
    scene.press("flatten")
    scene.wait(1)
    assert len(cancels(scene)) == 1
    scene.fill(scene.newest())
    assert not scene.held()
    assert scene.trades()[0].exit_reason == "FLATTEN"


@pytest.mark.case(42)
@pytest.mark.rule("PROTECTIVE_STOP", "OL-90")
def test_case_042_a_fill_after_the_end_gets_a_protective_stop_with_its_booking(scene):
    entry_id = scene.entry()
    late = scene.broker.fills(entry_id, "2")
    scene.hear(scene.broker.takes_back(entry_id)._replace(filled_qty=None))
    assert not scene.held()
    scene.hear(late)
    assert scene.held() == 2
    assert scene.incidents() == ["TerminalStateError"]
    assert scene.stop().qty == 2
    assert scene.stop().state == "SUBMITTED"


@pytest.mark.case(102)
@pytest.mark.rule("BELOW_ITS_STOP")
@pytest.mark.parametrize(("price", "leaves"), [(98.60, True), (98.61, False)])
def test_case_102_a_stop_that_is_refused_below_its_price_is_an_exit_at_once(scene, price, leaves):
    """Filled far above the last close: the stop would trade at once, and the broker says no."""
    entry_id = scene.entry()
    scene.broker.answers_stop(SubmitOrder, "reject")
    scene.bar(price)
    scene.fill(entry_id, price="99.5")
    assert scene.stop().stop_price == STOP
    assert scene.stop().state == "REJECTED"
    assert scene.watched() == (["BELOW_ITS_STOP"] if leaves else [])
    assert len(scene.broker.asked(SubmitOrder)) == (2 if leaves else 1)
    if leaves:
        scene.fill(scene.newest())
        assert scene.trades()[0].exit_reason == "BELOW_ITS_STOP"
    else:  # the price is not there: the broker is asked again
        scene.wait(5)
        assert scene.stop().state == "SUBMITTED"


@pytest.mark.case(104)
@pytest.mark.rule(
    "PROTECTIVE_STOP", "STOP_ATTEMPTS_SPENT", "most_stop_attempts", "stop_again_after"
)
def test_case_104_a_stop_that_somebody_took_back_is_made_anew_so_often_and_no_more(scene):
    scene.holding()
    for attempt in (1, 2, 3):
        stop_id = scene.stop().client_order_id
        assert len(scene.broker.stops()) == attempt
        scene.hear(scene.broker.takes_back(stop_id))
        scene.wait(4)
        assert len(scene.broker.stops()) == attempt
        scene.wait(1)
    assert len(scene.broker.stops()) == 3
    assert scene.watched() == ["STOP_ATTEMPTS_SPENT"]
    assert scene.incidents() == ["UnresolvedError"]
    assert scene.desk_state == "HALTED"
    scene.exit("fill")  # the desk's own stop goes on
    assert not scene.held()


@pytest.mark.case(105)
@pytest.mark.rule("ORDER_WORKING", "EXIT_WAITED_FOR_STOP")
def test_case_105_a_new_entry_waits_until_the_stop_has_ended(eager_scene):
    """Somebody else closes the position; its stop is asked back, and keeps the next entry back."""
    scene = eager_scene
    entry_id = scene.holding()
    stop_id = scene.stop().client_order_id
    scene.broker.answers_stop(CancelOrder, *["accept"] * 3)
    books = scene.broker.books
    by_hand = scene.broker.asked(SubmitOrder)[0]._replace(
        client_order_id="by-hand", side="sell", at_ns=scene.broker.now_ns
    )
    books.take(by_hand, "b-by-hand", scene.broker.now_ns)
    scene.hear(scene.broker.fills("by-hand"))
    assert not scene.held()
    assert cancels(scene) == [stop_id]
    scene.press("resume")
    scene.bar(98.9)
    assert scene.decision().outcome == "REFUSED"
    assert "ORDER_WORKING" in scene.refusals()
    scene.hear(scene.broker.takes_back(stop_id))
    scene.wait(20)
    scene.bar(98.8)
    assert scene.decision().outcome == "ENTER"
    assert scene.newest() != entry_id


@pytest.mark.rule("PROTECTIVE_STOP", "POSITION_LOOKED_AFTER")
def test_the_gap_is_measured_and_so_is_the_price_of_the_stop(scene):
    scene.broker.answers_stop(SubmitOrder, "silent")
    scene.holding()
    stop_id = scene.stop().client_order_id
    scene.wait(3)
    scene.hear(scene.broker.ack(stop_id))
    scene.fill(stop_id, "2", "98.55")
    scene.fill(stop_id, price="98.5")
    (told,) = scene.notes(TradeWatched)
    assert told.stop_after_ms == 3_000
    average = (2 * Decimal("98.55") + Decimal("3.025") * Decimal("98.5")) / WHOLE
    assert abs(told.stop_beyond - (STOP - average)) < Decimal("1e-9")
    assert scene.replayed().hash() == scene.state.hash()


def test_of_a_trade_that_no_stop_stood_beside_nothing_is_measured(bare_scene):
    scene = bare_scene
    scene.holding()
    scene.exit("fill")
    (told,) = scene.notes(TradeWatched)
    assert (told.stop_after_ms, told.stop_beyond) == (None, None)


@pytest.mark.rule("PROTECTIVE_STOP")
def test_a_stop_ends_with_its_session_and_is_made_anew_in_the_next(scene):
    scene.holding()
    stop_id = scene.stop().client_order_id
    scene.close()
    scene.hear(scene.broker.expires(stop_id))
    assert len(scene.broker.stops()) == 1
    scene.open(day=1)
    assert len(scene.broker.stops()) == 2
    assert scene.stop().client_order_id != stop_id


@pytest.mark.rule("EXIT_OR_STOP")
def test_an_exit_that_leaves_while_a_stop_rests_freezes_the_desk(edited, make_scene):
    """Rules that do not wait are found out before anything leaves."""
    words = {"order.times_sent == 0 and order.stops == 0": "order.times_sent == 0"}
    scene = make_scene(edited({"orders/watch.yaml": words}))
    scene.holding()
    scene.broker.answers_stop(CancelOrder, "accept")
    scene.bar(99.0)
    assert scene.desk_state == "FROZEN"
    assert len(scene.broker.asked(SubmitOrder)) == 1
    assert "EXIT_OR_STOP" in [note.subject for note in scene.notes(IncidentRaised)]


def test_news_of_a_stop_that_never_came_is_an_answer_like_any_other(scene):
    scene.broker.answers_stop(
        SubmitOrder,
        lambda broker, sent: broker.says(
            OrderNotTaken(broker.now_ns, sent.client_order_id, "429", "busy"),
            OrderRejected(broker.now_ns + NS_PER_S, sent.client_order_id, "403", "no"),
        ),
    )
    scene.holding()
    assert scene.stop().state == "REJECTED"
    scene.wait(5)
    assert scene.stop().state == "SUBMITTED"
