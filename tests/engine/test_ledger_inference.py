"""Shares that a total tells of before their executions do: booked once, at the right cost."""

from __future__ import annotations

from decimal import Decimal
from functools import reduce

import pytest

from mqd.engine.ledger import EXACT, Booked, Ledger
from mqd.engine.recount import Recount
from mqd.ground.canonical import encode
from mqd.ground.errors import ExecutionConflictError, MalformedExecutionError
from mqd.model.fill import CORRECTION, INFERRED, REPORTED, Execution
from mqd.model.position import Position

ORDER = "o-1"


class Books:
    """A ledger with one order that buys, and the sums that must be right after every answer."""

    def __init__(self, side: str = "buy") -> None:
        self.ledger = Ledger()
        self.side = side
        self.realised = Decimal(0)

    def real(self, name: str, qty: str, price: str, fee: str = "0", **changes):
        made = Execution(
            name, ORDER, "s", "SPY", self.side, Decimal(qty), Decimal(price), Decimal(fee), 20
        )
        return self.saw(self.ledger.book(made._replace(**changes), "R-buy", "digest"))

    def told(self, total: str, average: str, at_ns: int = 10):
        return self.saw(
            self.ledger.infer(
                ORDER, "s", "SPY", self.side, Decimal(total), Decimal(average), at_ns, "R-buy",
                "digest",
            )
        )  # fmt: skip

    def leave(self, name: str, qty: str, price: str, side: str = "sell"):
        return self.real(name, qty, price, client_order_id="o-exit", side=side)

    def saw(self, booked: Booked | None) -> Booked | None:
        if booked is not None:
            self.realised = EXACT.add(self.realised, booked.realised_usd)
        ledger, fresh = self.ledger, Recount()
        fresh.follow(ledger.executions)
        assert ledger.cash_delta_usd == ledger.recomputed_cash() == fresh.cash_usd
        open_usd = [each.cost_usd for each in ledger.positions.open_positions()]
        assert reduce(EXACT.subtract, open_usd, self.realised) == ledger.cash_delta_usd
        assert self.position == ledger.recomputed("s", "SPY") == fresh.position("s", "SPY")
        return booked

    @property
    def position(self) -> Position:
        return self.ledger.positions.get("s", "SPY")

    @property
    def filled(self) -> Decimal:
        return self.ledger.filled(ORDER)


@pytest.fixture
def books() -> Books:
    return Books()


def test_a_total_without_executions_is_booked_at_its_average(books):
    books.told("10", "100.5")
    assert (books.position.qty, books.position.cost_usd, books.filled) == (10, 1005, 10)
    (guess,) = books.ledger.executions.values()
    assert guess == Execution(
        "inferred-o-1-10", ORDER, "s", "SPY", "buy", Decimal(10), Decimal("100.5"), Decimal(0), 10,
        INFERRED,
    )  # fmt: skip


def test_what_is_missing_gets_the_price_that_makes_the_average_right(books):
    books.real("1", "4", "100")
    books.told("10", "100.6")
    assert books.ledger.executions["inferred-o-1-10"].price == 101
    assert books.position.entry_price == Decimal("100.6")


def test_a_price_that_would_not_be_one_is_the_average(books):
    books.real("1", "9", "100")
    books.told("10", "80")
    assert books.ledger.executions["inferred-o-1-10"].price == 80


@pytest.mark.parametrize("total", ["10", "10.000", "9", "3"])
def test_nothing_is_inferred_where_nothing_is_missing(books, total):
    books.real("1", "10", "100")
    before = encode(books.ledger.canonical())
    assert books.told(total, "100") is None
    assert encode(books.ledger.canonical()) == before


def test_the_same_total_twice_is_inferred_once(books):
    books.told("10", "100")
    assert books.told("10", "100", at_ns=99) is None
    books.told("12", "100")
    assert [each.qty for each in books.ledger.executions.values()] == [10, 2]


@pytest.mark.parametrize(
    ("total", "average"), [("NaN", "1"), ("0", "1"), ("-1", "1"), ("1", "0"), ("1", "Infinity")]
)
def test_a_total_that_cannot_be_leaves_no_trace(books, total, average):
    with pytest.raises(MalformedExecutionError):
        books.told(total, average)
    assert not books.ledger.executions
    assert books.filled == 0


# ------------------------------------------------------------------- and then the real one


def test_the_real_one_at_the_same_price_changes_nothing_but_the_entries(books):
    books.told("10", "100")
    before = books.position
    booked = books.real("1", "10", "100")
    assert booked == Booked(before, Decimal(0), None, Decimal(0))
    assert books.filled == 10
    entries = list(books.ledger.executions.values())
    assert [(each.kind, each.side, each.of) for each in entries] == [
        (INFERRED, "buy", ""),
        (CORRECTION, "sell", "inferred-o-1-10"),
        (REPORTED, "buy", ""),
    ]
    assert books.position.opened_ns == 10


def test_the_real_one_at_another_price_corrects_the_cost(books):
    books.told("10", "100")
    booked = books.real("1", "10", "101", fee="0.05")
    assert (booked.position.qty, booked.position.cost_usd) == (10, 1010)
    assert booked.realised_usd == Decimal("-0.05")
    assert booked.trade is None
    assert books.leave("2", "10", "102").trade.pnl_usd == Decimal("9.95")


def test_the_real_ones_in_two_parts(books):
    books.told("10", "100")
    books.real("1", "4", "99")
    assert (books.position.cost_usd, books.filled) == (996, 10)
    books.real("2", "6", "101")
    assert (books.position.cost_usd, books.filled, books.position.qty) == (1002, 10, 10)
    books.real("3", "1", "100")  # nothing is inferred any more: this one is new
    assert (books.filled, books.position.qty) == (11, 11)


def test_the_real_one_larger_than_what_was_inferred(books):
    books.told("4", "100")
    booked = books.real("1", "10", "101")
    assert (booked.position.qty, booked.position.cost_usd, books.filled) == (10, 1010, 10)
    assert booked.cash_usd == -610


def test_the_real_one_covers_two_inferences(books):
    books.told("4", "100")
    books.told("7", "101")
    booked = books.real("1", "6", "101")
    assert (booked.position.qty, books.filled) == (7, 7)
    books.real("2", "1", "102")
    assert (books.position.qty, books.position.cost_usd) == (7, 6 * 101 + 102)


def test_the_real_one_after_the_position_was_closed_is_realised_and_no_trade(books):
    books.told("10", "100")
    ended = books.leave("2", "10", "110")
    assert ended.trade.pnl_usd == 100
    booked = books.real("1", "10", "101", fee="0.05")
    assert booked.trade is None
    assert not booked.position.is_open
    assert booked.realised_usd == Decimal("-10.05")
    assert books.realised == Decimal("89.95")


def test_the_real_exit_after_an_inferred_one_ended_the_trade(books):
    books.leave("1", "10", "100", side="buy")
    books.side = "sell"
    assert books.told("10", "110").trade.pnl_usd == 100
    booked = books.real("2", "10", "109")
    assert (booked.realised_usd, booked.trade) == (-10, None)
    assert not books.position.is_open


def test_the_real_one_after_a_part_was_sold_keeps_every_cent(books):
    books.told("10", "100")
    books.leave("2", "4", "110")
    booked = books.real("1", "10", "101")
    assert booked.realised_usd == -4  # the part that was sold
    assert booked.position.cost_usd == 606  # the part that is left
    assert books.leave("3", "6", "110").trade.pnl_usd == 90


def test_the_real_one_does_not_touch_the_trip_after_its_own(books):
    books.told("10", "100")
    books.leave("2", "10", "110")
    books.leave("3", "5", "108", side="buy")
    books.real("1", "10", "101")
    assert (books.position.qty, books.position.cost_usd) == (5, 540)
    assert books.leave("4", "5", "109").trade.pnl_usd == 5


def test_an_inferred_fill_that_went_through_zero_is_replaced_on_both_sides(books):
    books.leave("1", "5", "100", side="buy")
    books.side = "sell"
    books.told("7", "110")
    booked = books.real("2", "7", "111")
    assert (booked.position.qty, booked.position.cost_usd) == (-2, -222)
    assert booked.realised_usd == 5
    assert booked.trade is None


def test_an_execution_of_another_order_replaces_nothing(books):
    books.told("10", "100")
    books.real("1", "10", "100", client_order_id="o-2")
    assert books.position.qty == 20
    books.real("2", "10", "100", symbol="QQQ")
    assert books.ledger.positions.held("QQQ") == 10
    books.real("3", "10", "100", side="sell")
    assert books.position.qty == 10


def test_a_real_one_that_cannot_be_leaves_the_inference(books):
    books.told("10", "100")
    before = encode(books.ledger.canonical())
    with pytest.raises(MalformedExecutionError):
        books.real("1", "10", "0")
    assert encode(books.ledger.canonical()) == before
    books.real("1", "10", "101")
    with pytest.raises(ExecutionConflictError):
        books.real("1", "10", "102")
    assert books.real("1", "10", "101") is None
    assert books.position.qty == 10


def test_a_conflict_over_an_id_of_the_desks_own_leaves_the_inference(books):
    books.told("10", "100")
    books.leave("replaced-1-1", "1", "100")
    before = encode(books.ledger.canonical())
    with pytest.raises(ExecutionConflictError):
        books.real("1", "10", "101")
    assert encode(books.ledger.canonical()) == before


def test_a_bust_of_the_real_one_does_not_bring_the_inference_back(books):
    books.told("10", "100")
    books.real("1", "4", "99")
    books.saw(books.ledger.bust("1", 30))
    assert (books.filled, books.position.qty, books.position.cost_usd) == (6, 6, 600)


def test_the_same_total_after_a_bust_is_inferred_under_a_name_of_its_own(books):
    books.told("10", "100")
    books.real("1", "10", "100")
    books.saw(books.ledger.bust("1", 30))
    books.told("10", "100")
    assert list(books.ledger.executions)[-1] == "inferred-o-1-10-2"
    books.real("2", "10", "100")
    assert (books.filled, books.position.qty) == (10, 10)


def test_what_the_average_rounds_is_made_good_by_the_real_ones(books):
    books.real("1", "3", "100.01")
    books.told("10", "100.0333")
    books.real("2", "7", "100.043")
    assert books.position.cost_usd == 3 * Decimal("100.01") + 7 * Decimal("100.043")


def test_a_fork_keeps_its_own_inferences(books):
    books.told("10", "100")
    before = encode(books.ledger.canonical())
    other = books.ledger.fork()
    real = Execution(
        "1", ORDER, "s", "SPY", "buy", Decimal(10), Decimal(101), Decimal(0), 20
    )  # fmt: skip
    other.book(real, "R-buy", "digest")
    assert encode(books.ledger.canonical()) == before
    books.real("1", "10", "101")
    assert encode(books.ledger.canonical()) == encode(other.canonical())
