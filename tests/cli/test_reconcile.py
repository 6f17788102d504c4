"""`mqd reconcile`: the desk against its broker, shown, settled, adopted or refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from mqd.app.operate import Button
from mqd.app.reconcile import Compared, compare_with
from mqd.app.run import start
from mqd.brokers.simulated import SimulatedBroker, SimulationSettings
from mqd.ground.errors import ReconciliationError
from mqd.model.event import BrokerEvent, DeskStarted, SnapshotFailed, SnapshotTaken
from mqd.model.snapshot import HeldPosition
from mqd.runtime.clock import SystemClock
from mqd.runtime.desk import Desk
from mqd.runtime.loop import Loop
from mqd.runtime.recovery import recover
from mqd.store.journal import open_journal
from mqd.store.memory import MemoryJournal

Mqd = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).resolve().parents[2]
SIGNED = ("--by", "ada", "--reason", "bought by hand")


@pytest.fixture
def journal(sample_journal: Path, tmp_path: Path) -> Path:
    """A desk that has run over the samples and stopped."""
    path = tmp_path / "desk.db"
    shutil.copy(sample_journal, path)
    return path


class OddBroker(SimulatedBroker):
    """A simulated broker whose snapshots, after so many, show what somebody else did there."""

    def __init__(
        self, after: int, positions: tuple[HeldPosition, ...] = (), *, fails: bool = False
    ) -> None:
        super().__init__(SimulationSettings())
        self._left = after
        self._positions = positions
        self._fails = fails

    def replies(self) -> Iterator[BrokerEvent]:
        for reply in super().replies():
            if not isinstance(reply, SnapshotTaken):
                yield reply
                continue
            self._left -= 1
            if self._left >= 0:
                yield reply
            elif self._fails:
                yield SnapshotFailed(reply.at_ns, "no connection")
            else:
                yield reply._replace(positions=self._positions)


def held(symbol: str, qty: str) -> HeldPosition:
    return HeldPosition(symbol, Decimal(qty), Decimal(600))


FOUR = tuple(held(symbol, "5") for symbol in ("AAPL", "MSFT", "NVDA", "TSLA"))


def snapshots(path: Path) -> int:
    """How many snapshots the journal asked for."""
    with open_journal(str(path), SystemClock(), write=False) as opened:
        return sum("TakeSnapshot" in (entry.outcome or "") for entry in opened.entries())


def compared(
    path: Path, *positions: HeldPosition, fails: bool = False, adopt: Button | None = None
) -> Compared:
    """The comparison with a broker that holds other positions now; the journal is only read."""
    broker = OddBroker(snapshots(path), positions, fails=fails)
    with open_journal(str(path), SystemClock(), write=False) as opened:
        written = MemoryJournal(keep=False)
        return compare_with(broker, opened, written, SystemClock(), adopt)


def head(mqd: Mqd, path: Path) -> str:
    done = mqd("journal", "verify", "--db", path, "--format", "json")
    found: str = json.loads(done.stdout)["head"]
    return found


def test_a_dry_run_changes_nothing(mqd: Mqd, journal: Path) -> None:
    before = head(mqd, journal)
    done = mqd("reconcile", "--dry-run", "--db", journal)
    assert done.returncode == 0, done.stderr
    assert "would be clean" in done.stdout
    assert "none: orders, fills, positions and cash agree" in done.stdout
    assert head(mqd, journal) == before


def test_comparing_twice_finds_nothing_twice(mqd: Mqd, journal: Path) -> None:
    for _ in range(2):
        done = mqd("reconcile", "--db", journal, "--format", "json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert (found["verdict"], found["differences"]) == ("clean", [])
        assert found["commands"] == []
    assert mqd("journal", "replay", "--db", journal).returncode == 0
    assert mqd("run", "--db", journal).returncode == 0


def test_other_settings_of_the_broker_are_told(mqd: Mqd, journal: Path, tmp_path: Path) -> None:
    (tmp_path / "dear.yaml").write_text("fee_per_share_usd: 1\n", encoding="utf-8")
    done = mqd("reconcile", "--dry-run", "--db", journal, "--config", "dear.yaml")
    assert done.returncode == 2
    assert "the broker's settings, or the bars, are not those of this journal" in done.stderr
    assert done.stderr.count("\n") == 1


def test_adopting_needs_a_name(mqd: Mqd, journal: Path) -> None:
    done = mqd("reconcile", "--adopt", "--db", journal)
    assert done.returncode == 2
    assert "--by: expected a name" in done.stderr


def test_adopting_where_nothing_differs_is_journaled(mqd: Mqd, journal: Path) -> None:
    done = mqd("reconcile", "--adopt", *SIGNED, "--db", journal, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "clean"
    (heard,) = json.loads(mqd("report", "daily", "--db", journal, "--format", "json").stdout)[
        "operator"
    ]
    assert (heard["action"], heard["by"]) == ("adopt", "ada")
    assert json.loads(mqd("status", "--db", journal, "--format", "json").stdout)["is_in_step"]


def test_a_position_that_only_the_broker_has(journal: Path) -> None:
    found = compared(journal, held("AAPL", "5"))
    assert found.verdict is not None
    assert found.verdict.verdict == "mended"
    (drift,) = found.drifts
    assert (drift.kind, drift.subject, drift.local) == ("missing_local", "AAPL", Decimal(0))
    assert (drift.broker, drift.done) == (Decimal(5), "adopt")
    assert found.desk_state == "HALTED", "a person has to look, and exits go on"
    assert [item.error for item in found.incidents] == ["PositionDriftError"]


def test_too_many_differences_refuse_the_start(journal: Path) -> None:
    found = compared(journal, *FOUR)
    assert found.verdict is not None
    assert found.verdict.verdict == "refused"
    assert found.verdict.refusals
    assert {drift.done for drift in found.drifts} == {"refused"}
    assert found.desk_state == "FROZEN"
    assert compared(journal, *FOUR[:3]).desk_state == "HALTED", "three are let pass"


def test_adopting_takes_the_brokers_side_of_a_refused_start(journal: Path) -> None:
    found = compared(journal, *FOUR, adopt=Button("adopt", "", "ada", "bought by hand"))
    assert found.verdict is not None
    assert found.verdict.verdict == "mended"
    assert {drift.done for drift in found.drifts} == {"adopt"}
    assert found.desk_state == "HALTED"


def test_a_broker_that_cannot_be_asked_is_no_empty_broker(journal: Path) -> None:
    found = compared(journal, fails=True)
    assert found.verdict is None
    assert found.unanswered == "no connection"
    assert not found.drifts


def test_a_refused_start_is_an_error_that_says_what_to_do(journal: Path) -> None:
    broker = OddBroker(snapshots(journal), FOUR)
    with open_journal(str(journal), SystemClock(), write=False) as opened:
        recovered = recover(opened, broker)
    assert recovered.engine is not None
    state, digest = recovered.state, recovered.engine.book.digest
    desk = Desk(recovered.engine, state, MemoryJournal(), broker)
    loop = Loop(desk, left_over=recovered.left_over)
    with pytest.raises(ReconciliationError, match=r"mqd reconcile --adopt --by NAME"):
        start(loop, DeskStarted(state.now_ns, digest, state.profile, "test"))


def test_a_running_desk_compares_itself(mqd: Mqd, tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    process = subprocess.Popen(
        [sys.executable, "-m", "mqd", "run", "--db", "desk.db", "--speed", "60"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "opened, until" in line:
                break
        done = mqd("reconcile", "--db", path)
        assert done.returncode == 2
        assert "in use" in done.stderr
        assert mqd("reconcile", "--dry-run", "--db", path).returncode == 0
        adopted = mqd("reconcile", "--adopt", *SIGNED, "--db", path)
        assert adopted.returncode == 0, adopted.stderr
        assert "the next comparison takes the broker's side" in adopted.stdout
    finally:
        process.kill()
        process.communicate(timeout=20)
