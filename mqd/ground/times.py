"""Instants are integers: nanoseconds since 1970-01-01 UTC. Durations carry their unit last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NS_PER_S = 1_000_000_000
NS_PER_MS = NS_PER_S // 1_000
NS_PER_MINUTE = 60 * NS_PER_S
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ns(moment: datetime) -> int:
    """Nanoseconds since the epoch of a time-zone aware `moment`.

    Raises:
        ValueError: `moment` has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * NS_PER_S + delta.microseconds * 1_000


def to_datetime(at_ns: int) -> datetime:
    """The UTC datetime of an instant, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=at_ns // 1_000)


def iso_utc(at_ns: int) -> str:
    """ISO-8601 in UTC: 2024-10-07T14:05:00Z, with a fraction only where there is one."""
    moment = to_datetime(at_ns)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    fraction_ns = at_ns % NS_PER_S
    if fraction_ns:
        text += "." + f"{fraction_ns:09d}".rstrip("0")
    return text + "Z"


def parse_iso(text: str) -> int:
    """The instant of an ISO-8601 text with a time zone ('Z' or an offset).

    Raises:
        ValueError: not ISO-8601, or without a time zone.
    """
    return to_ns(datetime.fromisoformat(text))


def clock_text(time_s: int) -> str:
    """Seconds after midnight as a wall-clock time: 36300 -> '10:05', with seconds if any."""
    hours, rest_s = divmod(time_s, 3_600)
    minutes, seconds = divmod(rest_s, 60)
    return f"{hours:02d}:{minutes:02d}" + (f":{seconds:02d}" if seconds else "")
