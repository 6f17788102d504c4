"""The plan of faults: which one happens at a chance; seeded, so that a run repeats.

A fault happens at its first `times` chances (1; 0 stands for every one) after `skip` others, or
with `share` at that share of all chances. A chance is anything of its place that fits its
conditions: a request, an order, a fill, a cancel, a frame of news, a bar.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from random import Random
from typing import Any

from mqd.brokers.practice.fault_kinds import EVERYWHERE, KINDS, REQUESTS
from mqd.brokers.practice.refusals import REASONS
from mqd.ground.errors import SettingsError
from mqd.ground.times import parse_iso

_NUMBERS = frozenset({"bars", "seconds", "part", "qty"})


class Fault:
    """One planned fault; `happened` counts how often it came to pass.

    Raises:
        SettingsError: the words of a plan name no fault, or one that cannot be.
    """

    def __init__(self, words: Mapping[str, Any], seed: str = "") -> None:
        self.kind = str(words.get("kind", ""))
        if self.kind not in KINDS:
            raise SettingsError(f"there is no fault `{self.kind}`; {_nearest(self.kind, KINDS)}")
        kind = KINDS[self.kind]
        known = ("kind", *EVERYWHERE, *kind.narrow, *kind.shape)
        for name in words:
            if name not in known:
                raise SettingsError(f"{self.kind}: no setting `{name}`; {_nearest(name, known)}")
        self.place = kind.place
        self.narrow = {name: str(words[name]) for name in kind.narrow if name in words}
        self.shape = {**kind.shape, **{name: words[name] for name in kind.shape if name in words}}
        self.share = _number(words, "share", float)
        self.times = _number(words, "times", int) if "times" in words else int(self.share is None)
        self.skip = _number(words, "skip", int) or 0
        self.from_ns = _instant(words, "from")
        self.until_ns = _instant(words, "until")
        self.happened = 0
        self._random = Random(f"{seed} {self.kind}")  # noqa: S311  # a rehearsal, no secret
        self._check()

    def _check(self) -> None:
        if self.share is not None and not 0 <= self.share <= 1:
            raise SettingsError(f"{self.kind}: share is {self.share}, expected 0 to 1")
        request = self.narrow.get("request", "any")
        if request not in (*REQUESTS, "any"):
            raise SettingsError(
                f"{self.kind}: no request `{request}`; {_nearest(request, ('any', *REQUESTS))}"
            )
        for name in _NUMBERS & self.shape.keys():
            _refuse_no_number(self.kind, name, self.shape[name])
        stream = self.shape.get("stream", "bars")
        if stream not in {"trade_updates", "bars"}:
            raise SettingsError(f"{self.kind}: no stream `{stream}`; known: trade_updates, bars")
        reason = self.shape.get("reason")
        if reason is not None and reason not in REASONS:
            raise SettingsError(f"{self.kind}: no reason `{reason}`; {_nearest(reason, REASONS)}")

    def happens(self, at_ns: int, facts: Mapping[str, str]) -> bool:
        """Whether this chance is its own; a chance that fits is counted."""
        for name, wanted in self.narrow.items():
            if wanted not in ("any", facts.get(name)):
                return False
        if at_ns < (self.from_ns or 0) or (self.until_ns is not None and at_ns >= self.until_ns):
            return False
        if self.times and self.happened >= self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.share is not None and self._random.random() >= self.share:
            return False
        self.happened += 1
        return True

    def told(self) -> dict[str, Any]:
        """The fault in words, with how often it happened."""
        return {
            "kind": self.kind,
            **self.narrow,
            **self.shape,
            "times": self.times,
            "share": self.share,
            "happened": self.happened,
        }


class FaultPlan:
    """All planned faults in order; of those that fit a chance the first happens."""

    def __init__(self, faults: Iterable[Mapping[str, Any]] = (), seed: int = 0) -> None:
        self.faults: list[Fault] = []
        self._seed = seed
        for words in faults:
            self.add(words)

    def add(self, words: Mapping[str, Any]) -> Fault:
        """Plan one more fault.

        Raises:
            SettingsError: there is no such fault.
        """
        fault = Fault(words, f"{self._seed} {len(self.faults)}")
        self.faults.append(fault)
        return fault

    def take(self, place: str, at_ns: int, **facts: str) -> Fault | None:
        """The fault that happens at this chance, if one does."""
        for fault in self.faults:
            if fault.place == place and fault.happens(at_ns, facts):
                return fault
        return None

    def take_all(self, place: str, at_ns: int) -> list[Fault]:
        """Every fault of this place that happens now."""
        return [each for each in self.faults if each.place == place and each.happens(at_ns, {})]


def _refuse_no_number(kind: str, name: str, written: Any) -> None:
    try:
        is_number = Decimal(str(written)).is_finite()
    except InvalidOperation:
        is_number = False
    if not is_number:
        raise SettingsError(f"{kind}: {name} is {written!r}, expected a number")


def _nearest(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = get_close_matches(word, names, n=1)
    return f"did you mean `{near[0]}`?" if near else f"known: {', '.join(names)}"


def _number(words: Mapping[str, Any], name: str, kind: type[int | float]) -> Any:
    if words.get(name) is None:
        return None
    try:
        value = kind(words[name])
    except (TypeError, ValueError):
        value = -1
    if value < 0:
        raise SettingsError(f"{name} is {words[name]!r}, expected a number from 0")
    return value


def _instant(words: Mapping[str, Any], name: str) -> int | None:
    if name not in words:
        return None
    try:
        return parse_iso(str(words[name]))
    except ValueError as error:
        raise SettingsError(
            f"{name} is {words[name]!r}, expected a time like 2024-10-07T13:30:00Z"
        ) from error
