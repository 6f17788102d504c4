"""Who may come in, and how often: the account's keys and its requests a minute."""

from __future__ import annotations

from collections.abc import Mapping

from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.ports.account import Keys


class Access:
    """The keys of the account; revoked ones open nothing."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.is_revoked = False

    def opens(self, key_id: str, secret: str) -> bool:
        """Whether these are the keys, and they work."""
        return not self.is_revoked and (key_id, secret) == (self._keys.key_id, self._keys.secret)

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether a request's headers carry the keys."""
        return self.opens(
            headers.get("APCA-API-KEY-ID", ""), headers.get("APCA-API-SECRET-KEY", "")
        )


class RateLimit:
    """So many requests a minute for the whole account.

    A minute is over when it is over at the exchange or on the wall, whichever comes first: an
    exchange that stands still, or runs fast, starves nobody.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._minute = (-1, -1)
        self._used = 0
        self._reset_s = 0

    def take(self, now_ns: int, wall_s: float) -> bool:
        """Count one request; False where it is one too many."""
        minute = (now_ns // NS_PER_MINUTE, int(wall_s // 60))
        if minute[0] != self._minute[0] or minute[1] != self._minute[1]:
            self._minute, self._used = minute, 0
        self._used += 1
        self._reset_s = (minute[0] + 1) * 60
        return self._used <= self.most

    def headers(self) -> dict[str, str]:
        """What every answer tells of it; the reset is in seconds since the epoch."""
        return {
            "X-Ratelimit-Limit": str(self.most),
            "X-Ratelimit-Remaining": str(max(0, self.most - self._used)),
            "X-Ratelimit-Reset": str(self._reset_s),
        }

    def pause_s(self, now_ns: int) -> int:
        """How long a client that was refused should wait."""
        return max(1, self._reset_s - now_ns // NS_PER_S)
