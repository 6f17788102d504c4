"""Whether the states of a strategy's life do what the rows of its watch are for."""

from __future__ import annotations

from itertools import product

from mqd.rules.book import MachineRules, Watch
from mqd.rules.check.document import Document
from mqd.rules.strategy_life import CALLS, PAUSE_ENDED, is_over, is_paused, may_open

CODES = {
    "OPENS_MISPLACED": "A state that is not of a strategy's life says whether it opens.",
    "LIFE_CONTRADICTED": "A state of a strategy's life does not do what leads to it.",
}
_STRATEGY = "strategy"
_CLOSES = ("retire", "pause")


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

    A pause ends by itself, and what is retired waits for a person.
    """
    if not may_open(machine, machine.initial):
        document.note(
            document.place_of("initial"), ("initial",), "LIFE_CONTRADICTED",
            f"A strategy begins in {machine.initial}, which opens nothing.",
            f"write `opens: true` under {machine.initial}",
        )  # fmt: skip
    acts = {row.do for row in watch.rows}
    told: set[str] = set()  # one word is wrong, however many rows lead there
    for act, state in product((each for each in _CLOSES if each in acts), machine.states):
        row, target = machine.table[state.name, CALLS[act]], machine.after(state.name, CALLS[act])
        flaw, hint = _flaw(machine, act, state.name, target)
        if flaw and target not in told:
            told.add(target)
            document.note(
                row.place, (row.id,), "LIFE_CONTRADICTED",
                f"`do: {act}` leads from {state.name} to {target}, {flaw}.", hint,
            )  # fmt: skip


def _flaw(machine: MachineRules, act: str, source: str, target: str) -> tuple[str, str]:
    """What is wrong with where an act leads, and how it is mended; '' where nothing is."""
    if may_open(machine, target):
        return "which opens positions", "lead to a state without `opens: true`"
    if act == "retire" and is_paused(machine, target):
        return "which ends by itself", f"let `{PAUSE_ENDED}` lead nowhere from there"
    if act == "pause" and is_over(machine, target) and not is_over(machine, source):
        return "which nothing ends but a person", f"let `{PAUSE_ENDED}` lead from there"
    return "", ""
