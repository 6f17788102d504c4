"""Messages on their way: through apprise to a real server that takes them, fails or is mute."""

from __future__ import annotations

import sys
import time
from threading import Event

import pytest

from mqd.ground.errors import SettingsError, Unavailable
from mqd.notify.notifier import AppriseNotifier
from mqd.notify.post import Patience, Post
from mqd.ports.notifier import Notice

pytest.importorskip("apprise", reason="the extra `notify` is not installed")
LONG_S = 20.0
QUICK = Patience(most_waiting=3, first_pause_s=0.02, longest_pause_s=0.05, kept_for_s=0.2)


def _numbered(count: int) -> list[Notice]:
    return [Notice(f"title {number}", f"text {number}") for number in range(count)]


def _ended(post: Post) -> int:
    post.end()
    return post.wait(LONG_S)


def test_a_message_arrives_as_it_was_written(place_that):
    place = place_that(200)
    post = Post("here", AppriseNotifier(place.address()))
    post.put(Notice("mqd paper: incident", "one <b> & *two*\nthree", "failure"))
    assert _ended(post) == 0
    (message,) = place.messages
    assert message["title"] == "mqd paper: incident"
    assert message["message"] == "one <b> & *two*\nthree"
    assert message["type"] == "failure"


def test_messages_keep_their_order(place_that):
    place = place_that(200)
    post = Post("here", AppriseNotifier(place.address()))
    for notice in _numbered(20):
        post.put(notice)
    assert _ended(post) == 0
    assert [each["title"] for each in place.messages] == [f"title {n}" for n in range(20)]


def test_one_that_is_refused_is_tried_again_and_the_next_says_what_was_lost(place_that):
    place = place_that(500)
    post = Post("here", AppriseNotifier(place.address()), QUICK)
    first, second = _numbered(2)
    post.put(first)
    place.wait_for(lambda: place.tries >= 3)
    until_s = time.monotonic() + LONG_S
    while not post.lost and time.monotonic() < until_s:
        time.sleep(0.01)
    place.status = 200
    post.put(second)
    assert _ended(post) == 1
    (message,) = place.messages
    assert message["title"] == "title 1"
    assert "not delivered before this: 1" in message["message"]


def test_one_that_is_refused_for_a_while_arrives(place_that):
    place = place_that(500)
    post = Post("here", AppriseNotifier(place.address()))
    post.put(Notice("late", "but here"))
    place.wait_for(lambda: place.tries == 1)
    place.status = 200
    assert _ended(post) == 0
    assert place.texts == "late\nbut here"


def test_a_full_queue_drops_the_oldest_and_counts(place_that):
    place = place_that(None)
    post = Post("here", AppriseNotifier(place.address(after="/?rto=15")), QUICK)
    notices = _numbered(8)
    post.put(notices[0])
    place.wait_for(lambda: place.tries == 1)
    for notice in notices[1:]:
        post.put(notice)
    assert post.lost == len(notices) - 1 - QUICK.most_waiting
    place.status = 200
    place.released.set()  # the connection closes without an answer, and the message is tried again
    assert _ended(post) == post.lost
    arrived = [each["title"] for each in place.messages]
    assert arrived == ["title 0", "title 5", "title 6", "title 7"]
    assert "not delivered before this: 4" in place.texts


@pytest.mark.parametrize("how", ["dead", "mute", "500"])
def test_the_end_waits_no_longer_than_it_is_told(how, place_that, dead_address):
    place = place_that({"dead": 200, "mute": None, "500": 500}[how])
    address = dead_address if how == "dead" else place.address(after="/?rto=15")
    post = Post("here", AppriseNotifier(address))
    for notice in _numbered(3):
        post.put(notice)
    post.end()
    assert post.wait(LONG_S if how != "mute" else 0.2) == 3
    assert not place.messages


class Broken:
    """Fails in every way that is not expected; then works."""

    def __init__(self) -> None:
        self.failures = [ValueError("json://user:secret@host"), KeyError(1), Unavailable("no")]
        self.told = Event()

    def tell(self, notice: Notice) -> None:
        if self.failures:
            raise self.failures.pop()
        self.told.set()


def test_a_notifier_that_raises_is_tried_again(capfd):
    notifier = Broken()
    post = Post("here", notifier, QUICK)
    post.put(Notice("a", "b"))
    assert notifier.told.wait(LONG_S)
    assert _ended(post) == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "address", ["nonsense://CANARY", "CANARY", "json://", "discord://CANARY", "json://a,json://b"]
)
def test_an_address_that_apprise_does_not_know_is_not_repeated(address, capfd):
    with pytest.raises(SettingsError) as refused:
        AppriseNotifier(address)
    assert "CANARY" not in repr(refused.value)
    assert capfd.readouterr() == ("", "")


def test_without_apprise_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(SettingsError, match="-m pip install apprise"):
        AppriseNotifier("json://127.0.0.1")
