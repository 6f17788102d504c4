"""The regime of the market: what finished sessions say about the one that opens.

All of this happens once a session. A bar only moves the session's high and low.
"""

from __future__ import annotations

from mqd.engine.core import Engine
from mqd.engine.sessions import FORMULAS, in_one_stretch, kept_sessions
from mqd.engine.state import DeskState, SymbolFacts
from mqd.ground.times import NS_PER_S
from mqd.model.session_bar import SessionBar
from mqd.rules.book import Regimes, sessions_of
from mqd.rules.compile.question import Given, declared, truth_of


def keep_session(engine: Engine, state: DeskState) -> None:
    """A session has closed: of each symbol that was seen from its open on, one bar is kept."""
    regimes, session = engine.book.rules.regimes, state.session
    if regimes is None or not session.is_open:
        return
    for symbol in state.symbols.values():
        if symbol.bars and symbol.is_complete:
            bar = SessionBar(
                session.date, session.open_ns, session.close_ns,
                symbol.session_high, symbol.session_low, symbol.last_close,
            )  # fmt: skip
            symbol.sessions = (*symbol.sessions, bar)[-kept_sessions(engine.book.rules) :]


def tell_regimes(engine: Engine, state: DeskState) -> None:
    """A session opens, or the desk starts: in which regime each symbol is."""
    regimes = engine.book.rules.regimes
    for symbol in state.symbols.values():
        symbol.regime = regime_of(regimes, symbol, state.session.open_ns) if regimes else ""


def regime_of(regimes: Regimes, symbol: SymbolFacts, open_ns: int) -> str:
    """The first regime that is true of the sessions before `open_ns`; empty if none can be told."""
    values: dict[str, Given] = {item.name: declared(item) for item in regimes.params}
    bars = in_one_stretch(symbol.sessions, regimes.forgets_after_s * NS_PER_S, open_ns)
    for measure in regimes.measures:
        values[measure.name] = FORMULAS[measure.function](bars, sessions_of(measure.over))
    for tag in regimes.tags:
        if truth_of(tag.when, possibly=False).asked(values):
            return tag.code
    return ""


def pauses(engine: Engine, state: DeskState, strategy_id: str, symbol: str) -> bool | None:
    """Whether the strategy opens nothing in this regime; None where nobody can tell."""
    listed = engine.book.strategy(strategy_id).rules.pauses_in
    if not listed:
        return False
    regime = state.symbol(symbol).regime
    return regime in listed if regime else None
