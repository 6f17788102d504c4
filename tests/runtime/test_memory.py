"""Thirty sessions in one process: what the desk keeps of them is small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

pytest.importorskip("resource", reason="this system does not tell how much memory was used")

ROOT = Path(__file__).resolve().parents[2]
MOMENTUM = "strategies/momentum_following.yaml"
NEW_YORK = ZoneInfo("America/New_York")
FIRST = datetime(2024, 10, 7, 9, 30, tzinfo=NEW_YORK)
SESSIONS = 30
MOST_GROWTH = 1.05

PROGRAM = """
import json, resource, sys
from pathlib import Path
from mqd.app.run import DeskRun, RunPlan
from mqd.app.settings import Settings
from mqd.model.event import BarClosed, SessionClosed
from mqd.rules.validate import rules_from_text
from mqd.runtime.clock import SystemClock

folder = Path(sys.argv[1])
told = dict(peaks=[], bars=0, trades=0)

class Witness:
    def saw(self, event, outcome, state):
        told["bars"] += isinstance(event, BarClosed)
        told["trades"] += len(outcome.trades)
        if isinstance(event, SessionClosed):
            told["peaks"].append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

book = rules_from_text((folder / "rules.json").read_text(encoding="utf-8"))
plan = RunPlan(book, (folder / "bars.csv",), Settings(), f"sqlite:///{folder / 'desk.db'}")
DeskRun(plan, SystemClock()).run([Witness()])
print(json.dumps(told))
"""


def opens() -> Iterator[datetime]:
    """The opens of thirty weekdays without a holiday; the clocks go back among them."""
    found = 0
    while found < SESSIONS:
        opened = FIRST + timedelta(days=found // 5 * 7 + found % 5)
        yield opened
        found += 1


def price(minute: int) -> float:
    """A morning that dips and comes back, and an afternoon."""
    if minute < 30 or minute > 110:
        return 100.0 + (minute % 7) / 100
    return (99.9, 99.6, 99.5, 99.6, 99.9, 100.1, 100.2, 100.1)[minute % 8]


def write_sessions(path: Path) -> None:
    lines = ["symbol,ts,open,high,low,close,volume"]
    for opened in opens():
        for minute in range(390):
            start = (opened + timedelta(minutes=minute)).astimezone(ZoneInfo("UTC"))
            close = price(minute)
            told = f"{close:.2f}," * 4
            lines.append(f"SPY,{start:%Y-%m-%dT%H:%M:%SZ},{told}{100 + minute}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.case(154)
def test_case_154_thirty_sessions_need_no_more_memory_than_one(tmp_path, edited, every_protection):
    """Both strategies, every protection, a journal on disk; as fast as the machine can."""
    edits = {MOMENTUM: {"status: draft": "status: paper"}}
    values = {"max_trades_per_day": "2", "entry_deviation_pct": "0.002"}
    book = edited(edits, values=values, protections=every_protection)
    (tmp_path / "rules.json").write_text(book.canonical, encoding="utf-8")
    write_sessions(tmp_path / "bars.csv")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert (told["bars"], len(told["peaks"])) == (SESSIONS * 390, SESSIONS)
    assert told["trades"] >= SESSIONS
    assert told["peaks"][-1] < told["peaks"][0] * MOST_GROWTH
