"""Strict YAML: what becomes a tree, what is refused, and where exactly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mqd.rules import load
from mqd.rules.load import MAX_BYTES, MAX_DEPTH, MAX_NODES, load_text
from mqd.rules.problems import Problem, Problems
from mqd.rules.tree import Mapping, Scalar, Sequence, at, walk

RULES = Path(__file__).resolve().parents[2] / "rules"
LOADERS = [
    pytest.param(getattr(yaml, "CSafeLoader", yaml.SafeLoader), id="c"),
    pytest.param(yaml.SafeLoader, id="python"),
]


@pytest.fixture(params=LOADERS)
def both_loaders(request, monkeypatch):
    """Systems without the C loader must see the same trees and places."""
    monkeypatch.setattr(load, "_LOADER", request.param)


def loaded(text: str) -> Mapping:
    problems = Problems()
    document = load_text(text, "a.yaml", problems)
    assert document is not None, problems.sorted()
    assert not problems
    return document


def refused(text: str) -> list[Problem]:
    problems = Problems()
    assert load_text(text, "a.yaml", problems) is None
    assert problems.has_errors()
    assert {problem.place.file for problem in problems.sorted()} == {"a.yaml"}
    return problems.sorted()


def scalar(text: str, *path: str | int) -> Scalar:
    node = at(loaded(text), *path)
    assert isinstance(node, Scalar)
    return node


@pytest.mark.parametrize("path", sorted(RULES.rglob("*.yaml")), ids=lambda path: path.name)
@pytest.mark.usefixtures("both_loaders")
def test_the_shipped_rules_load(path: Path) -> None:
    loaded(path.read_text(encoding="utf-8"))


@pytest.mark.usefixtures("both_loaders")
@pytest.mark.parametrize(
    "text", ["ON", "yes", "10:00", "1_000", "0x10", "~", "null", "2026-11-22", "1e3", ".inf", "<"]
)
def test_every_scalar_is_text(text: str) -> None:
    assert scalar(f"key: {text}", "key").text == text


@pytest.mark.usefixtures("both_loaders")
def test_nodes_know_their_places() -> None:
    document = loaded("títle: é x\nlist:\n  - a\n  - {b: 😀, c: d}\n")
    assert document.place == ("a.yaml", 1, 1)
    assert document.key_place("list") == ("a.yaml", 2, 1)
    items = document.get("list")
    assert isinstance(items, Sequence)
    assert [item.place[1:] for item in items.items] == [(3, 5), (4, 5)]
    inner = items.items[1]
    assert isinstance(inner, Mapping)
    assert [(key.text, key.place[1:], value.place[1:]) for key, value in inner.pairs] == [
        ("b", (4, 6), (4, 9)),
        ("c", (4, 12), (4, 15)),
    ]


@pytest.mark.usefixtures("both_loaders")
def test_a_plain_scalar_of_one_line_keeps_no_places() -> None:
    plain = scalar("when: a < b", "when")
    assert plain.places == ()
    assert plain.place_at(4)[1:] == (1, 11)
    assert not plain.quoted


@pytest.mark.usefixtures("both_loaders")
@pytest.mark.parametrize(
    ("text", "value", "places"),
    [
        ("k: 'a''b'", "a'b", [(1, 5), (1, 6), (1, 8)]),
        ('k: "a\\"b"', 'a"b', [(1, 5), (1, 6), (1, 8)]),
        ('k: "\\x41b\\u00e9c"', "Abéc", [(1, 5), (1, 9), (1, 10), (1, 16)]),
        ('k: "\\U0001F600b"', "😀b", [(1, 5), (1, 15)]),
        ('k: "a\\tb\\nc"', "a\tb\nc", [(1, 5), (1, 6), (1, 8), (1, 9), (1, 11)]),
        ("k: a\n  b", "a b", [(1, 4), (1, 5), (2, 3)]),
        ("k: a  \n\n  b", "a\nb", [(1, 4), (2, 1), (3, 3)]),
        ("k: 'a \r\n  b'", "a b", [(1, 5), (1, 8), (2, 3)]),
        ('k: "a\\\n  b"', "ab", [(1, 5), (2, 3)]),
        ('k: "a\\\r\n\n  b"', "a\nb", [(1, 5), (2, 1), (3, 3)]),
        ("k: |\n  ab\n  c\n", "ab\nc\n", [(2, 3), (2, 4), (2, 5), (3, 3), (3, 4)]),
        ("k: >-  # why\n   a\n   b\n", "a b", [(2, 4), (2, 5), (3, 4)]),
        ("k: >\n  a\n\n   b\n  c\n", "a\n\n b\nc\n",
         [(2, 3), (2, 4), (3, 1), (4, 3), (4, 4), (4, 5), (5, 3), (5, 4)]),
        ("k: |2\n   a\n", " a\n", [(2, 3), (2, 4), (2, 5)]),
        ("k: |+\n  a\n\n", "a\n\n", [(2, 3), (2, 4), (3, 1)]),
    ],
)  # fmt: skip
def test_every_character_knows_its_place(
    text: str, value: str, places: list[tuple[int, int]]
) -> None:
    found = scalar(text, "k")
    assert found.text == value
    assert list(found.places) == places
    assert found.place_at(len(value))[1:] == (places[-1][0], places[-1][1] + 1)


@pytest.mark.usefixtures("both_loaders")
def test_quoted_scalars_say_so() -> None:
    assert scalar("k: '1'", "k").quoted
    assert not scalar("k: |\n  1", "k").quoted


SOURCES = st.text(alphabet="ab é😀'\"\\\n\t:#,[]{}|>-+21x", max_size=30)
TEMPLATES = (
    "k: {}",
    'k: "{}"\nz: 1',
    "k: '{}'\nz: 1",
    "q:\n  k: >-\n    {}\nz: 1",
    "q:\n  k: |1\n    {}\nz: 1",
    "q:\n  k: >2+\n    {}\nz: 1",
)


@pytest.mark.parametrize("loader", LOADERS)
@given(source=SOURCES, template=st.sampled_from(TEMPLATES), indent=st.sampled_from(["  ", "    "]))
def test_places_lead_to_what_is_written_there(
    loader: type, source: str, template: str, indent: str
) -> None:
    text = template.format(source.replace("\n", "\n" + indent))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "_LOADER", loader)
        document = load_text(text, "a.yaml", Problems())
    lines = [line + "\n" for line in text.split("\n")]
    for node in walk(document) if document else ():
        if isinstance(node, Scalar) and node.text.strip():
            # Strictly forward: no two characters come from one place.
            assert list(node.places) == sorted(set(node.places))
            for offset, character in enumerate(node.text):
                _, line, column = node.place_at(offset)
                written = lines[line - 1][column - 1]
                assert (
                    written == character
                    or (node.quoted and written in "\\'")
                    or (character == " " and written in "\n\t")
                )


REFUSED = [
    ("a: &x 1", "YAML_ANCHOR", 1, 4),
    ("a: &x {b: c}", "YAML_ANCHOR", 1, 4),
    ("a: &x 'b c'", "YAML_ANCHOR", 1, 4),
    ("a: b\nc: *x", "YAML_ALIAS", 2, 4),
    ("*x : b", "YAML_ALIAS", 1, 1),
    ("a: !!int 1", "YAML_TAG", 1, 4),
    ("a: ! b", "YAML_TAG", 1, 4),
    ("a: !python/object:os.system []", "YAML_TAG", 1, 4),
    ("a: b\n---\nc: d", "YAML_MANY_DOCUMENTS", 2, 1),
    ("%YAML 1.1\n---\na: b", "YAML_DIRECTIVE", 1, 1),
    ("a: 1\nb: 2\na: 3", "YAML_DUPLICATE_KEY", 3, 1),
    ('a: {b: 1, "b": 2}', "YAML_DUPLICATE_KEY", 1, 11),
    ("[a]: b", "YAML_KEY_NOT_A_WORD", 1, 1),
    ("? {a: b}\n: c", "YAML_KEY_NOT_A_WORD", 1, 3),
    ('{"": b}', "YAML_KEY_NOT_A_WORD", 1, 2),
    ('"a\\nb": c', "YAML_KEY_NOT_A_WORD", 1, 1),
    ("a:\n  <<: {b: c}", "YAML_MERGE_KEY", 2, 3),
    ("a:\n\tb: c", "YAML_TAB", 2, 1),
    ("", "YAML_EMPTY", 1, 1),
    ("# only a comment\n", "YAML_EMPTY", 1, 1),
    ("---\n", "YAML_EMPTY", 1, 1),
    ("\n- a", "YAML_TOP_NOT_MAPPING", 2, 1),
    ("some words", "YAML_TOP_NOT_MAPPING", 1, 1),
    ("a: b: c", "YAML_SYNTAX", 1, 5),
    ("a: 'b", "YAML_SYNTAX", 1, 4),
    ("a: [b, c", "YAML_SYNTAX", 1, 4),
    ("a: {b: c", "YAML_SYNTAX", 1, 4),
    ("a: @b", "YAML_SYNTAX", 1, 4),
    ("a:\n  b: c\n d: e", "YAML_SYNTAX", 3, 2),
    ("a: 'x' y", "YAML_SYNTAX", 1, 8),
    ("a: b\x00", "FILE_BAD_CHARACTER", 1, 5),
    ("a: b\nc: d\u202ee", "FILE_BAD_CHARACTER", 2, 5),
    ("a: b\rc: d", "FILE_BAD_CHARACTER", 1, 5),
    ("a: b\u2028c: d", "FILE_BAD_CHARACTER", 1, 5),
    ("\ufeffa: b", "FILE_BAD_CHARACTER", 1, 1),
    ("a: \ud800", "FILE_BAD_CHARACTER", 1, 4),
    ('a: "b\\0"', "FILE_BAD_CHARACTER", 1, 6),
    ('a: "\\u202E"', "FILE_BAD_CHARACTER", 1, 5),
]


@pytest.mark.usefixtures("both_loaders")
@pytest.mark.parametrize(("text", "code", "line", "column"), REFUSED)
def test_what_is_refused_is_refused_at_its_place(
    text: str, code: str, line: int, column: int
) -> None:
    problems = refused(text)
    assert [problem.code for problem in problems] == [code]
    assert problems[0].place[1:] == (line, column)


@pytest.mark.usefixtures("both_loaders")
@pytest.mark.parametrize("escape", ["\\q", "\\uD800", "\\UFFFFFFFF", "\\xZZ"])
def test_a_broken_escape_is_a_problem(escape: str) -> None:
    assert refused(f'a: "{escape}"')[0].code in {"YAML_SYNTAX", "FILE_BAD_CHARACTER"}


@pytest.mark.parametrize(
    "text", ["a: b\r\nc: d\r\n", "a: a\u0301\u4e2d", "a: 'x\ty'", "---\na: b\n"]
)
def test_ordinary_text_passes(text: str) -> None:
    loaded(text)


def test_a_duplicate_key_names_the_first_line() -> None:
    assert refused("a: 1\nb: 2\na: 3")[0].hint == "the first is on line 1"


def test_the_same_key_in_two_mappings_is_fine() -> None:
    loaded("a: {k: 1}\nb: {k: 2}")


def test_all_problems_of_a_file_are_told() -> None:
    codes = [problem.code for problem in refused("a: &x 1\nb: *x\na: !t 2\n<<: 3")]
    assert codes == [
        "YAML_ANCHOR",
        "YAML_ALIAS",
        "YAML_DUPLICATE_KEY",
        "YAML_TAG",
        "YAML_MERGE_KEY",
    ]


def test_depth_is_capped() -> None:
    def nested(depth: int) -> str:
        return "a: " + "[" * (depth - 1) + "]" * (depth - 1)

    loaded(nested(MAX_DEPTH))
    [problem] = refused(nested(MAX_DEPTH + 1))
    assert problem.code == "YAML_TOO_DEEP"
    assert problem.place[1:] == (1, 3 + MAX_DEPTH)


def test_nodes_are_capped() -> None:
    # The document, its key and the list are nodes as well.
    items = MAX_NODES - 3
    loaded("a: [" + "1," * items + "]")
    [problem] = refused("a: [" + "1," * (items + 1) + "]")
    assert problem.code == "YAML_TOO_MANY_NODES"
    assert problem.place[1:] == (1, 5 + 2 * items)


def test_bytes_are_capped_whatever_a_character_takes() -> None:
    loaded("a: " + "é" * ((MAX_BYTES - 3) // 2))
    [problem] = refused("a: " + "é" * ((MAX_BYTES - 3) // 2 + 1))
    assert problem.code == "FILE_TOO_BIG"


def test_problems_are_capped() -> None:
    problems = refused("a: [" + "&a 1," * 500)
    assert len(problems) == load.MAX_PROBLEMS + 1
    assert problems[-1].code == "YAML_TOO_MANY_PROBLEMS"


def test_no_sentence_is_pyyaml_s_own() -> None:
    for text, *_ in REFUSED:
        for problem in refused(text):
            assert not re.search(r"expected <|scanning|token|parsing|found '", problem.message)


def test_every_code_is_declared_and_has_a_case_here() -> None:
    capped = {
        "FILE_TOO_BIG", "YAML_TOO_DEEP", "YAML_TOO_MANY_NODES", "YAML_TOO_MANY_PROBLEMS",
    }  # fmt: skip
    assert {code for _, code, *_ in REFUSED} | capped == set(load.CODES)
