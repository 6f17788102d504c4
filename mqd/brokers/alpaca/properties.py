"""What Alpaca says of the symbols that are traded: asked before the start, and now and then again.

The properties come with each snapshot, so that the desk's facts of a symbol are as old as those of
its account; a request goes out only for what is older than the rules allow.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mqd.brokers.alpaca.answers import READ
from mqd.brokers.alpaca.asking import Asker, NoAnswerError
from mqd.brokers.alpaca.fields import row_of, text_of
from mqd.ground.times import NS_PER_S
from mqd.model.snapshot import SymbolProperties

# Alpaca trades shares whole or in billionths, and prices from one dollar on in cents; neither is
# among what it says of a share.
_PART, _WHOLE, _CENT = Decimal("1e-9"), Decimal(1), Decimal("0.01")


class SymbolPropertiesCache:
    """What was said last of each of `symbols`, and when; for every thread."""

    def __init__(
        self, symbols: Iterable[str] = (), preloaded: Iterable[SymbolProperties] = ()
    ) -> None:
        self._symbols = tuple(symbols)
        self._known = {each.symbol: each for each in preloaded}

    def told(self, asker: Asker, good_for_s: float) -> tuple[SymbolProperties, ...]:
        """The properties of every symbol; one that Alpaca does not tell now is left out.

        Raises:
            ClosingError: the desk goes down.
        """
        for symbol in self._symbols:
            known = self._known.get(symbol)
            oldest_ns = asker.clock.now_ns() - round(good_for_s * NS_PER_S)
            if known is None or known.read_ns <= oldest_ns:
                self._ask(asker, symbol)
        known_now = (self._known.get(symbol) for symbol in self._symbols)
        return tuple(each for each in known_now if each is not None)

    def forget(self, symbol: str) -> None:
        """Alpaca refused an order of it: what it said before may be true no more."""
        self._known.pop(symbol, None)

    def _ask(self, asker: Asker, symbol: str) -> None:
        self._known.pop(symbol, None)
        asker.wait(is_urgent=False)
        reply = asker.heed(READ, asker.session.get("assets", f"/assets/{symbol}"))
        now_ns = asker.clock.now_ns()
        try:
            found = asker.read(READ, reply, lambda value: read_properties(value, now_ns))
        except NoAnswerError as error:
            if asker.meaning(error.answer).means != "not_found":
                return
            found = SymbolProperties(symbol, now_ns, False, False, _WHOLE, _CENT)
        self._known[symbol] = found


def read_properties(value: object, now_ns: int) -> SymbolProperties:
    """What Alpaca says of one symbol; what it does not say is not so.

    Raises:
        MisfitError: it does not say of which symbol.
    """
    row = row_of(value, "the asset")
    is_fractionable = row.get("fractionable") is True
    return SymbolProperties(
        symbol=text_of(row, "symbol"),
        read_ns=now_ns,
        is_tradable=row.get("tradable") is True and row.get("status") == "active",
        is_fractionable=is_fractionable,
        lot_qty=_PART if is_fractionable else _WHOLE,
        tick_usd=_CENT,
    )
