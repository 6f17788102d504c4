"""Rule files as an attacker writes them: answered quickly, with problems, never with an error."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mqd.rules import load
from mqd.rules.find import find_rule_files
from mqd.rules.load import MAX_BYTES, load_text
from mqd.rules.problems import Problems
from mqd.rules.shape import KINDS, check_shape, schema_for
from mqd.rules.tree import walk

SECONDS = 3.0  # ten times what these take; a reading that is quadratic takes minutes
HEADER = "title: A title\nowner: me\nsince: 2026-11-22\nbecause: It is so.\nformat: 1\n"
LOADERS = [getattr(yaml, "CSafeLoader", yaml.SafeLoader), yaml.SafeLoader]


def full(start: str, piece: str, end: str = "") -> str:
    """As many pieces as fit into the largest file that is read."""
    return start + piece * ((MAX_BYTES - len(start) - len(end)) // len(piece.encode())) + end


def laughs() -> str:
    lines = ["a0: &a0 lol"]
    lines += [
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 15)
    ]
    return "\n".join(lines)


BOMBS = {
    "aliases of aliases": laughs(),
    "one anchor, many aliases": full("a: &a 1\nb: [", "*a, ", "]"),
    "flow lists in lists": full("", "["),
    "flow mappings in mappings": full("", "{a: "),
    "block lists in lists": full("", "- "),
    "keys of keys": full("", "? "),
    "colons": full("", ": "),
    "one long plain text": full("a: ", "x"),
    "one long quoted text": full('a: "', "x ", '"'),
    "escapes": full('a: "', "\\x41", '"'),
    "quotes": full("a: '", "''", "'"),
    "many lines, plain": full("a: ", "x\n "),
    "many lines, quoted": full('a: "', "x\n ", '"'),
    "many empty lines, quoted": full('a: "', "\n", '"'),
    "many lines, folded": full("a: >\n", " x\n"),
    "many lines, literal": full("a: |\n", " x\n"),
    "many indents": "a: |\n" + "".join(f"{' ' * width}\n" for width in range(700)),
    "a quote that never ends": full("a: '", "x\n"),
    "many keys": "".join(f"k{number}: 1\n" for number in range(25_000)),
    "one key many times": full("", "a: 1\n"),
    "long keys": "".join(f"{'k' * 900}{number}: 1\n" for number in range(280)),
    "many documents": full("", "---\n"),
    "many directives": full("", "%TAG ! a\n"),
    "many tags": full("a: [", "!!int 1,", "]"),
    "comments": full("", "#\n"),
    "empty lines": full("", "\n"),
    "tabs": full("", "\t"),
    "zeros": full("", "\0"),
    "bidirectional marks": full("a: ", "\u202e"),
    "wide characters": full("a: '", "\U0001f600", "'"),
    "too big": "a: b\n" * MAX_BYTES,
}


@pytest.fixture(autouse=True)
def _only_its_own_garbage() -> Iterator[None]:
    """What thousands of tests before this one left in memory is not walked while it is timed."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_answered_quickly(name: str) -> None:
    problems = Problems()
    started = time.process_time()
    document = load_text(BOMBS[name], "a.yaml", problems)
    if document is not None:
        assert check_shape(document, problems) is None
    assert time.process_time() - started < SECONDS
    assert problems.has_errors()
    assert len(problems) <= load.MAX_PROBLEMS + 1
    # What is told stays readable, however long what it tells about is.
    for problem in problems.sorted():
        assert len(problem.message) + len(problem.hint) < 500


def wide(items: int, lists: int) -> str:
    events = ",".join(f"x{number}" for number in range(items))
    line = f"  - {{id: XX-01, event: [{events}], from: ON, to: ON, because: It is so.}}\n"
    return (
        f"machine: a\n{HEADER}initial: ON\nstates: {{ON: {{means: It runs}}}}\ntransitions:\n"
        + (line * lists)
    )


SHAPE_BOMBS = {
    "many keys": f"strategy: a\n{HEADER}" + "".join(f"k{n}: 1\n" for n in range(9_000)),
    "many items of two types": wide(0, 1).replace("[]", "[" + "{a: b},x," * 4_000 + "]"),
    "many small lists": wide(90, 195),
    "many small lists of lists": wide(0, 195).replace("[]", "[" + "[a, b]," * 30 + "]"),
    "many numbers": f"limits: a\n{HEADER}values:\n"
    + "".join(
        f"  v{n}: {{value: 1, min: 1, max: 2, unit: usd, because: It is so.}}\n" for n in range(200)
    ),
    "a number of many digits": f"limits: a\n{HEADER}values: {{v: {{value: {'9' * 200_000}}}}}\n",
    "underscores": f"limits: a\n{HEADER}values: {{v: {{value: {'1_' * 100_000}}}}}\n",
    "a long unknown value": f"thesis: TH-001\n{HEADER}status: {'ACTIVE' * 40_000}\n",
    "a long unknown key": f"thesis: TH-001\n{HEADER}{'x' * 1_000}: 1\n",
    "a long id": f"thesis: {'x' * 200_000}\n{HEADER}",
}


@pytest.mark.parametrize("name", SHAPE_BOMBS)
def test_a_shape_is_answered_quickly(name: str) -> None:
    schema_for("strategy")
    problems = Problems()
    document = load_text(SHAPE_BOMBS[name], "a.yaml", problems)
    assert document is not None
    started = time.process_time()
    typed = check_shape(document, problems)
    assert time.process_time() - started < SECONDS
    assert (typed is None) == problems.has_errors()
    for problem in problems.sorted():
        assert len(problem.rule) + len(problem.message) + len(problem.hint) < 1_000


ANY_TEXT = st.text(max_size=300)
YAML_TEXT = st.lists(
    st.sampled_from(
        ["a", "b: ", "- ", "\n", "\n  ", " ", "'", '"', "\\", "\\u12", "|", ">", "&a ", "*a ",
         "!t ", "{", "}", "[", "]", ",", "#", "?", ":", "%", "@", "`", "---", "...", "<<: ",
         "\t", "\0", "\r", "\ufeff", "\u2028", "\ud800", "é", "😀"]
    ),
    max_size=40,
).map("".join)  # fmt: skip


@pytest.mark.parametrize("loader", LOADERS, ids=["fastest", "python"])
@settings(deadline=1000, max_examples=200)
@given(text=ANY_TEXT | YAML_TEXT)
@example(text="\ud800")
@example(text='a: "\\UFFFFFFFF"')
@example(text="[&a 1," * 50 + "'")
def test_any_text_is_a_tree_or_problems(loader: type, text: str) -> None:
    problems = Problems()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "_LOADER", loader)
        document = load_text(text, "a.yaml", problems)
    assert (document is None) == problems.has_errors()
    lines = text.split("\n")
    for problem in problems.sorted({"a.yaml": text}):
        assert 1 <= problem.place.line <= len(lines) + 1
        assert problem.to_text()
        assert problem.code in load.CODES
    if document is not None:
        assert all(1 <= node.place.line <= len(lines) for node in walk(document))
        typed = check_shape(document, problems)
        assert (typed is None) == problems.has_errors()


def _words() -> list[str]:
    """The words of every schema, so that a generated document is sometimes nearly right."""
    found = set()

    def collect(schema: object) -> None:
        if isinstance(schema, dict):
            found.update(schema.get("properties", {}))
            found.update(str(value) for key, value in schema.items() if key == "const")
            for value in schema.values():
                collect(value)
        elif isinstance(schema, list):
            for value in schema:
                collect(value)

    for kind in KINDS:
        collect(schema_for(kind))
    return sorted(found)


WORDS = _words()
VALUES = st.sampled_from(
    [*WORDS, "", "1", "-0.5", "1e9", "true", "5m", "10:00-11:30", "limits.a", "2026-11-22", "OL-01",
     "STOP_LOSS", "a b", "0x1"]
)  # fmt: skip
NODES = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*WORDS, "STOP_LOSS", "p"]), inner, max_size=5)
    ),
    max_leaves=20,
)


@settings(deadline=1000, max_examples=300)
@given(
    kind=st.sampled_from(KINDS),
    body=st.dictionaries(st.sampled_from([*WORDS, "x"]), NODES, max_size=8),
)
def test_any_document_of_known_words_is_typed_or_problems(
    kind: str, body: dict[str, object]
) -> None:
    text = yaml.safe_dump({kind: "a", **body}, sort_keys=False).replace("'", "")
    problems = Problems()
    document = load_text(text, "a.yaml", problems)
    if document is not None:
        typed = check_shape(document, problems)
        assert (typed is None) == problems.has_errors()
    for problem in problems.sorted({"a.yaml": text}):
        assert problem.to_text()
        assert problem.source_line or problem.code.startswith("YAML")


def test_a_folder_of_bombs_is_told_file_by_file(tmp_path: Path) -> None:
    for number, text in enumerate(BOMBS.values()):
        (tmp_path / f"{number:02}.yaml").write_text(text, encoding="utf-8", newline="")
    problems = Problems()
    files = find_rule_files(tmp_path, problems)
    assert len(files) + len(problems) == len(BOMBS)
