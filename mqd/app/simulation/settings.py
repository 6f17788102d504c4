"""What a simulated day is made of: `config/simulation.yaml`, read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mqd.brokers.faults import FAULTS, FaultRates
from mqd.feeds.calendar import EXCHANGE_ZONE
from mqd.ground.errors import SettingsError
from mqd.ground.times import NS_PER_S, to_ns
from mqd.rules.find import shipped
from mqd.rules.load import load_text
from mqd.rules.problems import Problems, did_you_mean
from mqd.rules.tree import Mapping, Node, Scalar

NAME = "simulation.yaml"

_SECTIONS = {
    "session": ("date", "opens", "bars", "calm_bars", "tick"),
    "market": ("price_usd", "noise_cents", "dip_cents"),
    "desk": ("crash_every", "longest_down", "button_every", "resume_every"),
    "faults": FAULTS,
}


@dataclass(frozen=True, slots=True)
class DaySettings:
    """One day's session, market and misfortunes; `opens_ns` is the open of the first session.

    `crash_every` counts points at which the process may end, `button_every` and `resume_every`
    count bars; all three are means, and 0 stands for never.
    """

    date: str
    opens_ns: int
    open_time_s: int
    bars: int
    calm_bars: int
    tick_ns: int
    price_cents: int
    noise_cents: int
    dip_cents: int
    crash_every: int
    longest_down_s: int
    button_every: int
    resume_every: int
    faults: FaultRates


def read_simulation(path: Path | None = None) -> DaySettings:
    """The settings of this file, of `./config/simulation.yaml`, or the shipped ones.

    Raises:
        SettingsError: the file cannot be read, or a key or value in it means nothing.
    """
    here = Path("config") / NAME
    chosen = path or (here if here.is_file() else shipped("config") / NAME)
    try:
        text = chosen.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{chosen}: cannot be read: {error.strerror}") from error
    problems = Problems()
    tree = load_text(text, str(chosen), problems)
    if tree is None or problems:
        first = problems.sorted()[0]
        raise SettingsError(f"{chosen}:{first.place.line}:{first.place.column}: {first.message}")
    return _day(_Values(str(chosen), tree))


class _Values:
    """The scalars of the file, by section and key; every one of them has to be there."""

    def __init__(self, name: str, tree: Mapping) -> None:
        self._name = name
        self._found: dict[tuple[str, str], Scalar] = {}
        for section, node in tree.pairs:
            if section.text not in _SECTIONS:
                self._refuse(section, f"there is no section `{section.text}`", _SECTIONS)
            if not isinstance(node, Mapping):
                raise SettingsError(self._at(section, f"`{section.text}` holds settings"))
            for key, value in node.pairs:
                self._add(section.text, key, value)
        for section_name, keys in _SECTIONS.items():
            for key_name in keys:
                if (section_name, key_name) not in self._found:
                    raise SettingsError(f"{name}: `{section_name}: {key_name}` is missing")

    def _add(self, section: str, key: Scalar, value: Node) -> None:
        if key.text not in _SECTIONS[section]:
            self._refuse(key, f"`{section}` has no setting `{key.text}`", _SECTIONS[section])
        if not isinstance(value, Scalar):
            raise SettingsError(self._at(key, f"`{key.text}` takes one value"))
        self._found[section, key.text] = value

    def _refuse(self, at: Scalar, what: str, known: object) -> None:
        hint = did_you_mean(at.text, set(known))  # type: ignore[call-overload]  # names, in any container
        raise SettingsError(self._at(at, f"{what}; {hint}"))

    def _at(self, scalar: Scalar, message: str) -> str:
        return f"{self._name}:{scalar.place.line}:{scalar.place.column}: {message}"

    def text(self, section: str, key: str) -> str:
        """The value as it is written."""
        return self._found[section, key].text

    def whole(self, section: str, key: str, unit: str = "", least: int = 0) -> int:
        """A whole number from `least`, with its unit if it has one."""
        scalar = self._found[section, key]
        digits = scalar.text.removesuffix(unit)
        if not (digits.isdecimal() and scalar.text.endswith(unit) and int(digits) >= least):
            expected = f"expected a whole number from {least}" + (f", as in 10{unit}" * bool(unit))
            raise SettingsError(self._at(scalar, f"`{key}` is {scalar.text!r}, {expected}"))
        return int(digits)

    def share(self, section: str, key: str) -> float:
        """A share from 0 to 1."""
        scalar = self._found[section, key]
        try:
            value = float(scalar.text)
        except ValueError:
            value = -1.0
        if not 0.0 <= value <= 1.0:
            message = f"`{key}` is {scalar.text!r}, expected a share from 0 to 1"
            raise SettingsError(self._at(scalar, message))
        return value

    def opening(self) -> datetime:
        """The first session's open."""
        date, opens = self.text("session", "date"), self._found["session", "opens"]
        try:
            return datetime.fromisoformat(f"{date}T{opens.text}").replace(tzinfo=EXCHANGE_ZONE)
        except ValueError:
            message = f"`date` and `opens` are {date} and {opens.text}, expected 2024-10-07, 09:45"
            raise SettingsError(self._at(opens, message)) from None


def _day(values: _Values) -> DaySettings:
    opening = values.opening()
    return DaySettings(
        date=opening.date().isoformat(),
        opens_ns=to_ns(opening),
        open_time_s=opening.hour * 3_600 + opening.minute * 60,
        bars=values.whole("session", "bars", least=1),
        calm_bars=values.whole("session", "calm_bars", least=1),
        tick_ns=values.whole("session", "tick", "s", least=1) * NS_PER_S,
        price_cents=values.whole("market", "price_usd", least=1) * 100,
        noise_cents=values.whole("market", "noise_cents"),
        dip_cents=values.whole("market", "dip_cents"),
        crash_every=values.whole("desk", "crash_every"),
        longest_down_s=values.whole("desk", "longest_down", "s"),
        button_every=values.whole("desk", "button_every"),
        resume_every=values.whole("desk", "resume_every"),
        faults=FaultRates(**{name: values.share("faults", name) for name in FAULTS}),
    )
