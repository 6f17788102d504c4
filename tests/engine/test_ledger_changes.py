"""What the broker takes back, corrects, charges late or holds unexplained: entries of their own."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest

from mqd.engine.ledger import Booked, Ledger
from mqd.engine.recount import Recount
from mqd.ground.canonical import encode
from mqd.ground.errors import ExecutionConflictError, MalformedExecutionError
from mqd.model.fill import ADOPTED, BUST, CORRECTION, FEE, REPORTED, Execution
from mqd.model.position import Position, Trade


def D(text: str | int) -> Decimal:  # noqa: N802  # as short as the numbers it makes
    return Decimal(text)


class Desk:
    """A ledger, everything it answered, and the sums that must be right after every answer."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.realised = D(0)
        self.cash = D(0)
        self.trades: list[Trade] = []
        self.order_rules = "digest"

    def fill(self, name: str, side: str, qty: str, price: str, fee: str = "0", **changes):
        made = Execution(name, f"o-{name}", "s", "SPY", side, D(qty), D(price), D(fee), 10)
        made = made._replace(**changes)
        return self.saw(self.ledger.book(made, f"R-{side}", self.order_rules))

    def bust(self, name: str):
        return self.saw(self.ledger.bust(name, 90))

    def correct(self, name: str, new: str, price: str, qty: str):
        return self.saw(self.ledger.correct(name, new, D(price), D(qty), 90))

    def charge(self, name: str, fee: str):
        return self.saw(self.ledger.charge(name, D(fee), 90))

    def adopt(self, difference: str, price: str, at_ns: int = 90):
        return self.saw(self.ledger.adopt("s", "SPY", D(difference), D(price), at_ns))

    def saw(self, booked: Booked | None) -> Booked | None:
        if booked is not None:
            self.realised += booked.realised_usd
            self.cash += booked.cash_usd
            assert booked.position == self.position
            if booked.trade is not None:
                self.trades.append(booked.trade)
        ledger, fresh = self.ledger, Recount()
        fresh.follow(ledger.executions)
        assert self.cash == ledger.cash_delta_usd == ledger.recomputed_cash() == fresh.cash_usd
        assert self.realised - self.position.cost_usd == self.cash
        assert self.position == ledger.recomputed("s", "SPY") == fresh.position("s", "SPY")
        return booked

    @property
    def position(self) -> Position:
        return self.ledger.positions.get("s", "SPY")

    def refuses(self, error: type[Exception], ask, *arguments) -> str:
        before = encode(self.ledger.canonical())
        with pytest.raises(error) as caught:
            ask(*arguments)
        assert encode(self.ledger.canonical()) == before
        return str(caught.value)

    def unchanged(self, ask, *arguments) -> None:
        before = encode(self.ledger.canonical())
        assert ask(*arguments) is None
        assert encode(self.ledger.canonical()) == before


@pytest.fixture
def desk() -> Desk:
    return Desk()


# ------------------------------------------------------------------------------- taken back


def test_a_bust_of_the_only_entry_leaves_nothing_and_no_trade(desk):
    desk.fill("1", "buy", "10", "100", fee="0.05")
    booked = desk.bust("1")
    assert not desk.position.is_open
    assert booked.realised_usd == D("0.05")  # the fee comes back with it
    assert booked.trade is None
    assert desk.realised == desk.cash == 0
    assert desk.ledger.filled("o-1") == 0


def test_a_bust_is_an_entry_and_edits_nothing(desk):
    desk.fill("1", "buy", "10", "100", fee="0.05")
    original = desk.ledger.executions["1"]
    desk.bust("1")
    assert list(desk.ledger.executions) == ["1", "bust-1"]
    assert desk.ledger.executions["1"] is original
    assert desk.ledger.executions["bust-1"] == original._replace(
        execution_id="bust-1", side="sell", fee_usd=D("-0.05"), at_ns=90, kind=BUST, of="1"
    )


def test_a_bust_twice_is_one(desk):
    desk.fill("1", "buy", "10", "100")
    assert desk.bust("1") is not None
    desk.unchanged(desk.bust, "1")


@pytest.mark.parametrize("name", ["2", "bust-1", "corrected-3", "fee-1-3", "adopted-SPY-90"])
def test_only_what_the_broker_reported_can_be_taken_back(desk, name):
    desk.fill("1", "buy", "10", "100")
    desk.bust("1")
    desk.fill("3", "buy", "10", "100")
    desk.charge("3", "1")
    desk.correct("3", "4", "101", "10")
    desk.adopt("1", "100")
    for ask, *arguments in (
        (desk.bust, name), (desk.correct, name, "9", "1", "1"), (desk.charge, name, "1"),
    ):  # fmt: skip
        assert name in desk.refuses(ExecutionConflictError, ask, *arguments)


def test_a_bust_of_one_entry_of_two_leaves_the_other_at_its_own_price(desk):
    desk.fill("1", "buy", "10", "100")
    desk.fill("2", "buy", "10", "110")
    desk.bust("1")
    assert (desk.position.qty, desk.position.cost_usd, desk.realised) == (10, 1100, 0)


def test_a_bust_of_an_exit_in_an_open_trip_is_as_if_it_had_not_been(desk):
    desk.fill("1", "buy", "3", "100.01")
    before = desk.position
    desk.fill("2", "sell", "1", "110")
    booked = desk.bust("2")
    assert desk.position == before
    assert desk.realised == 0
    assert booked.realised_usd == D("-9.99")
    assert not desk.trades


def test_a_bust_of_the_exit_that_ended_a_trip_opens_the_position_again(desk):
    desk.fill("1", "buy", "10", "100")
    desk.fill("2", "sell", "10", "110")
    booked = desk.bust("2")
    assert desk.position.qty == 10
    assert desk.position.cost_usd == 1100  # its gain was told, so it starts where it was told
    assert booked.realised_usd == 0
    assert desk.ledger.filled("o-2") == 0
    assert desk.fill("3", "sell", "10", "105").realised_usd == -50
    assert sum(trade.pnl_usd for trade in desk.trades) == desk.cash == 50
    assert desk.trades[-1].rules_digest == "digest"


def test_a_bust_of_an_entry_whose_trip_has_ended_leaves_a_short(desk):
    desk.fill("1", "buy", "10", "100")
    desk.fill("2", "sell", "10", "110")
    desk.bust("1")
    assert (desk.position.qty, desk.position.entry_price) == (-10, 100)
    desk.fill("3", "buy", "10", "112")
    assert desk.realised == desk.cash == -20


def test_a_bust_of_a_finished_trip_does_not_touch_the_parts_of_the_next(desk):
    desk.fill("1", "buy", "10", "100")
    desk.fill("2", "sell", "10", "110")
    desk.fill("3", "buy", "4", "108")
    desk.bust("2")
    assert (desk.position.qty, desk.position.cost_usd) == (14, 4 * 108 + 1100)
    assert len(desk.trades) == 1


def test_a_bust_that_leaves_a_true_round_trip_ends_it(desk):
    desk.fill("1", "buy", "6", "100", at_ns=1)
    desk.fill("2", "buy", "4", "101", at_ns=2)
    desk.fill("3", "sell", "6", "102", at_ns=3)
    booked = desk.bust("2")
    assert not desk.position.is_open
    assert booked.trade == Trade("s", "SPY", 1, D(100), D(6), 90, D(102), "BUST", D(12), "digest")
    assert desk.realised == 12


def test_a_bust_of_a_fill_that_went_through_zero_undoes_both_halves(desk):
    desk.fill("1", "buy", "5", "100")
    desk.fill("2", "sell", "7", "110", fee="0.07")
    assert desk.position.qty == -2
    desk.bust("2")
    assert (desk.position.qty, desk.position.cost_usd) == (5, 550)
    assert desk.realised == 50
    assert len(desk.trades) == 1


def test_a_bust_that_takes_an_entry_from_under_a_sale_leaves_the_sale(desk):
    desk.fill("1", "buy", "5", "100")
    desk.fill("2", "buy", "5", "101")
    desk.fill("3", "sell", "6", "110")
    desk.bust("1")
    assert (desk.position.qty, desk.position.cost_usd, desk.realised) == (-1, -110, 45)
    assert not desk.trades


def test_a_position_that_stays_open_stays_as_old(desk):
    desk.fill("1", "buy", "5", "100", at_ns=1)
    desk.fill("2", "buy", "5", "101", at_ns=2)
    desk.bust("1")
    assert desk.position.opened_ns == 1


# -------------------------------------------------------------------------------- corrected


def test_a_corrected_price_changes_the_cost(desk):
    desk.fill("1", "buy", "10", "100", fee="0.05", at_ns=1)
    booked = desk.correct("1", "1b", "101", "10")
    assert (desk.position.qty, desk.position.cost_usd, desk.position.opened_ns) == (10, 1010, 1)
    assert (booked.realised_usd, booked.cash_usd, booked.trade) == (0, -10, None)
    assert desk.realised == D("-0.05")
    assert [(each.kind, each.of) for each in desk.ledger.executions.values()] == [
        ("reported", ""), (CORRECTION, "1"), (CORRECTION, ""),
    ]  # fmt: skip


@pytest.mark.parametrize("qty", ["8", "12"])
def test_a_corrected_quantity_changes_the_position(desk, qty):
    desk.fill("1", "buy", "10", "100")
    desk.correct("1", "1b", "100", qty)
    assert (desk.position.qty, desk.position.entry_price) == (D(qty), 100)
    assert desk.ledger.filled("o-1") == D(qty)
    assert desk.realised == 0


def test_a_corrected_exit_that_sold_all_ends_the_trade(desk):
    desk.fill("1", "buy", "10", "100", at_ns=1)
    desk.fill("2", "sell", "4", "110", at_ns=2)
    booked = desk.correct("2", "2b", "109", "10")
    assert booked.trade == Trade(
        "s", "SPY", 1, D(100), D(10), 90, D(109), "R-sell", D(90), "digest"
    )
    assert desk.realised == 90


def test_a_corrected_price_of_a_finished_trip_is_realised_and_makes_no_second_trade(desk):
    desk.fill("1", "buy", "10", "100")
    desk.fill("2", "sell", "10", "110")
    booked = desk.correct("2", "2b", "111", "10")
    assert (booked.realised_usd, booked.trade, booked.position.is_open) == (10, None, False)
    assert desk.correct("1", "1b", "102", "10").realised_usd == -20
    assert len(desk.trades) == 1


@pytest.mark.parametrize(("qty", "left"), [("8", 2), ("12", -2)])
def test_a_corrected_quantity_of_a_finished_trip_opens_the_difference(desk, qty, left):
    desk.fill("1", "buy", "10", "100")
    desk.fill("2", "sell", "10", "110")
    desk.correct("2", "2b", "110", qty)
    assert (desk.position.qty, desk.position.entry_price) == (left, 110)
    assert len(desk.trades) == 1


def test_a_correction_twice_is_one(desk):
    desk.fill("1", "buy", "10", "100")
    desk.correct("1", "1b", "101", "10")
    desk.unchanged(desk.correct, "1", "1b", "101", "10")
    desk.unchanged(desk.bust, "1")


def test_a_correction_can_be_corrected_and_taken_back(desk):
    desk.fill("1", "buy", "10", "100")
    desk.correct("1", "2", "101", "10")
    desk.correct("2", "3", "102", "9")
    assert (desk.position.qty, desk.position.cost_usd) == (9, 918)
    desk.unchanged(desk.correct, "1", "2", "101", "10")
    desk.bust("3")
    assert not desk.position.is_open
    assert desk.realised == desk.cash == 0


def test_the_new_execution_may_be_reported_before_or_after_the_correction(desk):
    desk.fill("1", "buy", "10", "100", fee="0.05")
    desk.fill("1b", "buy", "9", "101", fee="0.04", client_order_id="o-1")
    desk.correct("1", "1b", "101", "9")
    other = Desk()
    other.fill("1", "buy", "10", "100", fee="0.05")
    other.correct("1", "1b", "101", "9")
    booked = other.fill("1b", "buy", "9", "101", fee="0.04", client_order_id="o-1")
    assert booked.realised_usd == D("0.01")  # the correction could not know the new fee
    before = encode(other.ledger.canonical())
    assert other.fill("1b", "buy", "9", "101", fee="0.04", client_order_id="o-1") is None
    assert encode(other.ledger.canonical()) == before
    assert (desk.cash, desk.position) == (other.cash, other.position)
    assert desk.cash == D("-909.04")
    assert desk.ledger.filled("o-1") == other.ledger.filled("o-1") == 9


def test_a_correction_that_cannot_be_books_nothing(desk):
    desk.fill("1", "buy", "10", "100")
    desk.fill("2", "buy", "1", "100")
    desk.refuses(MalformedExecutionError, desk.correct, "1", "1b", "0", "10")
    desk.refuses(MalformedExecutionError, desk.correct, "1", "1b", "100", "NaN")
    desk.refuses(ExecutionConflictError, desk.correct, "1", "2", "101", "10")
    desk.refuses(ExecutionConflictError, desk.correct, "1", "1", "101", "10")
    desk.bust("2")
    desk.refuses(ExecutionConflictError, desk.correct, "2", "2b", "101", "1")
    desk.unchanged(desk.correct, "1", "1", "100", "10")


def test_the_same_id_with_other_contents_is_a_conflict_after_a_correction_too(desk):
    desk.fill("1", "buy", "10", "100")
    desk.correct("1", "1b", "101", "10")
    assert desk.fill("1", "buy", "10", "100") is None
    assert desk.fill("1b", "buy", "10", "101", client_order_id="o-1") is None
    known = desk.ledger.executions["1b"]._replace(kind=REPORTED)
    changes = ({"price": D(102)}, {"qty": D(9)}, {"side": "sell"}, {"client_order_id": "o-2"})
    for change in changes:
        made = known._replace(**change)
        desk.refuses(ExecutionConflictError, desk.ledger.book, made, "R", "digest")


def test_an_id_of_the_desks_own_that_the_broker_uses_is_a_conflict(desk):
    desk.fill("1", "buy", "10", "100")
    desk.fill("bust-1", "buy", "1", "100")
    desk.refuses(ExecutionConflictError, desk.bust, "1")


# ------------------------------------------------------------------------------- late fees


def test_a_late_fee_changes_the_profit_and_not_the_shares(desk):
    desk.fill("1", "buy", "10", "100")
    booked = desk.charge("1", "0.12")
    assert booked.realised_usd == booked.cash_usd == D("-0.12")
    assert (desk.position.qty, desk.position.cost_usd) == (10, 1000)
    assert desk.ledger.filled("o-1") == 10
    fee = desk.ledger.executions["fee-0.12-1"]
    assert (fee.kind, fee.of, fee.qty) == (FEE, "1", 0)
    assert desk.fill("2", "sell", "10", "101").trade.pnl_usd == D("9.88")


def test_a_late_fee_after_the_trade_ended_is_realised_alone(desk):
    desk.fill("1", "buy", "10", "100")
    desk.fill("2", "sell", "10", "101")
    booked = desk.charge("2", "0.12")
    assert (booked.realised_usd, booked.trade) == (D("-0.12"), None)
    assert not desk.position.is_open
    assert desk.realised == desk.cash == D("9.88")


def test_a_late_fee_of_an_ended_trade_is_not_charged_to_the_next_one(desk):
    desk.fill("1", "buy", "10", "100")
    desk.fill("2", "sell", "10", "101")
    desk.fill("3", "buy", "10", "100")
    desk.charge("2", "0.12")
    assert desk.fill("4", "sell", "10", "101").trade.pnl_usd == 10


def test_the_same_fee_twice_is_one_and_another_amount_is_another_fee(desk):
    desk.fill("1", "buy", "10", "100")
    desk.charge("1", "0.12")
    desk.unchanged(desk.charge, "1", "0.120")
    desk.charge("1", "0.02")
    desk.charge("1", "-0.02")
    assert desk.realised == D("-0.12")
    desk.unchanged(desk.charge, "1", "0")
    desk.refuses(MalformedExecutionError, desk.charge, "1", "Infinity")


def test_a_fee_stays_where_its_execution_was_taken_back(desk):
    desk.fill("1", "buy", "10", "100", fee="0.01")
    desk.charge("1", "0.12")
    desk.bust("1")
    desk.charge("1", "0.03")
    assert desk.realised == desk.cash == D("-0.15")
    assert not desk.position.is_open
    desk.fill("2", "buy", "1", "100")
    assert desk.fill("3", "sell", "1", "101").trade.pnl_usd == 1


# --------------------------------------------------------------------------------- adopted


@pytest.mark.parametrize(
    ("difference", "qty", "cost", "trades"),
    [("3", 13, 1315, 0), ("-3", 7, 700, 0), ("-10", 0, 0, 1), ("-12", -2, -210, 1)],
    ids=["up", "down", "to zero", "through zero"],
)
def test_the_position_follows_the_broker(desk, difference, qty, cost, trades):
    desk.fill("1", "buy", "10", "100")
    desk.adopt(difference, "105")
    assert (desk.position.qty, desk.position.cost_usd) == (qty, cost)
    assert len(desk.trades) == trades
    assert all(trade.exit_reason == "ADOPTED" for trade in desk.trades)
    adopted = desk.ledger.executions["adopted-SPY-90-1"]
    assert (adopted.kind, adopted.client_order_id) == (ADOPTED, "")
    assert desk.ledger.filled("") == 0


def test_what_was_found_and_nobody_bought_is_adopted_from_flat(desk):
    booked = desk.adopt("-4", "50")
    assert (booked.position.qty, booked.position.entry_price, booked.cash_usd) == (-4, 50, 200)


def test_every_difference_is_an_entry_of_its_own(desk):
    """Two comparisons may find a difference of one symbol at one instant."""
    desk.adopt("4", "50")
    desk.adopt("4", "50")
    desk.adopt("-3", "50")
    assert desk.position.qty == 5
    assert len(desk.ledger.executions) == 3
    desk.refuses(MalformedExecutionError, desk.adopt, "0", "50", 92)


# ----------------------------------------------------------------------------- all together


def test_the_callers_decimal_context_changes_nothing():
    def story(ledger: Ledger) -> str:
        made = Execution("1", "o-1", "s", "SPY", "buy", D("3.123456789"), D("571.1729"), D(0), 1)
        ledger.book(made._replace(fee_usd=D("0.0123456")), "R", "digest")
        sold = made._replace(execution_id="2", client_order_id="o-2", side="sell")
        ledger.book(sold._replace(qty=D("1.000000001"), price=D("572.99999")), "R", "digest")
        ledger.correct("2", "2b", D("572.98888"), D("1.000000002"), 90)
        ledger.charge("1", D("0.0000123"), 90)
        ledger.adopt("s", "SPY", D("-7.123456789"), D("570.123456"), 90)
        ledger.infer("o-2", "s", "SPY", "sell", D("1.5"), D("571.17293"), 91, "R", "digest")
        ledger.bust("1", 92)
        return encode([ledger.canonical(), ledger.recomputed("s", "SPY"), ledger.filled("o-2")])

    usual = story(Ledger())
    with localcontext() as context:
        context.prec = 3
        assert story(Ledger()) == usual


def test_a_fork_keeps_nothing_of_what_the_other_learns(desk):
    desk.fill("1", "buy", "10", "100")
    desk.fill("2", "sell", "4", "101")
    assert desk.ledger.recomputed("s", "SPY") == desk.position
    before = encode(desk.ledger.canonical())
    other = desk.ledger.fork()
    other.bust("1", 90)
    other.charge("2", D(1), 90)
    other.correct("2", "3", D(99), D(1), 90)
    assert encode(desk.ledger.canonical()) == before
    assert desk.ledger.recomputed("s", "SPY") == desk.position
    assert desk.ledger.filled("o-1") == 10
    assert other.recomputed("s", "SPY") == other.positions.get("s", "SPY")
    assert desk.fill("5", "sell", "6", "101").trade.pnl_usd == 10


def test_a_position_that_was_tampered_with_is_seen(desk):
    desk.fill("1", "buy", "10", "100")
    desk.ledger.positions.upsert(desk.position._replace(qty=D(11)))
    assert desk.ledger.recomputed("s", "SPY").qty == 10
