"""Whatever happens to messages, the desk decides, remembers and ends as without them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mqd.app.run import DeskRun, RunPlan
from mqd.app.settings import Settings
from mqd.app.watchers import close_watchers, outside_watchers
from mqd.ground.errors import JournalError, SettingsError
from mqd.model.decision import Outcome
from mqd.model.event import Event
from mqd.notify.announcer import Announcer
from mqd.notify.plan import KINDS, NotifyPlan
from mqd.notify.post import Post
from mqd.ports.notifier import Notice
from mqd.rules.validate import load_rules
from mqd.runtime.clock import SystemClock

pytest.importorskip("apprise", reason="the extra `notify` is not installed")
ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {"reject_every": "2", "notify": "MQD_NOTIFY_URLS", "notify_again_after": "0s"}
Pair = tuple[Event, Outcome]


class Kept:
    """A watcher that keeps everything, and the hash of the last state."""

    def __init__(self) -> None:
        self.pairs: list[Pair] = []
        self.state = ""

    def saw(self, event: Event, outcome: Outcome, state: Any) -> None:
        self.pairs.append((event, outcome))
        self.state = state.hash() if type(event).__name__ == "SessionClosed" else self.state


@pytest.fixture
def ran(tmp_path: Path) -> Callable[..., Kept]:
    """Runs the samples with more watchers; what the desk took and decided."""

    def run(*watchers: Any) -> Kept:
        url = f"sqlite:///{tmp_path / f'{time.monotonic_ns()}.db'}"
        plan = RunPlan(load_rules(ROOT / "rules"), (), Settings(**SETTINGS), url)
        kept = Kept()
        DeskRun(plan, SystemClock()).run((*watchers, kept))
        return kept

    return run


def _outside(address: str, **settings: str) -> tuple[Any, ...]:
    made = Settings(**{**SETTINGS, **settings})
    return outside_watchers(made, {"MQD_NOTIFY_URLS": address}, SystemClock())


def test_with_every_kind_of_place_the_desk_does_the_same(ran, place_that, dead_address):
    alone = ran()
    assert alone.pairs
    fine, refusing, mute = place_that(200), place_that(500), place_that(None)
    addresses = [
        fine.address(),
        dead_address,
        refusing.address(),
        mute.address(after="/?rto=15"),
    ]
    watchers = _outside("\n".join(addresses))
    with_them = ran(*watchers)
    assert mute.tries <= 1, "nobody waited for the one that never answers"
    assert (with_them.pairs, with_them.state) == (alone.pairs, alone.state)
    fine.wait_for(lambda: "session of 2024-12-02" in fine.texts)
    lines = close_watchers(watchers, KeyboardInterrupt())
    assert [line.rpartition(" delivered to ")[2] for line in lines] == [
        f"address {number} of MQD_NOTIFY_URLS" for number in (2, 3, 4)
    ]
    assert "SIMULATED_REJECT" in fine.texts


class Raising:
    """A notifier that fails in its own way each time."""

    def tell(self, notice: Notice) -> None:
        raise RuntimeError(notice.text)


def test_a_notifier_that_raises_changes_nothing(ran):
    plan = NotifyPlan(("X",), frozenset(KINDS), 0, 0)
    announcer = Announcer(plan, (Post("here", Raising()),), str)
    assert ran(announcer).pairs == ran().pairs
    (line,) = close_watchers([announcer])
    assert "not delivered to here" in line


def test_the_error_that_ends_a_desk_is_told_and_its_secrets_are_not(place_that):
    place = place_that(200)
    for error in (JournalError("the disk is full"), ValueError("CANARY")):
        assert close_watchers(_outside(place.address()), error) == ()
    assert "the desk has ended: the disk is full" in place.texts
    assert "the desk has ended: ValueError" in place.texts
    assert "CANARY" not in place.texts


def test_nobody_watches_where_nothing_is_asked_for():
    assert outside_watchers(Settings(), {}, SystemClock()) == ()


def test_a_heartbeat_and_a_supervisor_are_made_where_they_are_asked_for(tmp_path):
    beat = tmp_path / "beat"
    settings = Settings(heartbeat_file=str(beat))
    names = {"NOTIFY_SOCKET": str(tmp_path / "socket")}
    assert len(outside_watchers(settings, names, SystemClock())) == 2
    assert beat.exists()


def test_addresses_may_stand_in_a_file(tmp_path, place_that):
    place = place_that(200)
    file = tmp_path / "urls"
    file.write_text(f"{place.address()}\n", encoding="utf-8")
    watchers = outside_watchers(
        Settings(notify="MQD_NOTIFY_URLS"), {"MQD_NOTIFY_URLS_FILE": str(file)}, SystemClock()
    )
    assert close_watchers(watchers, JournalError("full")) == ()
    assert "full" in place.texts


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "MQD_NOTIFY_URLS is not set"),
        ({"MQD_NOTIFY_URLS": " \n"}, "MQD_NOTIFY_URLS is not set"),
        (
            {"MQD_NOTIFY_URLS": "json://127.0.0.1 nonsense://CANARY"},
            "address 2 of MQD_NOTIFY_URLS: apprise knows no such address",
        ),
        ({"MQD_NOTIFY_URLS_FILE": "/nowhere/at/all"}, "MQD_NOTIFY_URLS_FILE"),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_not_repeated(environment, said):
    with pytest.raises(SettingsError, match=said) as refused:
        outside_watchers(Settings(notify="MQD_NOTIFY_URLS"), environment, SystemClock())
    assert "CANARY" not in repr(refused.value)
