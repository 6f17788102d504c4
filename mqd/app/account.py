"""Which account a desk trades, with which keys and where: from its config and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mqd.app.settings import Settings
from mqd.brokers.practice.settings import PRACTICE_KEYS
from mqd.ground.errors import KeyMismatchError, SettingsError
from mqd.ports.account import Addresses, Keys

KEY_ID = "APCA_API_KEY_ID"
SECRET = "APCA_API_SECRET_KEY"  # noqa: S105  # the name of a variable
LIVE = "MQD_LIVE"
CLOCK = "MQD_CLOCK"
FROM_FILE = "_FILE"

_ADDRESSES = {
    "trading_url": "MQD_ALPACA_TRADING_URL",
    "data_url": "MQD_ALPACA_DATA_URL",
    "trade_stream_url": "MQD_ALPACA_TRADE_STREAM_URL",
    "data_stream_url": "MQD_ALPACA_DATA_STREAM_URL",
}
_SCHEMES = {"trading_url": "http", "data_url": "http"}
_STREAM_SCHEME = "ws"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# Alpaca's own hosts and the first letters of its keys tell play money from real money.
_PAPER_HOST, _LIVE_HOST = "paper-api.alpaca.markets", "api.alpaca.markets"
_PAPER_KEY, _LIVE_KEY = "PK", "AK"


@dataclass(frozen=True, slots=True)
class Account:
    """Keys, addresses, which bars and whose time; `repr` shows no key."""

    keys: Keys
    addresses: Addresses
    profile: str
    bars: str
    is_exchange_time: bool
    number: str = ""


def account_of(settings: Settings, environment: Mapping[str, str]) -> Account:
    """The account that a config and the environment name.

    A key comes from its variable, or from the file that its variable with `_FILE` names.

    Raises:
        SettingsError: a key or an address is missing or cannot be one.
        KeyMismatchError: keys, addresses and profile do not belong together.
    """
    places = {
        name: (environment.get(variable) or getattr(settings, name)).rstrip("/")
        for name, variable in _ADDRESSES.items()
    }
    for name, place in places.items():
        _check_address(name, place)
    addresses = Addresses(**places)
    clock = environment.get(CLOCK, settings.clock)
    if clock not in {"wall", "exchange"}:
        raise SettingsError(f"{CLOCK}={clock}: expected wall or exchange")
    keys = _keys(settings.profile, environment)
    check_together(settings.profile, keys, addresses)
    return Account(
        keys, addresses, settings.profile, settings.bars, clock == "exchange", settings.account
    )


def check_together(profile: str, keys: Keys, addresses: Addresses) -> None:
    """Refuse real keys where play money is meant, and the other way round.

    An address of one's own (a practice exchange, a proxy) says nothing of the money behind it;
    the account's number does, and is looked at when the account answers.

    Raises:
        KeyMismatchError: they do not belong together.
    """
    for place in (addresses.trading_url, addresses.trade_stream_url):
        host = urlsplit(place).hostname or ""
        is_wrong = {
            "live": host == _PAPER_HOST,
            "paper": host == _LIVE_HOST,
            "practice": host not in _LOOPBACK,
        }
        if is_wrong[profile]:
            raise KeyMismatchError(f"the profile {profile} does not trade at {host}")
        kind = keys.key_id[:2]
        if (host, kind) in {(_PAPER_HOST, _LIVE_KEY), (_LIVE_HOST, _PAPER_KEY)}:
            raise KeyMismatchError(f"the key in {KEY_ID} begins with {kind}, and {host} takes none")


def _check_address(name: str, place: str) -> None:
    parts = urlsplit(place)
    scheme = _SCHEMES.get(name, _STREAM_SCHEME)
    if parts.scheme not in {scheme, f"{scheme}s"} or not parts.hostname:
        raise SettingsError(
            f"{_ADDRESSES[name]}: `{place}` is no address; expected {scheme}s://HOST..."
        )
    if parts.scheme == scheme and parts.hostname not in _LOOPBACK:
        raise SettingsError(
            f"{_ADDRESSES[name]}: {place} would carry keys in the clear; expected {scheme}s://"
        )
    if parts.username or parts.password:
        raise SettingsError(f"{_ADDRESSES[name]}: an address holds no user and no password")


def _keys(profile: str, environment: Mapping[str, str]) -> Keys:
    found = [secret_of(name, environment) for name in (KEY_ID, SECRET)]
    if all(found):
        return Keys(*found)
    if profile == "practice" and not any(found):
        return PRACTICE_KEYS
    missing = KEY_ID if not found[0] else SECRET
    raise SettingsError(f"{missing} is not set; {profile} needs it, or {missing}{FROM_FILE}")


def secret_of(name: str, environment: Mapping[str, str]) -> str:
    """What a variable holds, or the file that its name with `_FILE` names; '' for neither.

    Raises:
        SettingsError: the file cannot be read.
    """
    file = environment.get(name + FROM_FILE, "")
    if not file:
        return environment.get(name, "").strip()
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}{FROM_FILE}: {file} cannot be read") from error
