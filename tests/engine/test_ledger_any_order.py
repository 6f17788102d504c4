"""Whatever the broker tells, in any order and any number of times: the sums are exact."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mqd.engine.ledger import Booked, Ledger
from mqd.engine.recount import Recount
from mqd.ground.canonical import encode
from mqd.ground.errors import ExecutionConflictError
from mqd.model.fill import Execution

QTY = st.decimals("0.01", "20", places=2)
PRICE = st.decimals("90", "110", places=4)
FEE = st.decimals("-0.5", "0.5", places=4)
NUMBER = st.integers(0, 7)
NEWS = st.one_of(
    st.tuples(st.just("fill"), NUMBER, QTY, PRICE, FEE),
    st.tuples(st.just("fill"), NUMBER, QTY, PRICE, FEE),
    st.tuples(st.just("again"), NUMBER),
    st.tuples(st.just("total"), NUMBER, QTY, PRICE),
    st.tuples(st.just("bust"), NUMBER),
    st.tuples(st.just("correct"), NUMBER, NUMBER, QTY, PRICE),
    st.tuples(st.just("fee"), NUMBER, FEE),
    st.tuples(st.just("adopt"), st.decimals("-9", "9", places=2), PRICE),
)


class Story:
    """A ledger beside a count of its own: what counts, what is inferred, what was charged.

    Order 0 to 3 buy and sell in turn; execution 0 to 7 belong to them, two each.
    """

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.counts: dict[str, tuple[int, Fraction, Fraction, Fraction]] = {}
        self.told: dict[str, Execution] = {}
        self.gone: set[str] = set()
        self.inferred: dict[int, list[list[Fraction]]] = {0: [], 1: [], 2: [], 3: []}
        self.fees: set[tuple[str, Decimal]] = set()
        self.adopted: list[tuple[Fraction, Fraction]] = []
        self.realised = Fraction(0)
        self.now_ns = 0
        self.before: list[Execution] = []

    def hears(self, kind: str, *what: Any) -> None:
        self.now_ns += 1
        booked = getattr(self, kind)(*what)
        if booked is not None:
            self.realised += Fraction(booked.realised_usd)
            trade = booked.trade
            if trade is not None:
                assert trade.qty > 0
                # What ends a trip is flat, or went on to the other side with these very entries.
                new = list(self.ledger.executions.values())[len(self.before) :]
                assert abs(booked.position.qty) <= max(each.qty for each in new)
        self.check()

    def fill(self, number: int, qty: Decimal, price: Decimal, fee: Decimal) -> Booked | None:
        name, order = f"x{number}", number % 4
        made = Execution(
            name, f"o{order}", "s", "SPY", side_of(order), qty, price, fee, self.now_ns
        )
        known = self.told.get(name)
        if known is not None:
            refused_or_same(self.ledger, made, known)
            return None
        self.told[name] = made
        self.counts[name] = (order, Fraction(qty), Fraction(price), Fraction(fee))
        left = Fraction(qty)
        for lot in self.inferred[order]:
            taken = min(left, lot[0])
            lot[0] -= taken
            left -= taken
        return self.ledger.book(made, f"R{order}", "digest")

    def again(self, number: int) -> None:
        made = self.told.get(f"x{number}")
        if made is not None and made.execution_id not in self.gone:
            assert self.ledger.book(made._replace(at_ns=self.now_ns), "R", "digest") is None

    def total(self, number: int, more: Decimal, average: Decimal) -> Booked | None:
        """Odd numbers: a total that tells of more than is booked; even: one that may be old."""
        order = number % 4
        filled = self.ledger.filled(f"o{order}")
        total = more if number > 3 else filled + more
        booked = self.ledger.infer(
            f"o{order}", "s", "SPY", side_of(order), total, average, self.now_ns, "R", "digest"
        )
        if total <= filled:
            assert booked is None
        else:
            guess = list(self.ledger.executions.values())[-1]
            assert (guess.kind, guess.qty) == ("inferred", total - filled)
            self.inferred[order].append([Fraction(guess.qty), Fraction(guess.price)])
        return booked

    def bust(self, number: int) -> Booked | None:
        name = f"x{number}"
        if name not in self.told:
            self.refused(self.ledger.bust, name, self.now_ns)
            return None
        booked = self.ledger.bust(name, self.now_ns)
        assert (booked is None) == (name in self.gone)
        self.gone.add(name)
        self.counts.pop(name, None)
        return booked

    def correct(self, number: int, other: int, qty: Decimal, price: Decimal) -> Booked | None:
        name, new_name = f"x{number}", f"y{other}"
        arguments = (name, new_name, price, qty, self.now_ns)
        old = self.told.get(name)
        known = self.told.get(new_name)
        if old is not None and known is not None:
            new = old._replace(execution_id=new_name, qty=qty, price=price)
            if known == new._replace(at_ns=known.at_ns, fee_usd=known.fee_usd):
                return self.bust(number)  # the new one was told before
        if old is None or known is not None or name in self.gone:
            self.refused(self.ledger.correct, *arguments)
            return None
        order, _, _, fee = self.counts.pop(name)
        self.gone.add(name)
        self.told[new_name] = old._replace(execution_id=new_name, qty=qty, price=price)
        self.counts[new_name] = (order, Fraction(qty), Fraction(price), fee)
        booked = self.ledger.correct(*arguments)
        assert booked is not None
        assert self.ledger.correct(*arguments) is None
        return booked

    def fee(self, number: int, amount: Decimal) -> Booked | None:
        name = f"x{number}"
        if name not in self.told:
            self.refused(self.ledger.charge, name, amount, self.now_ns)
            return None
        booked = self.ledger.charge(name, amount, self.now_ns)
        assert (booked is None) == ((name, amount) in self.fees or not amount)
        self.fees.add((name, amount))
        return booked

    def adopt(self, difference: Decimal, price: Decimal) -> Booked | None:
        if not difference:
            return None
        self.adopted.append((Fraction(difference), Fraction(price)))
        return self.ledger.adopt("s", "SPY", difference, price, self.now_ns)

    def refused(self, ask: Any, *arguments: Any) -> None:
        before = encode(self.ledger.canonical())
        try:
            ask(*arguments)
        except ExecutionConflictError:
            pass
        else:
            raise AssertionError("this had to be a conflict")
        assert encode(self.ledger.canonical()) == before

    def check(self) -> None:
        ledger = self.ledger
        entries = list(ledger.executions.values())
        assert all(old is new for old, new in zip(self.before, entries, strict=False))
        assert len(self.before) <= len(entries)
        self.before = entries
        qty, cash = self.sums()
        position = ledger.positions.get("s", "SPY")
        assert Fraction(position.qty) == qty
        assert Fraction(ledger.cash_delta_usd) == cash
        assert self.realised - Fraction(position.cost_usd) == cash
        assert position.is_open or position.cost_usd == 0
        assert ledger.recomputed("s", "SPY") == position
        assert ledger.recomputed_cash() == ledger.cash_delta_usd
        if position.is_open:
            assert ledger.closed_at(position, Decimal(100), 0, "END").qty > 0
        for order in range(4):
            filled = sum((lot[0] for lot in self.inferred[order]), Fraction(0))
            filled += sum(each[1] for each in self.counts.values() if each[0] == order)
            assert Fraction(ledger.filled(f"o{order}")) == filled

    def sums(self) -> tuple[Fraction, Fraction]:
        """Shares and USD by everything that counts."""
        moved = [(sign(order) * qty, price) for order, qty, price, _ in self.counts.values()]
        for order, lots in self.inferred.items():
            moved += [(sign(order) * qty, price) for qty, price in lots]
        moved += self.adopted
        fees = sum((each[3] for each in self.counts.values()), Fraction(0))
        fees += sum((Fraction(amount) for _, amount in self.fees), Fraction(0))
        spent = sum((qty * price for qty, price in moved), Fraction(0))
        return sum((qty for qty, _ in moved), Fraction(0)), -spent - fees


def side_of(order: int) -> str:
    return "sell" if order % 2 else "buy"


def sign(order: int) -> int:
    return -1 if order % 2 else 1


def refused_or_same(ledger: Ledger, made: Execution, known: Execution) -> None:
    try:
        assert ledger.book(made, "R", "digest") is None
    except ExecutionConflictError:
        assert made != known._replace(at_ns=made.at_ns)
    else:
        assert made == known._replace(at_ns=made.at_ns)


@settings(deadline=None)
@given(st.lists(NEWS, max_size=30))
def test_whatever_is_told_the_sums_are_those_of_what_counts(news):
    story = Story()
    for each in news:
        story.hears(*each)
    fresh = Recount()
    fresh.follow(story.ledger.executions)
    assert fresh.position("s", "SPY") == story.ledger.positions.get("s", "SPY")
    assert encode(story.ledger.fork().canonical()) == encode(story.ledger.canonical())


FILLS = st.lists(st.tuples(st.integers(0, 3), QTY, PRICE, FEE), min_size=1, max_size=12)


@settings(deadline=None)
@given(FILLS, st.randoms(use_true_random=False), st.integers(0, 12), PRICE)
def test_any_order_of_executions_and_an_inference_anywhere_end_the_same(
    fills, random, place, average
):
    """The broker tells an order's total at any moment, never more than it tells of in the end."""
    made = [
        Execution(f"x{number}", f"o{order}", "s", "SPY", side_of(order), qty, price, fee, number)
        for number, (order, qty, price, fee) in enumerate(fills)
    ]
    order = fills[0][0]
    of_order = [each.qty for each in made if each.client_order_id == f"o{order}"]
    total = sum(of_order[: random.randint(1, len(of_order))], Decimal(0))
    plain, shuffled = Ledger(), Ledger()
    for each in made:
        plain.book(each, "R", "digest")
    mixed: list[Execution | None] = list(made)
    mixed += random.choices(made, k=3)  # some are told twice
    random.shuffle(mixed)
    mixed.insert(min(place, len(mixed)), None)
    for told in mixed:
        if told is not None:
            shuffled.book(told, "R", "digest")
        else:
            shuffled.infer(
                f"o{order}", "s", "SPY", side_of(order), total, average, 99, "R", "digest"
            )
    assert shuffled.cash_delta_usd == plain.cash_delta_usd
    assert shuffled.positions.held("SPY") == plain.positions.held("SPY")
    for number in range(4):
        assert shuffled.filled(f"o{number}") == plain.filled(f"o{number}")


@settings(deadline=None)
@given(st.lists(st.tuples(QTY, PRICE), min_size=1, max_size=6), PRICE, PRICE, st.booleans())
def test_an_inferred_entry_makes_no_trade_of_its_own(parts, average, exit_price, is_closed_first):
    """Bought by inference, told in parts: one trade, whenever the parts come."""
    total = sum((qty for qty, _ in parts), Decimal(0))
    ledger, found = Ledger(), []

    def saw(booked: Booked | None) -> None:
        assert booked is not None
        found.append(booked)

    def sells() -> None:
        exit_ = Execution("x", "exit", "s", "SPY", "sell", total, exit_price, Decimal(0), 5)
        saw(ledger.book(exit_, "R-exit", "digest"))

    saw(ledger.infer("o", "s", "SPY", "buy", total, average, 1, "R", "digest"))
    if is_closed_first:
        sells()
    for number, (qty, price) in enumerate(parts):
        real = Execution(f"r{number}", "o", "s", "SPY", "buy", qty, price, Decimal(0), 2)
        saw(ledger.book(real, "R", "digest"))
    if not is_closed_first:
        sells()
    (trade,) = [booked.trade for booked in found if booked.trade is not None]
    paid = sum(Fraction(qty) * Fraction(price) for qty, price in parts)
    cash = Fraction(total) * Fraction(exit_price) - paid
    assert sum(Fraction(booked.realised_usd) for booked in found) == cash
    assert Fraction(ledger.cash_delta_usd) == cash
    if not is_closed_first:
        assert Fraction(trade.pnl_usd) == cash
