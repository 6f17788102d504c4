"""Conditions as they stood on one bar: answer, sentence, values, distances, nearest changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mqd.publish.changes import Change
from mqd.publish.distances import Distance, distances_of
from mqd.publish.figures import Shown
from mqd.publish.flips import Flips, turning
from mqd.publish.recorded_values import RecordedValues
from mqd.publish.situation import Situation
from mqd.rules.book import Condition, Window
from mqd.rules.compile.question import Given
from mqd.rules.english import English

TRUE = "true"
FALSE = "false"
UNKNOWN = "unknown"


class Judged(NamedTuple):
    """One condition on one bar. `counts` tells whether it stood in the way or acted.

    `truth` is unknown where the condition reads an unknown value: then `on_unknown` decided.
    `changes` are the nearest single changes that turn it, told where turning it matters. `holds`
    says why it stays true whatever it reads now. `would_be` is what it would have said, where
    nobody asked and the record tells.
    """

    code: str
    truth: str
    counts: bool
    when: str
    because: str
    on_unknown: str
    values: tuple[Shown, ...]
    sentence: str = ""
    distances: tuple[Distance, ...] = ()
    changes: tuple[Change, ...] = ()
    holds: str = ""
    would_be: str = ""


class Group(NamedTuple):
    """Conditions of one kind; `not_reached` says why they were not looked at, if they were not."""

    name: str
    title: str
    conditions: tuple[Judged, ...]
    not_reached: str = ""


@dataclass(frozen=True, slots=True)
class Judge:
    """Says how conditions stood. `numbers` are the known values by name, for distances.

    `situation` is what changes are looked for in; None where nothing can be decided again.
    """

    values: RecordedValues
    english: English
    numbers: Mapping[str, Given]
    situation: Situation | None = None
    wanted: frozenset[str] = field(default_factory=frozenset)

    def judged(
        self, conditions: Iterable[Condition], mask: int, *, stands_against: bool = True
    ) -> tuple[Judged, ...]:
        """Each condition with what the record's mask says of it."""
        return tuple(
            self._one(rule, bool(mask >> bit & 1), stands_against=stands_against)
            for bit, rule in enumerate(conditions)
        )

    def _one(self, rule: Condition, is_set: bool, *, stands_against: bool) -> Judged:  # noqa: FBT001  # a bit of the mask
        truth = TRUE if is_set else FALSE
        if self.values.reads_unknown(rule.when):
            truth = UNKNOWN
        in_the_way = stands_against and is_set
        is_wanted = self.situation is not None and rule.code in self.wanted
        return Judged(
            code=rule.code,
            truth=truth,
            counts=is_set,
            when=rule.text,
            because=rule.because,
            on_unknown=rule.on_unknown,
            values=self.values.of(rule.when),
            sentence=self.english.sentence(rule.when),
            distances=distances_of(
                rule.when, self.numbers, self.english, stands_against=in_the_way
            ),
            changes=turning(self.situation, rule) if self.situation and is_wanted else (),
        )


def group_row(group: Group) -> dict[str, Any]:
    """A group for a program; the truth of what nobody looked at is null."""
    is_reached = not group.not_reached
    return {
        "name": group.name,
        "reached": is_reached,
        "conditions": [
            {key: value for key, value in judged._asdict().items() if key != "changes"}
            | {
                "truth": judged.truth if is_reached else None,
                "would_be": judged.would_be or None,
                "values": [shown._asdict() for shown in judged.values],
                "distances": [item._asdict() for item in judged.distances],
                "flips": [change_row(item) for item in judged.changes],
            }
            for judged in group.conditions
        ],
    }


def flips_row(flips: Flips) -> dict[str, Any]:
    """What would have flipped the decision, for a program."""
    return flips._asdict() | {
        "changes": [change_row(item) for item in flips.changes],
        "together": [change_row(item) for item in flips.together],
    }


def change_row(change: Change) -> dict[str, Any]:
    """A change for a program."""
    row = change._asdict()
    del row["nearness"], row["subject"]
    return row | {
        "before": plain(change.before),
        "after": plain(change.after),
        "turned": list(change.turned),
    }


def plain(value: Given) -> float | int | bool | list[int] | None:
    """A value as JSON has it; a window is its two ends in seconds after midnight."""
    return [value.start_s, value.end_s] if isinstance(value, Window) else value
