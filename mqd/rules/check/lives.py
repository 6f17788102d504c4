"""Whether the states of a strategy's life do what the rows of its watch are for."""

from __future__ import annotations

from itertools import product

from mqd.rules.book import MachineRules, Watch
from mqd.rules.check.document import Document
from mqd.rules.strategy_life import CALLS, ENABLE_ORDERED, PAUSE_ENDED, is_over, is_paused, may_open

CODES = {
    "OPENS_MISPLACED": "A state that is not of a strategy's life says whether it opens.",
    "LIFE_CONTRADICTED": "A state of a strategy's life does not do what leads to it.",
}
_STRATEGY = "strategy"
_CLOSES = frozenset({CALLS["pause"], CALLS["retire"]})


def check_opens_belongs(document: Document) -> None:
    """Only a strategy opens positions; what the others let through is said by the checks."""
    for key, _ in document.pairs("states") if document.id != _STRATEGY else ():
        opens = document.scalar("states", key.text, "opens")
        if opens is not None:
            document.note(
                opens.place, ("states", key.text), "OPENS_MISPLACED",
                f"A {document.id} opens nothing, in no state.",
                "take `opens` away; the checks before an order say what is let through",
            )  # fmt: skip


def check_life(document: Document, machine: MachineRules, watch: Watch) -> None:
    """A strategy begins where it may open; what pauses or retires it leads to where it may not.

    A pause ends by itself where it may open again; what waits for a person is put back by no row.
    """
    if not may_open(machine, machine.initial):
        document.note(
            document.place_of("initial"), ("initial",), "LIFE_CONTRADICTED",
            f"A strategy begins in {machine.initial}, which opens nothing.",
            f"write `opens: true` under {machine.initial}",
        )  # fmt: skip
    acts = {row.do for row in watch.rows}
    events = (*(CALLS[act] for act in reversed(CALLS) if act in acts), PAUSE_ENDED)
    told: set[str] = set()  # one word is wrong, however many rows lead there
    for event, state in product(events, machine.states):
        target = machine.after(state.name, event)
        flaw, hint = _flaw(machine, event, state.name, target)
        if flaw and not told & {state.name, target}:
            told.add(target)
            row = machine.table[state.name, event]
            document.note(
                row.place, (row.id,), "LIFE_CONTRADICTED",
                f"`{event}` leads from {state.name} to {target}{flaw}.", hint,
            )  # fmt: skip


def _flaw(machine: MachineRules, event: str, source: str, target: str) -> tuple[str, str]:
    """What is wrong with where an event leads, and how it is mended; '' where nothing is."""
    if event in _CLOSES and may_open(machine, target):
        return ", which opens positions", "lead to a state without `opens: true`"
    if event == CALLS["retire"] and is_paused(machine, target):
        return ", which ends by itself", f"let `{PAUSE_ENDED}` lead nowhere from there"
    if is_over(machine, source):
        if target != source and _comes_back(machine, target):
            return f", but {source} waits for a person", "let only `enable_ordered` lead from there"
    elif event == CALLS["pause"] and is_over(machine, target):
        return ", which only a person ends", f"let `{PAUSE_ENDED}` lead from there"
    elif event == PAUSE_ENDED and target != source:
        if may_open(machine, source):
            return f", but {source} is no pause: it opens", f"let `{PAUSE_ENDED}` lead nowhere"
        if is_paused(machine, target):
            return ", which is a pause again", "let a pause end in a state that is none"
    return "", ""


def _comes_back(machine: MachineRules, state_name: str) -> bool:
    """Whether a strategy in this state may open again without a person."""
    events = [event for event in machine.events if event != ENABLE_ORDERED]
    found, frontier = {state_name}, [state_name]
    while frontier:
        source = frontier.pop()
        reached = {machine.after(source, event) for event in events} - found
        frontier += reached
        found |= reached
    return any(may_open(machine, each) for each in found)
