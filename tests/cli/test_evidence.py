"""`mqd evidence`: what it writes, and the bars that it refuses."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from mqd.feeds.samples import write_samples
from mqd.ground.canonical import digest, encode
from mqd.publish.evidence import certain_records, read_records, record_from_text
from mqd.rules.changes import Changes
from mqd.rules.validate import load_rules
from tests.commands import command as mqd

ROOT = Path(__file__).resolve().parents[2]
BARS = ROOT.parent / "shared/data/bars"
SPRING = BARS / "spy_2024-03-26_2024-06-28.parquet"
JANUARY = BARS / "spy_2025-01-02_2025-01-31.parquet"
NEEDS_BARS = pytest.mark.skipif(not SPRING.is_file(), reason="the real bars are not here")
RULES = str(ROOT / "rules")
ALONE = load_rules(Path(RULES), Changes("vwap_micro_mean_reversion"))


def evidence(
    cwd: Path, bars: Path, *more: str, name: str = "some-days", thesis: str = "TH-001"
) -> tuple[int, str]:
    done = mqd("evidence", thesis, "--bars", str(bars), "--name", name,
               "--rules", RULES, "--out", "evidence", *more, cwd=cwd)  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_the_synthetic_samples_are_no_evidence(tmp_path: Path, suffix: str) -> None:
    bars = tmp_path / f"market{suffix}"
    write_samples(bars)
    code, said = evidence(tmp_path, bars)
    assert code == 2
    assert "synthetic sample sessions" in said
    assert not (tmp_path / "evidence").exists()


def test_a_part_of_the_samples_under_another_name_is_no_evidence(tmp_path: Path) -> None:
    whole = tmp_path / "whole.csv"
    write_samples(whole)
    lines = whole.read_text(encoding="utf-8").splitlines()
    part = tmp_path / "part.csv"
    part.write_text("\n".join([lines[0], *lines[400:500]]) + "\n", encoding="utf-8")
    code, said = evidence(tmp_path, part)
    assert code == 2
    assert "synthetic" in said


def moved(tmp_path: Path) -> Path:
    """Bars of another year with the samples' course: enough to record, and no sample."""
    samples = tmp_path / "samples.csv"
    write_samples(samples)
    bars = tmp_path / "moved.csv"
    text = samples.read_text(encoding="utf-8")
    bars.write_text(text.replace("2024-11-2", "2023-11-2").replace("2024-12-02", "2023-12-04"),
                    encoding="utf-8")  # fmt: skip
    return bars


def test_a_record_says_what_was_run_and_how_to_repeat_it(tmp_path: Path) -> None:
    bars = moved(tmp_path)
    code, said = evidence(tmp_path, bars)
    assert code == 0, said
    (record,) = certain_records(tmp_path / "evidence")
    assert record.trades >= 1
    assert record.wins <= record.trades
    assert (record.files, record.symbol, record.fill) == (1, "SPY", "close")
    assert str(tmp_path) not in record.to_text()
    first = record.to_text()
    assert record.overrides == ()
    assert record.rules_digest == load_rules(Path(RULES)).digest
    assert record.run_digest == ALONE.digest  # what ran is the one strategy that was recorded
    # the command alone, beside the file, gives the same bytes
    again = shlex.split(record.command)
    assert again[0] == "mqd"
    done = mqd(*again[1:], "--rules", RULES, "--out", "again", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again" / record.file_name).read_text(encoding="utf-8") == first


def test_a_draft_gets_evidence_before_it_trades(tmp_path: Path) -> None:
    code, said = evidence(tmp_path, moved(tmp_path), thesis="TH-002")  # of the one that is there
    assert code == 0, said
    (record,) = certain_records(tmp_path / "evidence")
    assert (record.thesis, record.strategy) == ("TH-002", "momentum_following")


def test_another_value_is_part_of_the_record(tmp_path: Path) -> None:
    code, said = evidence(tmp_path, moved(tmp_path), "--set", "stop_loss_pct=0.004",
                          "--slippage-bps", "1.5", "--fill", "next-open")  # fmt: skip
    assert code == 0, said
    (record,) = certain_records(tmp_path / "evidence")
    assert record.overrides == (("stop_loss_pct", "0.004"),)
    assert record.rules_digest == load_rules(Path(RULES)).digest
    assert record.run_digest != ALONE.digest
    assert "--set stop_loss_pct=0.004" in record.command
    assert "--fill next-open --slippage-bps 1.5" in record.command


def test_an_edited_record_is_noticed(tmp_path: Path) -> None:
    evidence(tmp_path, moved(tmp_path))
    (path,) = (tmp_path / "evidence").iterdir()
    body = json.loads(path.read_text(encoding="utf-8"))
    body["pnl_usd"] = "99"
    path.write_text(json.dumps(body), encoding="utf-8")
    records, faults = read_records(tmp_path / "evidence")
    assert not records
    assert "edited" in faults[0]
    done = mqd("docs", "--check", "--rules", RULES, "--out", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 1
    assert "edited" in done.stdout


def test_a_record_whose_numbers_contradict_one_another_is_none() -> None:
    with pytest.raises(ValueError, match="not an evidence record"):
        record_from_text("{}")
    with pytest.raises(ValueError, match=r"Expecting|not an evidence"):
        record_from_text("nothing")


def test_a_new_digest_does_not_make_nonsense_a_record(tmp_path: Path) -> None:
    evidence(tmp_path, moved(tmp_path))
    (path,) = (tmp_path / "evidence").iterdir()
    body = json.loads(path.read_text(encoding="utf-8"))
    body["wins"] = body["trades"] + 1
    body["record_digest"] = digest(
        encode({name: value for name, value in body.items() if name != "record_digest"})
    )
    with pytest.raises(ValueError, match="contradict"):
        record_from_text(json.dumps(body))


def test_the_same_days_do_not_count_twice(tmp_path: Path) -> None:
    bars = moved(tmp_path)
    assert evidence(tmp_path, bars)[0] == 0
    assert evidence(tmp_path, bars)[0] == 0  # the same name: written again
    code, said = evidence(tmp_path, bars, name="other-days")
    assert code == 2
    assert "count twice" in said
    folder = tmp_path / "evidence"
    text = (folder / "TH-001_some-days.json").read_text(encoding="utf-8")
    shutil.rmtree(folder)
    assert evidence(tmp_path, bars, name="other-days")[0] == 0
    (folder / "TH-001_some-days.json").write_text(text, encoding="utf-8")
    assert any("count twice" in fault for fault in read_records(folder)[1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evidence", "TH-009", "--name", "x"], "no thesis `TH-009`"),
        (["evidence", "TH-001", "--name", "../x"], "--name ../x: expected small letters"),
        (["evidence", "TH-001", "--name", "x", "--strategy", "none"], "does not trade on TH-001"),
        (["evidence", "TH-001", "--name", "x", "--set", "stop_loss_pct=9"], "outside its declared"),
    ],
)
def test_what_cannot_be_recorded_is_said_in_one_line(
    tmp_path: Path, words: list[str], said: str
) -> None:
    bars = moved(tmp_path)
    done = mqd(*words, "--bars", str(bars), "--rules", RULES, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@NEEDS_BARS
@pytest.mark.parametrize(
    ("bars", "trades", "wins", "sessions"), [(SPRING, 15, 8, 66), (JANUARY, 5, 2, 20)]
)
def test_real_bars(tmp_path: Path, bars: Path, trades: int, wins: int, sessions: int) -> None:
    code, said = evidence(tmp_path, bars)
    assert code == 0, said
    (record,) = certain_records(tmp_path / "evidence")
    assert (record.trades, record.wins, record.sessions) == (trades, wins, sessions)
    # Stops are looked at on bar closes: every stopped trade of these months lost more than planned.
    assert record.stopped == record.stopped_over_plan > 0
    assert record.mean_of_plan is not None
    assert record.mean_of_plan > 1


@NEEDS_BARS
def test_the_committed_records_are_what_the_command_writes(tmp_path: Path) -> None:
    committed = certain_records(ROOT / "docs/evidence")
    assert committed
    for record in committed:
        words = shlex.split(record.command)[1:]
        place = words.index("--bars") + 1
        words[place] = str(BARS / words[place])
        done = mqd(*words, "--rules", RULES, "--out", "again", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        body = json.loads((tmp_path / "again" / record.file_name).read_text(encoding="utf-8"))
        written = record.to_json()
        digests = {"rules_digest", "run_digest", "record_digest"}  # a change of words changes these
        assert {k: v for k, v in body.items() if k not in digests} == {
            k: v for k, v in written.items() if k not in digests
        }
