"""What becomes of a position that is still open when the recorded bars end."""

from __future__ import annotations

from decimal import Decimal

from mqd.engine.state import DeskState
from mqd.ground.times import NS_PER_MINUTE
from mqd.model.position import Position, Trade

END_OF_DATA = "END_OF_DATA"


def closed_at_the_end(state: DeskState, position: Position) -> Trade:
    """The trade that it makes when it is closed at the last close of its symbol."""
    symbol = state.symbol(position.symbol)
    last_end_ns = symbol.newest_start_ns + NS_PER_MINUTE
    price = Decimal(repr(symbol.last_close))
    return state.ledger.closed_at(position, price, last_end_ns, END_OF_DATA)
