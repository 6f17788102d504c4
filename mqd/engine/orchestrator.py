"""Several strategies on one bar: all are asked, exits leave first, then entries, one by one."""

from __future__ import annotations

from typing import NamedTuple

from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.decide import (
    Answer,
    ask,
    decide_alone,
    enter,
    idle,
    leave,
    malformed,
    record,
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


class StrategyOrchestrator:
    """Lets every strategy of a symbol decide on one bar.

    They are asked in the order that the rules declare. Nothing is sent before all have answered,
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

    def on_bar(self, bar: BarClosed, data: int) -> None:
        """One decision record for each strategy that could be asked, in the declared order."""
        engine, state, step = self._engine, self._state, self._step
        asked = engine.by_symbol.get(bar.symbol, ())
        if len(asked) == 1:
            try:
                alone = decide_alone(engine, state, asked[0], bar, data, step)
            except Exception as failure:  # noqa: BLE001  # whatever it is, the desk goes on
                self._left_out(asked[0], bar, failure)
                return
            answers = [] if alone is None else [alone]
        else:
            every = [self._asked(compiled, bar) for compiled in asked]
            answers = [answer for answer in every if answer is not None]
        if answers:
            self._decide(answers, bar, data)

    def _decide(self, answers: list[Answer], bar: BarClosed, data: int) -> None:
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

    def _asked(self, compiled: CompiledStrategy, bar: BarClosed) -> Answer | None:
        """What the strategy answers; None, and told, where its rules cannot be computed.

        To ask changes nothing but the strategy's own measures, so that it can be left out on this
        bar and asked again on the next; what it holds is watched meanwhile like any position.
        """
        try:
            return ask(self._state, compiled, bar)
        except Exception as failure:  # noqa: BLE001  # whatever it is, the others are not to suffer
            self._left_out(compiled, bar, failure)
            return None

    def _left_out(self, compiled: CompiledStrategy, bar: BarClosed, failure: Exception) -> None:
        error = StrategyFailedError(
            f"{compiled.rules.id} is left out on this bar of {bar.symbol}: "
            f"{type(failure).__name__}: {failure}"
        )
        raise_incident(self._engine, self._state, self._step, error, compiled.rules.id)

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
