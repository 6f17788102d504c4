"""What a desk hears before it starts of daily values that it would know nothing of."""

from __future__ import annotations

from pathlib import Path

import pytest

from mqd.app.series import series_warnings
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[2]
HEADER = "date,value\n"


@pytest.fixture(scope="module")
def shipped():
    return load_rules(ROOT / "rules")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "has no value of it"),
        (HEADER, "has no value of it"),
        ("date,level\n2024-10-07,22.64\n", "no column value"),
        (f"{HEADER}2024-10-07,calm\n", "expected a number"),
    ],
)
@pytest.mark.parametrize("profile", ["paper", "live"])
def test_no_value_is_told_with_what_reads_it(shipped, tmp_path, text, said, profile):
    if text is not None:
        (tmp_path / "vix.csv").write_text(text, "utf-8")
    (line,) = series_warnings(shipped, profile, str(tmp_path))
    assert said in line
    assert "MARKET_TOO_WILD, MARKET_UNKNOWN" in line


@pytest.mark.parametrize("profile", ["samples", "practice", "backtest"])
def test_a_rehearsal_goes_without(shipped, tmp_path, profile):
    assert not list(series_warnings(shipped, profile, str(tmp_path)))


@pytest.mark.parametrize("row", ["2024-10-07,calm", "2024-10-06,22.64"])
@pytest.mark.parametrize("profile", ["samples", "practice"])
def test_a_rehearsal_is_told_of_a_wrong_file(shipped, tmp_path, profile, row):
    (tmp_path / "vix.csv").write_text(f"{HEADER}{row}\n", "utf-8")
    (line,) = series_warnings(shipped, profile, str(tmp_path))
    assert "row 2" in line
    assert "MARKET_TOO_WILD, MARKET_UNKNOWN" in line


def test_a_file_with_a_value_is_fine(shipped, tmp_path):
    (tmp_path / "vix.csv").write_text(f"{HEADER}2024-10-07,22.64\n", "utf-8")
    assert not list(series_warnings(shipped, "live", str(tmp_path)))
