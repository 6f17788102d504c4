"""Several strategies on one bar: all are asked, exits leave first, then entries, one by one."""

from __future__ import annotations

from typing import NamedTuple

from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.decide import (
    Answer,
    Asked,
    ask,
    enter,
    idle,
    leave,
    malformed,
    record,
    stay_out,
    wish_to_enter,
)
from mqd.engine.state import DeskState
from mqd.ground.errors import StrategyFailedError
from mqd.model.decision import SignalsConflict
from mqd.model.event import BarClosed
from mqd.model.signal import StrategySignal
from mqd.rules.compile.strategy import CompiledStrategy


class _Wish(NamedTuple):
    """A strategy that wants in; `signal` is None where what it asks for is malformed."""

    place: int
    answer: Answer
    signal: StrategySignal | None


def decide_on(engine: Engine, state: DeskState, bar: BarClosed, data: int, step: Step) -> None:
    """Ask every strategy of the symbol; one decision record each, in the declared order.

    On most bars none of them asks for anything, and there is nothing to bring into an order.
    """
    asked: list[Asked] = []
    is_quiet = True
    for compiled in engine.by_symbol.get(bar.symbol, ()):
        try:
            found = ask(state, compiled, bar)
        except Exception as failure:  # noqa: BLE001  # whatever it is, the others are not to suffer
            _leave_out(engine, state, compiled, bar, failure, step)
            continue
        asked.append(found)
        _, facts, no_trade, exits, _, _, _ = found
        is_quiet = is_quiet and not exits and bool(no_trade or facts.position_open)
    if not is_quiet:
        answers = [Answer(*found) for found in asked]
        StrategyOrchestrator(engine, state, step).decide(answers, bar, data)
        return
    for found in asked:
        stay_out(engine, state, found, data, step)


def _leave_out(
    engine: Engine,
    state: DeskState,
    compiled: CompiledStrategy,
    bar: BarClosed,
    failure: Exception,
    step: Step,
) -> None:
    """Tell of a strategy whose rules cannot be computed; it has no part in this bar.

    To ask changes nothing but the strategy's own measures, so that it can be asked again on the
    next bar; what it holds is watched meanwhile like any position.
    """
    error = StrategyFailedError(
        f"{compiled.rules.id} is left out on this bar of {bar.symbol}: "
        f"{type(failure).__name__}: {failure}"
    )
    raise_incident(engine, state, step, error, compiled.rules.id)


class StrategyOrchestrator:
    """Brings into an order what the strategies of a symbol ask for on one bar.

    They were asked in the order that the rules declare. Nothing is sent before all have answered,
    so that none sees what another did on the same bar. Then exits leave, all of them, and after
    them the entries, one strategy after the other, so that what has just been sent counts in the
    checks of the next. An entry for the other side of what another strategy signals is refused
    by a check of the rules; of two such entries both are.
    """

    __slots__ = ("_engine", "_state", "_step")

    def __init__(self, engine: Engine, state: DeskState, step: Step) -> None:
        self._engine = engine
        self._state = state
        self._step = step

    def decide(self, answers: list[Answer], bar: BarClosed, data: int) -> None:
        """Exits first, all of them; then the entries, each checked when those before have left."""
        made: list[tuple[str, int, int]] = []
        wishes: list[_Wish] = []
        leaving: list[Answer] = []
        for place, answer in enumerate(answers):
            if answer.exits:
                leaving.append(answer)
                made.append(leave(self._engine, self._state, answer, bar, self._step))
            else:
                made.append(idle(self._engine, self._state, answer))
                if answer.asks:
                    signal = wish_to_enter(self._engine, self._state, answer, bar, self._step)
                    wishes.append(_Wish(place, answer, signal))
        for wish in wishes:
            if wish.signal is None:
                made[wish.place] = malformed(self._engine, self._state, wish.answer)
                continue
            opposite = self._opposite(wish, wishes, leaving, bar.symbol) if answers[1:] else 0
            made[wish.place] = enter(
                self._engine, self._state, bar, wish.signal, data, opposite, self._step
            )
        if answers[1:] and wishes:
            self._tell_of_conflict(bar, wishes, leaving)
        for answer, outcome in zip(answers, made, strict=True):
            record(self._state, answer, outcome, data, self._step)

    def _opposite(
        self, wish: _Wish, wishes: list[_Wish], leaving: list[Answer], symbol: str
    ) -> int:
        """How many other strategies signal the other side on this bar."""
        if wish.signal is None:
            return 0
        sides = [other.signal.side for other in wishes if other.signal is not None]
        sides += [self._side_out(answer, symbol) for answer in leaving]
        return sum(1 for side in sides if side != wish.signal.side)

    def _side_out(self, answer: Answer, symbol: str) -> str:
        held = answer.facts.position_qty
        return "sell" if held > 0 else "buy"

    def _tell_of_conflict(self, bar: BarClosed, wishes: list[_Wish], leaving: list[Answer]) -> None:
        """Note who wanted which side where the rules refuse such entries."""
        wanted = [(each.answer, each.signal.side) for each in wishes if each.signal is not None]
        wanted += [(answer, self._side_out(answer, bar.symbol)) for answer in leaving]
        if not self._engine.refuses_opposites or len({side for _, side in wanted}) == 1:
            return
        buying, selling = (
            tuple(sorted(answer.compiled.rules.id for answer, side in wanted if side == which))
            for which in ("buy", "sell")
        )
        self._step.notes.append(SignalsConflict(bar.at_ns, bar.symbol, buying, selling))
