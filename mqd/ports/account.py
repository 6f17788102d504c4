"""Whose account, and where it is reached; the secret shows itself nowhere."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Keys:
    """The two halves of a broker's key; neither is ever printed."""

    key_id: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Addresses:
    """The four places of a broker: REST without a version in its path, streams whole."""

    trading_url: str
    data_url: str
    trade_stream_url: str
    data_stream_url: str
