"""Notes of models: text and nothing else, with the model and the hash of what it was asked."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqd.advice.advisory import AdvisoryStream
from mqd.advice.log import AdviceFile
from mqd.model.advice import LONGEST_NAME, LONGEST_TEXT, advice_of, prompt_hash

HASH = prompt_hash(b"what was asked")
ODD = "\x1b[31mred\x00\r\nnext\u202eesrever\u2028line\ud800"


def test_a_note_keeps_its_model_its_prompt_and_its_words():
    found = advice_of(5, "model-1", HASH, "2024-10-07", "The spread was wide at the open.")
    assert found == (5, "model-1", HASH, "2024-10-07", "The spread was wide at the open.", 0)


@given(st.text(), st.text())
def test_nothing_but_text_is_left_whatever_comes_in(model, text):
    try:
        found = advice_of(0, model, HASH, text, text)
    except ValueError:
        return
    for kept in (found.model, found.subject, found.text):
        assert all(unicodedata.category(sign)[0] != "C" for sign in kept)
        assert "\n" not in kept
    assert len(found.text) <= LONGEST_TEXT
    assert len(found.model) <= LONGEST_NAME
    assert len(found.subject) <= LONGEST_NAME


def test_control_characters_and_size_are_taken_out():
    found = advice_of(0, ODD, HASH, ODD, f"{ODD}{'x' * 10_000}")
    assert found.model == "[31mred next esrever line"
    assert found.text.startswith("[31mred next esrever line")
    assert len(found.text) == LONGEST_TEXT
    assert found.text.endswith("...")


@pytest.mark.parametrize(
    ("at_ns", "model", "prompt", "text"),
    [(0, "", HASH, "a"), (0, "\x00", HASH, "a"), (0, "m", "abc", "a"), (0, "m", HASH, " \n"),
     (-1, "m", HASH, "a"), (0, "m", HASH.upper(), "a")],
)  # fmt: skip
def test_a_note_without_its_source_is_none(at_ns, model, prompt, text):
    with pytest.raises(ValueError):
        advice_of(at_ns, model, prompt, "", text)


def test_the_log_only_grows_and_gives_back_what_it_took(tmp_path):
    log = AdviceFile(tmp_path / "a.jsonl")
    assert list(log.entries()) == []
    for number in range(3):
        before = log.path.read_bytes() if number else b""
        log.append(advice_of(number, "m", HASH, "", f"note {number}"))
        assert log.path.read_bytes().startswith(before)
    assert [each.text for each in log.entries()] == ["note 0", "note 1", "note 2"]
    assert log.path.stat().st_mode & 0o077 == 0


def test_what_somebody_wrote_into_the_file_is_made_plain_or_left_out(tmp_path):
    log = AdviceFile(tmp_path / "a.jsonl")
    whole = {"at_ns": 1, "model": "m\x1b", "prompt_sha256": HASH, "subject": "", "text": "a\x07b",
             "dropped_before": 0}  # fmt: skip
    lines = ["no json", "[]", "{}", json.dumps(whole | {"at_ns": "x"}), json.dumps(whole)]
    log.path.write_text("\n".join(lines), encoding="utf-8")
    (found,) = log.entries()
    assert (found.model, found.text) == ("m", "a b")


def test_the_next_note_says_how_many_were_lost_before_it(tmp_path):
    class Choosy(AdviceFile):
        def append(self, advice) -> None:
            if "lost" in advice.text:
                raise OSError("no")
            super().append(advice)

    log = Choosy(tmp_path / "a.jsonl")
    stream = AdvisoryStream(log)
    for text in ("first", "lost", "lost", "second", "third"):
        stream.put(advice_of(1, "m", HASH, "", text))
    assert stream.close(10) == 2
    assert [(each.text, each.dropped_before) for each in log.entries()] == [
        ("first", 0), ("second", 2), ("third", 0),
    ]  # fmt: skip
    stream.put(advice_of(1, "m", HASH, "", "too late"))
    assert (stream.kept, stream.dropped) == (3, 3)
