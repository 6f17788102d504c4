"""The execution ledger: exact, each execution once, positions from nothing else."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqd.engine.ledger import Ledger
from mqd.ground.canonical import encode
from mqd.ground.errors import ExecutionConflictError, MalformedExecutionError
from mqd.model.fill import Execution
from mqd.model.position import Position


def execution(name: str, side: str, qty: str | Decimal, price: str | Decimal, fee="0", **changes):
    made = Execution(
        name, f"o-{name}", "s", "SPY", side, Decimal(qty), Decimal(price), Decimal(fee), 1
    )
    return made._replace(**changes)


def booked(ledger: Ledger, *executions: Execution):
    return [ledger.book(each, f"R-{each.side}", "digest") for each in executions]


def position(ledger: Ledger) -> Position:
    return ledger.positions.get("s", "SPY")


# ------------------------------------------------------------------------------------ by hand


def test_a_round_trip_to_the_last_digit():
    ledger = Ledger()
    bought, sold = booked(
        ledger,
        execution("1", "buy", "5.025", "99.5", at_ns=10),
        execution("2", "sell", "5.025", "99.8125", at_ns=20),
    )
    assert bought is not None
    assert bought.trade is None
    assert bought.realised_usd == 0
    assert sold is not None
    assert sold.realised_usd == Decimal("1.5703125")
    assert sold.trade is not None
    assert sold.trade._asdict() == {
        "strategy": "s", "symbol": "SPY", "entry_ns": 10, "entry_price": Decimal("99.5"),
        "qty": Decimal("5.025"), "exit_ns": 20, "exit_price": Decimal("99.8125"),
        "exit_reason": "R-sell", "pnl_usd": Decimal("1.5703125"), "rules_digest": "digest",
    }  # fmt: skip
    assert not position(ledger).is_open


def test_case_38_nine_decimals_stay_nine_decimals():
    ledger = Ledger()
    booked(ledger, execution("1", "buy", "0.123456789", "571.17"))
    assert position(ledger).qty == Decimal("0.123456789")
    assert position(ledger).cost_usd == Decimal("70.51481417313")


def test_more_digits_than_the_ambient_context_has_are_kept():
    """28 digits are Python's default; a price after slippage times a quantity needs more."""
    ledger = Ledger()
    price, qty = "571.17290000000001234567", "0.123456789123"
    with localcontext() as context:
        context.prec = 3
        booked(ledger, execution("1", "buy", qty, price), execution("2", "buy", qty, price))
        (sold,) = booked(ledger, execution("3", "sell", "0.246913578246", "600"))
    assert sold is not None
    assert sold.trade is not None
    expected = Fraction("0.246913578246") * (600 - Fraction(price))
    assert Fraction(sold.trade.pnl_usd) == expected == Fraction(sold.realised_usd)


def test_an_average_is_the_same_in_every_decimal_context():
    ledger = Ledger()
    booked(ledger, execution("1", "buy", "1", "1"), execution("2", "buy", "2", "2"))
    usual = position(ledger).entry_price
    with localcontext() as context:
        context.prec = 4
        assert position(ledger).entry_price == usual == Decimal("1.666666666666666666666666667")


def test_partial_fills_average_and_a_part_sale_leaves_the_average():
    ledger = Ledger()
    booked(ledger, execution("1", "buy", "4", "100"), execution("2", "buy", "6", "101"))
    assert position(ledger).entry_price == Decimal("100.6")
    (part,) = booked(ledger, execution("3", "sell", "5", "102"))
    assert part is not None
    assert part.realised_usd == 7
    assert part.trade is None
    assert position(ledger).entry_price == Decimal("100.6")
    assert position(ledger).qty == 5
    (rest,) = booked(ledger, execution("4", "sell", "5", "100"))
    assert rest is not None
    assert rest.realised_usd == -3
    assert rest.trade is not None
    assert (rest.trade.pnl_usd, rest.trade.qty, rest.trade.exit_price) == (4, 10, 101)


def test_what_a_part_sale_rounds_away_stays_with_the_rest():
    ledger = Ledger()
    results = booked(
        ledger,
        execution("1", "buy", "3", "10.01"),
        execution("2", "buy", "4", "10"),
        *(execution(str(n), "sell", "1", "10") for n in range(3, 10)),
    )
    last = results[-1]
    assert last is not None
    assert last.trade is not None
    assert sum(each.realised_usd for each in results if each) == last.trade.pnl_usd
    assert last.trade.pnl_usd == Decimal("-0.03")


def test_fees_are_part_of_the_profit_and_not_of_the_average():
    ledger = Ledger()
    bought, sold = booked(
        ledger,
        execution("1", "buy", "10", "100", fee="0.05"),
        execution("2", "sell", "10", "101", fee="0.07"),
    )
    assert bought is not None
    assert sold is not None
    assert bought.position.entry_price == 100
    assert (bought.realised_usd, sold.realised_usd) == (Decimal("-0.05"), Decimal("9.93"))
    assert sold.trade is not None
    assert sold.trade.pnl_usd == Decimal("9.88")


@pytest.mark.rule("BOOKED_ONCE")
def test_the_same_execution_again_changes_nothing():
    ledger = Ledger()
    first = execution("1", "buy", "4", "100")
    booked(ledger, first)
    before = encode(ledger.canonical())
    again = [first, first._replace(at_ns=99), first._replace(qty=Decimal("4.000"))]
    assert booked(ledger, *again) == [None, None, None]
    assert encode(ledger.canonical()) == before


@pytest.mark.parametrize(
    "change",
    [
        {"qty": Decimal(5)}, {"price": Decimal(99)}, {"fee_usd": Decimal(1)}, {"side": "sell"},
        {"client_order_id": "other"}, {"symbol": "QQQ"}, {"strategy": "t"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
@pytest.mark.rule("FIRST_TELLING_STANDS")
def test_the_same_execution_with_other_contents_is_a_conflict_and_the_first_stands(change):
    ledger = Ledger()
    first = execution("1", "buy", "4", "100")
    booked(ledger, first)
    before = encode(ledger.canonical())
    with pytest.raises(ExecutionConflictError):
        ledger.book(first._replace(**change), "R", "digest")
    assert encode(ledger.canonical()) == before


@pytest.mark.parametrize(
    "change",
    [{"qty": Decimal(0)}, {"price": Decimal("NaN")}, {"fee_usd": Decimal("Infinity")},
     {"side": "short"}, {"qty": Decimal("1" * 200)}],
)  # fmt: skip
@pytest.mark.rule("IMPOSSIBLE_IS_NOT_BOOKED")
def test_a_malformed_execution_leaves_no_trace(change):
    ledger = Ledger()
    with pytest.raises(MalformedExecutionError):
        ledger.book(execution("1", "buy", "4", "100")._replace(**change), "R", "digest")
    assert not ledger.executions
    assert booked(ledger, execution("1", "buy", "4", "100"))[0] is not None


def test_an_oversell_ends_one_trade_and_opens_the_other_side():
    ledger = Ledger()
    _, through = booked(
        ledger, execution("1", "buy", "5", "100"), execution("2", "sell", "7", "110")
    )
    assert through is not None
    assert through.realised_usd == 50
    assert through.trade is not None
    assert (through.trade.qty, through.trade.pnl_usd) == (5, 50)
    assert position(ledger).qty == -2
    assert position(ledger).entry_price == 110
    (back,) = booked(ledger, execution("3", "buy", "2", "108"))
    assert back is not None
    assert back.realised_usd == 4
    assert back.trade is not None
    assert (back.trade.entry_price, back.trade.exit_price, back.trade.pnl_usd) == (110, 108, 4)
    assert not position(ledger).is_open


def test_two_strategies_hold_one_symbol_apart():
    ledger = Ledger()
    booked(
        ledger,
        execution("1", "buy", "5", "100"),
        execution("2", "buy", "2", "90", strategy="t"),
    )
    assert position(ledger).qty == 5
    assert ledger.positions.get("t", "SPY").qty == 2
    assert ledger.positions.held("SPY") == 7
    assert [each.strategy for each in ledger.positions.open_positions()] == ["s", "t"]


def test_closing_on_paper_leaves_the_ledger_alone():
    ledger = Ledger()
    booked(ledger, execution("1", "buy", "4", "100"), execution("2", "sell", "1", "104"))
    before = encode(ledger.canonical())
    trade = ledger.closed_at(position(ledger), Decimal(110), 9, "END_OF_DATA")
    assert trade.exit_reason == "END_OF_DATA"
    assert trade.qty == 4
    assert trade.pnl_usd == 34
    assert encode(ledger.canonical()) == before
    (sold,) = booked(ledger, execution("3", "sell", "3", "110"))
    assert sold is not None
    assert sold.trade is not None
    assert sold.trade.pnl_usd == 34


def test_a_fork_goes_its_own_way():
    ledger = Ledger()
    booked(ledger, execution("1", "buy", "4", "100"))
    before = encode(ledger.canonical())
    other = ledger.fork()
    booked(other, execution("2", "sell", "1", "100"), execution("3", "sell", "3", "90"))
    assert encode(ledger.canonical()) == before
    (sold,) = booked(ledger, execution("2", "sell", "4", "101"))
    assert sold is not None
    assert sold.trade is not None
    assert sold.trade.pnl_usd == 4


# ------------------------------------------------------------------------------- any sequence

NUMBERS = st.decimals("0.000000001", "99999", places=9)
FILLS = st.lists(
    st.tuples(st.sampled_from(["buy", "sell"]), NUMBERS, NUMBERS, st.decimals("-1", "1", places=4)),
    max_size=30,
)


@given(FILLS)
@pytest.mark.rule("SUM_OF_EXECUTIONS")
def test_positions_and_profit_are_sums_of_executions(fills):
    ledger = Ledger()
    made = [
        execution(str(number), side, qty, price, fee)
        for number, (side, qty, price, fee) in enumerate(fills)
    ]
    results = [each for each in booked(ledger, *made) if each is not None]

    def signed(each: Execution) -> Fraction:
        return Fraction(each.qty) * (1 if each.side == "buy" else -1)

    assert Fraction(position(ledger).qty) == sum(signed(each) for each in made)
    cash = -sum(signed(each) * Fraction(each.price) + Fraction(each.fee_usd) for each in made)
    realised = sum(Fraction(each.realised_usd) for each in results)
    assert realised - Fraction(position(ledger).cost_usd) == cash
    trades = sum(Fraction(each.trade.pnl_usd) for each in results if each.trade)
    if not position(ledger).is_open:
        assert position(ledger).cost_usd == 0
        assert trades == realised == cash
    else:
        rest = ledger.closed_at(position(ledger), Decimal(100), 2, "END")
        assert trades + Fraction(rest.pnl_usd) == cash + Fraction(position(ledger).qty) * 100


@given(FILLS, st.randoms(use_true_random=False))
@pytest.mark.rule("BOOKED_ONCE")
def test_repeats_anywhere_change_nothing(fills, random):
    made = [
        execution(str(number), side, qty, price, fee)
        for number, (side, qty, price, fee) in enumerate(fills)
    ]
    once, often = Ledger(), Ledger()
    booked(once, *made)
    for number, each in enumerate(made):
        booked(often, each, random.choice(made[: number + 1]))
    assert encode(often.canonical()) == encode(once.canonical())


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20))
def test_selling_in_parts_makes_the_same_trade_as_selling_at_once(parts):
    """Cost goes with the shares; what rounding takes from one part the last one has back."""
    total = sum((qty for qty, _ in parts), Decimal(0))
    ledger = Ledger()
    sold = booked(
        ledger,
        execution("buy", "buy", total, "3.333333333"),
        *(execution(str(n), "sell", qty, price) for n, (qty, price) in enumerate(parts)),
    )
    last = sold[-1]
    assert last is not None
    assert last.trade is not None
    assert sum(Fraction(each.realised_usd) for each in sold if each) == Fraction(last.trade.pnl_usd)
    assert [each for each in sold if each and each.trade] == [last]
