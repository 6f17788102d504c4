"""`mqd run` killed with signal 9 at any moment, started again, and killed again, to its end.

MQD_KILLS says how many kills, MQD_RECORD_PROOFS=1 puts the figures into the record of proofs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mqd.feeds.samples import write_samples
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock
from mqd.runtime.replay import replay
from mqd.store.journal import open_journal
from mqd.store.verify import verify

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("MQD_KILLS", "20"))
SEED = 20241125
DRIVER = """
import json, os, random, signal, sqlite3, sys, time
import exchange_calendars, mqd.app.run, mqd.cli.run, mqd.publish.summary, mqd.publish.tally
from mqd.cli import main

bars, folder, kills, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
chance = random.Random(seed)
MOST_ON_ONE_JOURNAL = 7


def started(path):
    # A process like any other, but for the time that its imports would take.
    process = os.fork()
    if process:
        return process
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = ["mqd", "run", "--bars", bars, "--db", path, "--format", "json"]
    try:
        main()
    except SystemExit as end:
        os._exit(int(end.code or 0))
    os._exit(0)


def ended(process):
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def in_session(path):
    if not os.path.exists(path):
        return False
    journal = sqlite3.connect(path)
    asked = "SELECT body FROM journal WHERE body LIKE '[\\"Session%' ORDER BY position DESC LIMIT 1"
    try:
        row = journal.execute(asked).fetchone()
    except sqlite3.OperationalError:  # killed before there was a table
        row = None
    journal.close()
    return row is not None and row[0].startswith('["SessionOpened')


def path_of(number):
    made = os.path.join(folder, str(number))
    os.mkdir(made)
    return os.path.join(made, "desk.db")


before_s = time.monotonic()
assert ended(started(path_of(0))) == 0
whole_s = time.monotonic() - before_s
found = []  # for every journal: how many kills, and how many of them in the midst of a session
while sum(each[0] for each in found) < kills:
    path = path_of(len(found) + 1)
    found.append([0, 0])
    while True:
        process = started(path)
        if found[-1][0] < MOST_ON_ONE_JOURNAL and sum(each[0] for each in found) < kills:
            time.sleep(chance.uniform(0, 0.8 * whole_s))  # most of them before its end
            os.kill(process, signal.SIGKILL)
        code = ended(process)
        if code == 0:
            break
        assert code == -9, code
        found[-1][0] += 1
        found[-1][1] += in_session(path)
print(json.dumps(found))
"""


@pytest.mark.rule("RESTART_CHANGES_NOTHING")
def test_a_process_that_is_killed_at_any_moment(tmp_path, runtime, proofs):
    bars = tmp_path / "bars.csv"
    write_samples(bars)
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(bars), str(tmp_path), str(KILLS), str(SEED)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    kills = json.loads(done.stdout.splitlines()[-1])
    came = [came_to(tmp_path / str(number), runtime) for number in range(len(kills) + 1)]
    assert came[0].trades
    equal = sum(count for (count, _), each in zip(kills, came[1:], strict=True) if each == came[0])
    figures = {
        "kills": sum(count for count, _ in kills),
        "mid_session": sum(inside for _, inside in kills),
        "equal": equal,
        "seed": SEED,
        "rules_digest": load_rules(ROOT / "rules").digest,
    }
    assert figures["kills"] == equal == KILLS
    assert figures["mid_session"] > KILLS / 10
    proofs["kills"] = figures


def came_to(folder: Path, runtime):
    """What the journal in a folder tells; its chain holds, whatever was cut off."""
    with open_journal(str(folder / "desk.db"), SystemClock(), write=False) as journal:
        assert verify(journal).ok
        found = list(replay(journal))
    return runtime.came_to([(item.event, item.outcome) for item in found], found[-1].state)
