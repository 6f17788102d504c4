"""Whose account: keys, addresses and profile must belong together, and no key is ever shown."""

from __future__ import annotations

import dataclasses

import pytest

from mqd.app.account import account_of
from mqd.app.settings import read_settings
from mqd.ground.errors import KeyMismatchError, SettingsError

PAPER = {"APCA_API_KEY_ID": "PKCANARY0001", "APCA_API_SECRET_KEY": "secret-canary-0002"}
LIVE = {"APCA_API_KEY_ID": "AKCANARY0001", "APCA_API_SECRET_KEY": "secret-canary-0002"}


def test_each_shipped_config_finds_its_account():
    for name, keys in (("practice", {}), ("paper", PAPER), ("live", LIVE)):
        account = account_of(read_settings(name), keys)
        assert account.profile == name
    assert account_of(read_settings("practice"), {}).is_exchange_time
    assert not account_of(read_settings("paper"), PAPER).is_exchange_time


def test_an_address_of_ones_own_replaces_the_config_s():
    own = {**PAPER, "MQD_ALPACA_TRADING_URL": "http://127.0.0.1:9/", "MQD_CLOCK": "exchange"}
    account = account_of(read_settings("paper"), own)
    assert account.addresses.trading_url == "http://127.0.0.1:9"
    assert account.addresses.data_url == "https://data.alpaca.markets"
    assert account.is_exchange_time


@pytest.mark.case(97, 228)
@pytest.mark.parametrize(
    ("config", "environment"),
    [
        ("paper", LIVE),
        ("live", PAPER),
        ("live", {**LIVE, "MQD_ALPACA_TRADING_URL": "https://paper-api.alpaca.markets"}),
        ("paper", {**PAPER, "MQD_ALPACA_TRADING_URL": "https://api.alpaca.markets"}),
        ("paper", {**PAPER, "MQD_ALPACA_TRADE_STREAM_URL": "wss://api.alpaca.markets/stream"}),
        ("practice", {"MQD_ALPACA_TRADING_URL": "https://api.alpaca.markets"}),
    ],
)
def test_keys_and_addresses_of_other_money_are_refused(config, environment):
    with pytest.raises(KeyMismatchError) as refused:
        account_of(read_settings(config), environment)
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "APCA_API_KEY_ID"),
        ({"APCA_API_KEY_ID": "PK1"}, "APCA_API_SECRET_KEY"),
        ({**PAPER, "MQD_ALPACA_DATA_URL": "ftp://somewhere"}, "MQD_ALPACA_DATA_URL"),
        ({**PAPER, "MQD_ALPACA_DATA_URL": "http://elsewhere.example"}, "in the clear"),
        ({**PAPER, "MQD_ALPACA_DATA_URL": "https://me:word@elsewhere.example"}, "no password"),
        ({**PAPER, "MQD_CLOCK": "sundial"}, "MQD_CLOCK"),
        ({"APCA_API_KEY_ID_FILE": "/nowhere/at/all"}, "APCA_API_KEY_ID_FILE"),
    ],
)
def test_what_is_missing_or_wrong_is_named(environment, named):
    with pytest.raises(SettingsError, match=named):
        account_of(read_settings("paper"), environment)


def test_a_key_may_stand_in_a_file(tmp_path):
    for name, value in PAPER.items():
        (tmp_path / name).write_text(f"{value}\n", encoding="utf-8")
    files = {f"{name}_FILE": str(tmp_path / name) for name in PAPER}
    keys = account_of(read_settings("paper"), files).keys
    assert (keys.key_id, keys.secret) == tuple(PAPER.values())


def test_no_key_is_shown():
    account = account_of(read_settings("paper"), PAPER)
    for text in (repr(account), str(account.keys), repr(dataclasses.replace(account, bars="sip"))):
        assert "CANARY" not in text
        assert "canary" not in text
