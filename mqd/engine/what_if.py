"""What if: the entry that only protections refused is sent all the same, in a copy of the desk.

Nothing of the desk itself is touched. The copy has an engine of the same rules without the
protections that block, so that from here on it decides as the desk would have; those that make
entries smaller stay, because the order would have had their size.
"""

from __future__ import annotations

from dataclasses import replace

from mqd.engine.core import Engine, Step
from mqd.engine.decide import Answer, ask, wish_to_enter
from mqd.engine.gate import submit_entry
from mqd.engine.state import DeskState, StrategyFacts
from mqd.model.command import Command
from mqd.model.event import BarClosed
from mqd.rules.book import RuleBook


def without_blocks(book: RuleBook) -> RuleBook:
    """The rules without the protections that keep entries out."""
    kept = tuple(item for item in book.protections if item.sizes is not None)
    return replace(book, protections=kept)


def forked(engine: Engine, state: DeskState) -> DeskState:
    """A copy of the desk right after a bar, for an engine of `without_blocks`."""
    kept = {item.id for item in engine.book.rules.protections}
    fork = state.fork()
    fork.locks = {key: lock for key, lock in fork.locks.items() if key.partition("/")[0] in kept}
    engine.protections.blocks.on_start(fork, Step(fork.now_ns, fork))
    return fork


def let_in(
    engine: Engine, fork: DeskState, strategy: str, facts: StrategyFacts, bar: BarClosed
) -> tuple[Command, ...] | None:
    """Decide on the bar once more, and send the entry; None where there would be none of it.

    `facts` are those that the strategy's rules read on the bar. What they say of its profit is for
    that answer only: the copy's own follows from its executions.
    """
    own = fork.strategies[strategy]
    fork.strategies[strategy] = facts
    step = Step(bar.at_ns, fork)
    answer = Answer(*ask(fork, engine.book.strategy(strategy), bar))
    facts.pnl_today, facts.pnl_today_usd = own.pnl_today, own.pnl_today_usd
    signal = wish_to_enter(engine, fork, answer, bar, step) if answer.asks else None
    if signal is None or answer.exits or not submit_entry(engine, fork, bar, signal, 0, step).sent:
        return None
    return tuple(step.commands)
