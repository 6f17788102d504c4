"""What the states of a strategy's life mean for the desk, as its machine declares them.

Each state says whether it opens positions; whether it ends by itself or waits for a person follows
from the rows.
"""

from __future__ import annotations

from typing import Final

from mqd.rules.book import MachineRules

ENABLE_ORDERED: Final = "enable_ordered"
PAUSE_ENDED: Final = "pause_ended"
CALLS: Final = {
    "flag": "review_called_for",
    "pause": "pause_called_for",
    "retire": "retirement_called_for",
}
"""What a strategy hears when a row of its watch acts."""


def may_open(machine: MachineRules, state_name: str) -> bool:
    """Whether a strategy in this state may open positions; one that nobody declares may not."""
    return any(state.opens for state in machine.states if state.name == state_name)


def is_paused(machine: MachineRules, state_name: str) -> bool:
    """Whether a strategy in this state opens nothing until the state ends by itself."""
    ends = _after_pause(machine, state_name) != state_name
    return ends and not may_open(machine, state_name)


def is_over(machine: MachineRules, state_name: str) -> bool:
    """Whether a strategy in this state opens nothing until a person puts it back."""
    return not may_open(machine, state_name) and not is_paused(machine, state_name)


def waits_for_person(machine: MachineRules, state_name: str) -> bool:
    """Whether a strategy in this state does not come back to where it began by itself."""
    return _after_pause(machine, state_name) != machine.initial


def retired_state(machine: MachineRules) -> str:
    """Where a strategy that works goes when it is retired."""
    return machine.after(machine.initial, CALLS["retire"])


def _after_pause(machine: MachineRules, state_name: str) -> str:
    return machine.after(state_name, PAUSE_ENDED)
