"""The simulation's settings: read strictly, each mistake told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mqd.app.simulation.settings import DaySettings, read_simulation
from mqd.brokers.faults import FAULTS
from mqd.ground.errors import SettingsError

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "config" / "simulation.yaml"


def changed(folder: Path, old: str, new: str) -> Path:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    path = folder / "simulation.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_shipped_days_want_every_fault(settings: DaySettings) -> None:
    assert settings.bars == 40
    assert all(getattr(settings.faults, fault) > 0 for fault in FAULTS)
    assert settings.open_time_s == 9 * 3_600 + 45 * 60
    assert settings.opens_ns == 1_728_308_700_000_000_000  # 2024-10-07 09:45 in New York


def test_the_shipped_file_is_found_where_the_folder_has_none(
    tmp_path: Path, settings: DaySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_simulation() == settings
    (tmp_path / "config").mkdir()
    changed(tmp_path / "config", "bars: 40", "bars: 30")
    assert read_simulation().bars == 30


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  bars: 40", "  barz: 40", ":5:3: `session` has no setting `barz`"),
        ("  bars: 40", "  bars: many", "`bars` is 'many', expected a whole number from 1"),
        ("  bars: 40", "  bars: 0", "`bars` is '0', expected a whole number from 1"),
        ("  bars: 40 ", "  bars: [40] ", "`bars` takes one value"),
        ("  tick: 10s", "  tick: 10", "`tick` is '10', expected a whole number from 1, as in 10s"),
        ("  opens: 09:45", "  opens: early", "expected 2024-10-07, 09:45"),
        ("  dropped: 0.04", "  dropped: 4", "`dropped` is '4', expected a share from 0 to 1"),
        ("  dropped: 0.04", "  dropped: often", "`dropped` is 'often', expected a share"),
        ("  dropped: 0.04", "  # nothing", "`faults: dropped` is missing"),
        ("faults: ", "falts: ", "there is no section `falts`"),
        ("market:\n", "market: 5\nmarked:\n", "`market` holds settings"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_simulation(changed(tmp_path, old, new))
    assert told in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_simulation(tmp_path / "none.yaml")
