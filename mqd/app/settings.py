"""Where the desk runs: a small YAML file in `config/`, read strictly."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, cast

from mqd.brokers.simulated import SimulationSettings
from mqd.ground.errors import SettingsError
from mqd.notify.plan import KINDS, NotifyPlan, read_plan
from mqd.rules.find import shipped
from mqd.rules.load import load_text
from mqd.rules.problems import Problems, did_you_mean
from mqd.rules.tree import Scalar
from mqd.rules.words.facts import PROFILES

DEFAULT = "default"
SIMULATED = "simulated"
ALPACA = "alpaca"
WITH_A_BROKER = frozenset({"practice", "paper", "live"})
_CLOSED = {
    "broker": (SIMULATED, ALPACA),
    "bars": ("iex", "sip"),
    "clock": ("wall", "exchange"),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """One profile. `journal` is the folder under which each run gets its own.

    While the file `kill_file` exists the desk is halted; empty: beside the journal. The rest is
    for a broker's account: which bars (iex or sip), whose time (wall or exchange), the account's
    number and the digest of the rules that were approved for it, and where it is reached. At last
    who is told what, outside, which file shows that the desk lives, and the folder of daily values.
    """

    profile: str = "samples"
    broker: str = "simulated"
    fill: str = "close"
    slippage_bps: str = "0"
    fee_per_share_usd: str = "0"
    reject_every: str = "0"
    journal: str = "var/runs"
    kill_file: str = ""
    bars: str = "iex"
    clock: str = "wall"
    account: str = ""
    approved_rules: str = ""
    trading_url: str = ""
    data_url: str = ""
    trade_stream_url: str = ""
    data_stream_url: str = ""
    notify: str = ""
    notify_about: str = " ".join(KINDS)
    notify_again_after: str = "15m"
    notify_stream_lost_after: str = "2m"
    heartbeat_file: str = ""
    series: str = "var/series"

    @property
    def is_simulated(self) -> bool:
        """Whether nothing outside this process takes part."""
        return self.broker == SIMULATED

    def simulation(self) -> SimulationSettings:
        """The simulated broker's settings.

        Raises:
            SettingsError: a value that the broker cannot use.
        """
        return SimulationSettings(
            fill=cast("Literal['close', 'next-open']", self.fill),
            slippage_bps=exact("slippage_bps", self.slippage_bps),
            fee_per_share_usd=exact("fee_per_share_usd", self.fee_per_share_usd),
            reject_every=_whole("reject_every", self.reject_every),
        )

    def notify_plan(self) -> NotifyPlan:
        """What a person is told, and how often.

        Raises:
            SettingsError: a value that means nothing.
        """
        return read_plan(
            self.notify, self.notify_about, self.notify_again_after, self.notify_stream_lost_after
        )


def exact(name: str, text: str) -> Decimal:
    """A number a user typed, exact.

    Raises:
        SettingsError: not a number in plain digits.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise SettingsError(f"{name}: `{text}` is not a number in plain digits such as 1.5")
    return value


def _whole(name: str, text: str) -> int:
    value = exact(name, text)
    if value != value.to_integral_value():
        raise SettingsError(f"{name}: `{text}` is not a whole number")
    return int(value)


def read_settings(name: str) -> Settings:
    """The settings of a config name (`default`) or file (`my/desk.yaml`).

    A name is looked for in `./config` first, then among the shipped ones.

    Raises:
        SettingsError: no such config, or a key or value in it that means nothing.
    """
    path = _find(name)
    problems = Problems()
    tree = load_text(_text_of(path), str(path), problems)
    if tree is None or problems:
        first = problems.sorted()[0]
        raise SettingsError(f"{path}:{first.place.line}:{first.place.column}: {first.message}")
    known = {field.name for field in dataclasses.fields(Settings)}
    values: dict[str, str] = {}
    for key, value in tree.pairs:
        where = f"{path}:{key.place.line}:{key.place.column}"
        if key.text not in known:
            hint = did_you_mean(key.text, known)
            raise SettingsError(f"{where}: there is no setting `{key.text}`; {hint}")
        if not isinstance(value, Scalar):
            raise SettingsError(f"{where}: `{key.text}` takes one value")
        values[key.text] = value.text
    settings = Settings(**values)
    if settings.profile not in PROFILES:
        hint = did_you_mean(settings.profile, PROFILES)
        raise SettingsError(f"{path}: there is no profile `{settings.profile}`; {hint}")
    for key_name, known_values in _CLOSED.items():
        value = getattr(settings, key_name)
        if value not in known_values:
            hint = did_you_mean(value, known_values)
            raise SettingsError(f"{path}: there is no {key_name} `{value}`; {hint}")
    if settings.is_simulated is (settings.profile in WITH_A_BROKER):
        raise SettingsError(f"{path}: the broker `{settings.broker}` is not for {settings.profile}")
    try:
        settings.simulation()
        settings.notify_plan()
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error
    return settings


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8 text") from error


def _find(name: str) -> Path:
    given = Path(name)
    if given.suffix in {".yaml", ".yml"}:
        if given.is_file():
            return given
        raise SettingsError(f"there is no config file {name}")
    folders = (Path("config"), shipped("config"))
    for folder in folders:
        candidate = folder / f"{name}.yaml"
        if candidate.is_file():
            return candidate
    known = {file.stem for folder in folders for file in folder.glob("*.yaml")}
    raise SettingsError(f"there is no config `{name}`; {did_you_mean(name, known)}")


def rules_folder(given: Path | None) -> Path:
    """The rules to run: the folder given, or `./rules`, or the shipped ones."""
    if given is not None:
        return given
    here = Path("rules")
    return here if here.is_dir() else shipped("rules")
