"""What a person is told, how often, and which variables hold the addresses: from the config."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mqd.ground.errors import SettingsError
from mqd.ground.times import NS_PER_S
from mqd.rules.check.values import duration_s
from mqd.rules.problems import did_you_mean

KINDS = {
    "starts": "start and end",
    "halts": "state or button",
    "trips": "protection, breaker or strategy",
    "rejects": "order refused",
    "drift": "differs from the broker",
    "incidents": "incident",
    "invariants": "invariant broken",
    "streams": "stream lost for long",
    "idle": "idle out of the ordinary",
    "summary": "day summary",
}
"""What can be told, and how a message of it is titled."""

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class NotifyPlan:
    """The variables that hold addresses, the kinds that are told, and two durations."""

    variables: tuple[str, ...]
    kinds: frozenset[str]
    again_after_ns: int
    stream_lost_after_ns: int


def read_plan(variables: str, kinds: str, again_after: str, stream_lost_after: str) -> NotifyPlan:
    """The plan that a config's texts make.

    Raises:
        SettingsError: a text that means nothing. One that may be an address is not repeated.
    """
    names = tuple(variables.split())
    if not all(_VARIABLE.fullmatch(name) for name in names):
        raise SettingsError(
            "notify: expected names of environment variables, such as MQD_NOTIFY_URLS;"
            " addresses hold secrets and stay out of a config"
        )
    chosen = frozenset(kinds.split())
    for kind in sorted(chosen - KINDS.keys()):
        raise SettingsError(f"notify_about: there is no `{kind}`; {did_you_mean(kind, KINDS)}")
    return NotifyPlan(
        names,
        chosen,
        _duration_ns("notify_again_after", again_after),
        _duration_ns("notify_stream_lost_after", stream_lost_after),
    )


def _duration_ns(name: str, text: str) -> int:
    seconds = duration_s(text)
    if seconds is None:
        raise SettingsError(f"{name}: `{text}` is no duration such as 30s, 5m or 2h")
    return seconds * NS_PER_S
