"""A button pressed outside is heard by the owner, once, and neither lost nor heard again."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mqd.ground.errors import JournalError, SettingsError, SetupError
from mqd.model.decision import NOTHING
from mqd.model.event import OperatorActed
from mqd.store.journal import JournalLimits, open_journal
from mqd.store.requests import OperatorRequest, put_request, taken_seq

ROOT = Path(__file__).parents[2]
HALT = OperatorRequest("halt", "", "Ada", "die Kurse sehen falsch aus ½", 7)
PRESS = """
import sys
from mqd.store.requests import OperatorRequest, put_request

for number in range(int(sys.argv[2])):
    put_request(sys.argv[1], OperatorRequest("halt", str(number), "Ada", "because", number))
"""
TAKE_AND_DIE = """
import os, sys
from mqd.model.event import OperatorActed
from mqd.runtime.clock import SystemClock
from mqd.store.journal import open_journal

journal = open_journal(sys.argv[1], SystemClock(), write=True)
(waiting,) = journal.waiting_requests()
journal.mark_taken(waiting.id, journal.count() + 1)
journal.append(OperatorActed(1, *waiting.request[:4]))
if sys.argv[2] == "flushed":
    journal.flush()
os.kill(os.getpid(), 9)
"""


def program(text: str, *words: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    return subprocess.Popen([sys.executable, "-c", text, *words], env=environment)


def acted(request: OperatorRequest) -> OperatorActed:
    return OperatorActed(1, *request[:4])


def test_the_owner_hears_a_request_and_takes_it_with_its_event(place, clock):
    with open_journal(place, clock, write=True) as owner:
        assert owner.waiting_requests() == []
        number = put_request(place, HALT)
        (waiting,) = owner.waiting_requests()
        assert waiting == (number, HALT)
        assert taken_seq(place, number) is None
        owner.mark_taken(number, owner.count() + 1)
        assert owner.waiting_requests() == []
        assert taken_seq(place, number) is None  # not before its event is durable
        seq = owner.append(acted(HALT))
        owner.commit(seq, NOTHING)
        assert taken_seq(place, number) == seq
        assert owner.waiting_requests() == []


def test_requests_come_in_the_order_in_which_they_were_left(place, clock):
    open_journal(place, clock, write=True).close()
    left = [HALT._replace(by=str(number)) for number in range(5)]
    numbers = [put_request(place, request) for request in left]
    assert numbers == sorted(set(numbers))
    with open_journal(place, clock, write=True) as owner:
        assert owner.waiting_requests() == list(zip(numbers, left, strict=True))
        owner.mark_taken(numbers[1], owner.append(acted(left[1])))
        owner.commit(1, NOTHING)
        assert [waiting.id for waiting in owner.waiting_requests()] == [
            numbers[0], *numbers[2:],
        ]  # fmt: skip


def test_a_request_can_be_noted_after_its_event(place, clock):
    with open_journal(place, clock, write=True) as owner:
        number = put_request(place, HALT)
        owner.commit(owner.append(acted(HALT)), NOTHING)
        owner.mark_taken(number, 1)
        assert taken_seq(place, number) == 1


@pytest.mark.parametrize("how", ["waiting", "flushed"])
def test_a_button_is_not_lost_when_the_owner_dies_over_it(path, clock, how):
    """An event without its outcome is no event yet, so its request still waits."""
    open_journal(str(path), clock, write=True).close()
    number = put_request(str(path), HALT)
    owner = program(TAKE_AND_DIE, str(path), how)
    assert owner.wait() == -signal.SIGKILL
    with open_journal(str(path), clock, write=True) as next_owner:
        assert [entry.outcome for entry in next_owner.entries()] == [None] * (how == "flushed")
        assert next_owner.waiting_requests() == [(number, HALT)]


def test_presses_from_another_process_while_the_owner_writes(place, clock, facts):
    count = 40
    with open_journal(place, clock, write=True) as owner:
        pressing = program(PRESS, place, str(count))
        heard: list[str] = []
        number = 0
        deadline = time.monotonic() + 60
        while len(heard) < count and time.monotonic() < deadline:
            facts.steps(owner, facts.INTENT, first=number)
            number += 1
            for waiting in owner.waiting_requests():
                owner.mark_taken(waiting.id, owner.append(acted(waiting.request)))
                owner.commit(owner.count(), NOTHING)
                heard.append(waiting.request.strategy)
        assert pressing.wait() == 0
        assert heard == [str(number) for number in range(count)]
        assert owner.waiting_requests() == []


def test_polling_is_cheap(place, clock):
    with open_journal(place, clock, write=True) as owner:
        put_request(place, HALT)
        owner.waiting_requests()
        started = time.perf_counter()
        for _ in range(50):
            assert owner.waiting_requests()
        assert (time.perf_counter() - started) / 50 < 0.02


def test_only_the_owner_takes(place, clock):
    open_journal(place, clock, write=True).close()
    with open_journal(place, clock, write=False) as reader:
        for call in (reader.waiting_requests, lambda: reader.mark_taken(1, 1)):
            with pytest.raises(JournalError, match="read only"):
                call()


def test_a_request_to_a_locked_journal_says_that_it_was_not_left(path, clock):
    open_journal(str(path), clock, write=True).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match=r"was not left .* another program holds it locked"):
        put_request(str(path), HALT, JournalLimits(busy_ms=10))
    other.close()
    assert put_request(str(path), HALT) == 1


def test_an_empty_server_takes_no_request(server):
    with pytest.raises(SettingsError, match="holds no journal yet"):
        put_request(server, HALT)


def test_where_no_request_can_be_left(facts, tmp_path):
    with pytest.raises(SettingsError, match="there is no journal"):
        put_request(str(tmp_path / "none.db"), HALT)
    (tmp_path / "empty.db").touch()
    with pytest.raises(SettingsError, match="holds no journal yet"):
        put_request(str(tmp_path / "empty.db"), HALT)
    facts.version_1(tmp_path / "old.db")
    with pytest.raises(SetupError, match=r"of an older mqd .* takes no requests"):
        put_request(str(tmp_path / "old.db"), HALT)
    (tmp_path / "letter.db").write_text("Dear desk", encoding="utf-8")
    with pytest.raises(SetupError, match="not a journal of mqd"):
        put_request(str(tmp_path / "letter.db"), HALT)


@pytest.mark.parametrize("body", ["[]", "{", '{"action":"halt"}', "7"])
def test_a_request_that_nobody_can_read_is_named(path, clock, body):
    with open_journal(str(path), clock, write=True) as owner:
        other = sqlite3.connect(path)
        other.execute("INSERT INTO operator_requests (body, asked_ns) VALUES (?, 0)", (body,))
        other.commit()
        other.close()
        with pytest.raises(JournalError, match="request 1 cannot be read"):
            owner.waiting_requests()
