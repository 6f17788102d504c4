"""A fact: one word that a rule may read, with its unit, its scopes and where its value is found.

`source` is the Python text that reads the fact from the engine's own objects (`bar`, `symbol`,
`session`, `desk`, `strategy`, `order`, `subject`); it comes from this package only, never from a
rule file. `known` is the text that tells whether the fact has a value now; empty means always.
`follows_market` is True for facts that depend on the market alone, not on what the desk did:
conditions made of these alone can be decided once for every parameter.
"""

from __future__ import annotations

from dataclasses import dataclass

from mqd.ground.units import Unit

STRATEGY = "strategy"
DATA = "data"
PROTECTION = "protection"
CHECK = "check"
ORDER_GUARD = "order_guard"
BREAKER_GUARD = "breaker_guard"
PROTECTION_GUARD = "protection_guard"
ORDER_WATCH = "order_watch"
POSITION_WATCH = "position_watch"
DESK_WATCH = "desk_watch"
STRATEGY_WATCH = "strategy_watch"
EVIDENCE = "evidence"
DRIFT_OF_POSITION = "drift_of_position"
DRIFT_OF_ACCOUNT = "drift_of_account"
INVARIANT = "invariant"
ALLOCATION = "allocation"
FINISHED_TRADE = "finished_trade"
ENDED_ENTRY = "ended_entry"
REGIME = "regime"

WATCHES = (ORDER_WATCH, POSITION_WATCH, DESK_WATCH)
PROFILE_MEANINGS: dict[str, str] = {
    "backtest": "`mqd backtest`: recorded bars through the live loop, no account anywhere.",
    "samples": "Recorded or synthetic bars with a simulated broker; no account anywhere.",
    "practice": "A practice exchange in the place of a broker; no account anywhere.",
    "paper": "A broker's account with play money.",
    "live": "A broker's account with real money.",
}
PROFILES = tuple(PROFILE_MEANINGS)
LARGEST = 1e300


@dataclass(frozen=True, slots=True)
class Fact:
    """One word of the rule language."""

    name: str
    unit: Unit
    means: str
    scopes: frozenset[str]
    source: str
    known: str = ""
    follows_market: bool = False
    members: tuple[str, ...] = ()
    is_integer: bool = False

    @property
    def argument(self) -> str:
        """The fact's name as a Python argument: `bar.close` -> `bar_close`."""
        return self.name.replace(".", "_")


def finite(source: str) -> str:
    """The text that tells whether a number is one; a value that is not finite is unknown."""
    return f"-{LARGEST!r} < {source} < {LARGEST!r}"
