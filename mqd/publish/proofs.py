"""Proofs: what tries the desk as a whole, and the figures of the last time that each was run.

A proof is declared here. Its figures stand in `docs/evidence/proofs.json` under its key, written
by whatever ran it and never by hand: numbers, words, and under `rules_digest` the rules that it
ran with. A proof without figures has not been run yet, and the pages say so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from mqd.ground.errors import SettingsError
from mqd.publish.declared import source_line

FILE: Final = "proofs.json"
_DIGEST: Final = "rules_digest"
_COMMAND: Final = "command"
_NAMES: Final = frozenset({"seed"})  # numbers that count nothing
_SHOWN_OF_A_DIGEST: Final = 12
_HEX: Final = re.compile(r"[0-9a-f]{12,64}")
_WORDS: Final = {
    "days_per_s": "days a second",
    "equal": "came out the same",
    "mid_session": "in mid-session",
}


@dataclass(frozen=True, slots=True)
class Proof:
    """One way to try the desk; in `command` the name of a figure in braces stands for it."""

    key: str
    title: str
    shows: str
    command: str

    @property
    def place(self) -> str:
        """Where it is declared."""
        return source_line(__name__, self.key)


ALL: Final = (
    Proof(
        "simulation", "Simulated days", "On days on which the broker loses, doubles, delays and "
        "refuses things and the process dies, the desk's books come out as the broker's, and "
        "every invariant holds after every step.",
        "mqd simulate --days {days} --seed {seed} --record",
    ),
    Proof(
        "exploration", "Explored states of one order", "Whatever a broker may do with an entry, "
        "in whatever order it tells it, is walked through to a depth; every invariant holds in "
        "every state, and from each of the last ones the desk comes to agree with the broker.",
        "mqd explore --orders {orders} --depth {depth} --record",
    ),
    Proof(
        "exploration_of_two", "Explored states of two orders", "The same for an entry and the "
        "exit that a stop asks for.", "mqd explore --orders {orders} --depth {depth} --record",
    ),
    Proof(
        "exploration_of_a_stop", "Explored states of a held position", "The same for a position "
        "whose stop is on its way to the broker, and the exit that has to wait for its end.",
        "mqd explore --orders {orders} --depth {depth} --record",
    ),
    Proof(
        "kills", "Killed processes", "A desk that is killed at a moment that nobody chose, and "
        "started again, ends its day with the trades, positions and orders of a desk that nobody "
        "killed.",
        "MQD_KILLS={kills} MQD_RECORD_PROOFS=1 python -m pytest tests/runtime/test_kills.py",
    ),
    Proof(
        "crash_points", "Crash points", "The same holds for a stop at every record of a day's "
        "journal, before and after each thing that is done with it.",
        "MQD_EVERY_POINT=1 MQD_RECORD_PROOFS=1 python -m pytest tests/runtime/test_crash_points.py",
    ),
    Proof(
        "reconcile", "A start with many orders", "So long does it take to compare everything when "
        "the broker holds this many open orders.",
        "MQD_RECORD_PROOFS=1 python -m pytest --benchmark-enable "
        "tests/benchmarks/test_reconcile_benchmark.py",
    ),
    Proof(
        "live_kills", "Killed over real lines", "A desk that trades over real lines and is killed "
        "in the midst of a practice day comes back to what the exchange has: every order once, "
        "every execution booked, the same positions and cash.",
        "MQD_LIVE_KILLS={kills} MQD_RECORD_PROOFS=1 python -m pytest "
        "tests/alpaca/test_live_kills.py",
    ),
    Proof(
        "live_start", "A start over real lines", "So long does it take from the start of a desk "
        "to ready: checks, journal, streams, comparison and the bars of the day so far.",
        "MQD_RECORD_PROOFS=1 python -m pytest --benchmark-enable "
        "tests/benchmarks/test_live_benchmark.py",
    ),
    Proof(
        "bar_to_order", "From a bar to its order", "So long does it take from a bar received to "
        "its order handed over, the durable journal included and the broker's answer not.",
        "MQD_RECORD_PROOFS=1 python -m pytest --benchmark-enable "
        "tests/benchmarks/test_live_benchmark.py",
    ),
)  # fmt: skip


class Recorded(NamedTuple):
    """The figures of a proof by their names in words, in the order of the file.

    `line` is that of the file; `rules_digest` is empty where nobody wrote down which rules ran;
    `failure` says what did not hold and is empty where all did.
    """

    line: int
    figures: tuple[tuple[str, str], ...]
    rules_digest: str
    command: str
    failure: str

    def is_under(self, digest: str) -> bool:
        """Whether it was run under the rules of this digest."""
        return bool(self.rules_digest) and digest.startswith(self.rules_digest)


def command_of(proof: Proof) -> str:
    """The command of a proof that was not run yet, with the names of its figures in capitals."""
    return _filled_in(proof.command, {})


def read_proofs(folder: Path) -> dict[str, Recorded]:
    """The figures in a folder, by the key of the proof; none where there is no such file.

    Raises:
        SettingsError: the file cannot be read, or holds what no proof is.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        body = json.loads(text)
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from error
    if not isinstance(body, dict):
        raise SettingsError(f"{path}: expected the figures of proofs by their keys")
    known = {proof.key: proof for proof in ALL}
    found = {}
    for key, figures in body.items():
        line = _line_of(text, key)
        if key not in known or not isinstance(figures, dict):
            wanted = "its figures by name" if key in known else f"one of {', '.join(known)}"
            raise SettingsError(f"{path}:{line}: {key}: expected {wanted}")
        digest = figures.get(_DIGEST, "")
        if digest and not (isinstance(digest, str) and _HEX.fullmatch(digest)):
            raise SettingsError(f"{path}:{line}: {key}: {_DIGEST} is no digest of rules")
        found[key] = _recorded(known[key], figures, line)
    return found


def _recorded(proof: Proof, figures: Mapping[str, Any], line: int) -> Recorded:
    shown = tuple(
        (
            _WORDS.get(name, name.replace("_", " ")),
            str(value) if name in _NAMES else _shown(value),
        )
        for name, value in figures.items()
        if name not in {_DIGEST, _COMMAND}
    )
    command = figures.get(_COMMAND) or _filled_in(proof.command, figures)
    return Recorded(line, shown, figures.get(_DIGEST, ""), str(command), _failure(figures))


def _shown(value: Any) -> str:
    """A figure as a person reads it: 10,000; yes; of many, each with its name."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}" if value >= 1 else f"{value:.3g}"
        case dict():
            return ", ".join(f"{key} {_shown(part)}" for key, part in value.items()) or "none"
        case list():
            return ", ".join(_shown(part) for part in value) or "none"
        case str() if _HEX.fullmatch(value):
            return value[:_SHOWN_OF_A_DIGEST]
    return str(value)


def _filled_in(command: str, figures: Mapping[str, Any]) -> str:
    """The command with the figures it names; one that nobody wrote down stays in capitals."""
    return re.sub(r"\{(\w+)\}", lambda name: str(figures.get(name[1], name[1].upper())), command)


def _failure(figures: Mapping[str, Any]) -> str:
    violations = figures.get("violations", 0)
    count = len(violations) if isinstance(violations, list | dict) else int(violations)
    if count:
        return f"{count:,} did not hold."
    equal = figures.get("equal", True)
    if isinstance(equal, bool):
        return "" if equal else "Not all came out the same."
    tried = figures.get("kills", figures.get("points", equal))
    return "" if equal == tried else f"{tried - equal:,} of {tried:,} did not come out the same."


def _line_of(text: str, key: str) -> int:
    """The line of a key, which nothing inside the figures is called; the first if it hides."""
    start = f"{json.dumps(key)}:"
    lines = enumerate(text.splitlines(), 1)
    return next((number for number, line in lines if line.strip().startswith(start)), 1)
