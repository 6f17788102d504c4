"""Which files are read as rules, and what is refused before it is opened."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from mqd.ground.errors import SettingsError
from mqd.rules import find
from mqd.rules.find import RuleFile, find_rule_files, shipped, shipped_text
from mqd.rules.load import MAX_BYTES
from mqd.rules.problems import Problem, Problems

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "good.yaml").write_text("a: b\n", encoding="utf-8")
    return folder


def search(root: Path) -> tuple[list[RuleFile], list[Problem]]:
    problems = Problems()
    return find_rule_files(root, problems), problems.sorted()


def refused(root: Path) -> Problem:
    files, problems = search(root)
    assert [file.path.name for file in files] == ["good.yaml"]
    [problem] = problems
    return problem


def test_the_shipped_rules_are_found_in_order() -> None:
    files, problems = search(ROOT / "rules")
    assert not problems
    names = [file.shown for file in files]
    assert names == sorted(names)
    assert (ROOT / "rules/strategies/vwap_micro_mean_reversion.yaml").as_posix() in names


def test_files_are_shown_as_the_user_named_the_folder(root: Path, monkeypatch) -> None:
    (root / "b").mkdir()
    (root / "b" / "x.yaml").write_text("é: 1", encoding="utf-8")
    monkeypatch.chdir(root.parent)
    files, _ = search(Path("./rules"))
    assert [file.shown for file in files] == ["rules/b/x.yaml", "rules/good.yaml"]
    assert files[0] == (Path("rules/b/x.yaml"), "rules/b/x.yaml", "é: 1")
    monkeypatch.chdir(root)
    assert [file.shown for file in search(Path())[0]] == ["b/x.yaml", "good.yaml"]


def test_only_rule_files_are_read(root: Path) -> None:
    for name in ("good.cases.yaml", "notes.md", "x.yaml~", "yaml"):
        (root / name).write_bytes(b"\xff")
    assert [file.path.name for file in search(root)[0]] == ["good.yaml"]


@pytest.mark.parametrize("name", ["x.yml", "x.YAML", "x.cases.yml"])
def test_other_endings_are_told(root: Path, name: str) -> None:
    (root / name).write_text("a: b")
    problem = refused(root)
    assert problem.code == "FILE_YML"
    assert problem.place == ((root / name).as_posix(), 1, 1)
    assert f"{Path(name).stem}.yaml" in problem.hint


def test_a_link_to_a_file_outside_is_refused(root: Path) -> None:
    (root.parent / "outside.yaml").write_text("a: secret")
    (root / "x.yaml").symlink_to(root.parent / "outside.yaml")
    problem = refused(root)
    assert problem.code == "FILE_LEAVES_ROOT"
    assert problem.place == ((root / "x.yaml").as_posix(), 1, 1)


def test_a_link_to_a_folder_outside_is_refused(root: Path) -> None:
    (root.parent / "other").mkdir()
    (root.parent / "other" / "x.yaml").write_text("a: b")
    (root / "sub").symlink_to("../other")
    assert refused(root).code == "FILE_LEAVES_ROOT"


def test_a_sibling_whose_name_starts_like_the_root_is_outside(root: Path) -> None:
    (root.parent / "rules2").mkdir()
    (root.parent / "rules2" / "x.yaml").write_text("a: b")
    (root / "x.yaml").symlink_to("../rules2/x.yaml")
    assert refused(root).code == "FILE_LEAVES_ROOT"


def test_links_inside_the_root_are_fine(root: Path) -> None:
    (root / "sub").mkdir()
    (root / "sub" / "back").symlink_to("..")
    (root / "x.yaml").symlink_to("good.yaml")
    files, problems = search(root)
    assert not problems
    assert [file.path.name for file in files] == ["good.yaml", "x.yaml"]


def test_the_root_itself_may_be_a_link(root: Path) -> None:
    (root.parent / "link").symlink_to("rules")
    files, problems = search(root.parent / "link")
    assert not problems
    assert files[0].shown == (root.parent / "link" / "good.yaml").as_posix()


@pytest.mark.parametrize("target", ["x.yaml", "gone.yaml"])
def test_a_link_that_leads_nowhere_is_unreadable(root: Path, target: str) -> None:
    (root / "x.yaml").symlink_to(target)
    assert refused(root).code == "FILE_UNREADABLE"


def test_a_pipe_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "x.yaml")
    assert refused(root).code == "FILE_NOT_REGULAR"


def test_a_socket_is_not_opened(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "good.yaml").write_text("a: b")
    monkeypatch.chdir(tmp_path)  # a socket's whole path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("x.yaml")
        assert refused(Path()).code == "FILE_NOT_REGULAR"


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [(b"\xff", 1, 1), (b"a: b\nc: \xc3\xa9\xe9x\n", 2, 5), (b"\xef\xbb\xbfab\xff", 1, 3)],
)
def test_bytes_that_are_not_utf8_are_told_with_their_place(
    root: Path, data: bytes, line: int, column: int
) -> None:
    (root / "x.yaml").write_bytes(data)
    problem = refused(root)
    assert problem.code == "FILE_NOT_UTF8"
    assert problem.place == ((root / "x.yaml").as_posix(), line, column)


def test_a_byte_order_mark_is_not_part_of_the_text(root: Path) -> None:
    (root / "good.yaml").write_bytes(b"\xef\xbb\xbfa: b")
    assert [file.text for file in search(root)[0]] == ["a: b"]


def test_a_big_file_is_not_read_whole(root: Path) -> None:
    with (root / "x.yaml").open("wb") as file:
        file.truncate(10 << 30)
    assert refused(root).code == "FILE_TOO_BIG"
    (root / "x.yaml").write_bytes(b"#" * MAX_BYTES)
    assert not search(root)[1]


def test_the_number_of_files_is_capped(root: Path) -> None:
    for number in range(find.MAX_FILES - 1):
        (root / f"{number:04}.yaml").touch()
    assert not search(root)[1]
    (root / "last.yaml").touch()
    files, problems = search(root)
    assert len(files) == find.MAX_FILES
    assert [problem.code for problem in problems] == ["FILE_TOO_MANY"]


def test_the_size_of_all_files_is_capped(root: Path, monkeypatch) -> None:
    monkeypatch.setattr(find, "MAX_TOTAL_BYTES", 10)
    (root / "x.yaml").write_bytes(b"123456")
    assert refused(root).code == "FILE_TOTAL_TOO_BIG"


def test_a_folder_full_of_other_files_is_left_early(root: Path, monkeypatch) -> None:
    monkeypatch.setattr(find, "MAX_ENTRIES", 3)
    for number in range(4):
        (root / f"x{number}").touch()
    assert [problem.code for problem in search(root)[1]] == ["FILE_TOO_MANY"]


@pytest.mark.parametrize("name", ["a\nb.yaml", "a\x1b[31m.yaml", "a\u202eb.yaml"])
def test_a_name_that_does_not_show_is_refused(root: Path, name: str) -> None:
    (root / name).touch()
    problem = refused(root)
    assert problem.code == "FILE_NAME"
    assert problem.place.file.isprintable()


def test_a_name_that_is_no_text_is_refused(root: Path) -> None:
    name = os.fsencode(root) + b"/\xff.yaml"
    try:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
    except OSError:
        pytest.skip("this file system takes only names that are text")
    assert refused(root).place.file.endswith("\\udcff.yaml")


@pytest.mark.parametrize("calls", ["open", "scandir"])
def test_what_may_not_be_read_is_told(root: Path, monkeypatch, calls: str) -> None:
    def forbid(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, calls, forbid)
    files, [problem] = search(root)
    assert not files
    assert problem.code == "FILE_UNREADABLE"
    assert problem.message.endswith("permission denied.")


@pytest.mark.parametrize("name", ["missing", "good.yaml", "a\0b", "x" * 5_000])
def test_a_root_that_is_no_folder_is_one_clear_line(root: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"^no rules folder at `.*`: expected .*$"):
        search(root / name)


def test_a_root_without_rules_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    with pytest.raises(SettingsError, match=r"^the rules folder `.*` holds no \*\.yaml file$"):
        search(tmp_path)


def test_a_root_whose_only_rule_is_refused_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "x.yml").touch()
    assert [problem.code for problem in search(tmp_path)[1]] == ["FILE_YML"]


@pytest.mark.parametrize("name", ["rules", "schemas"])
def test_a_checkout_ships_its_own_folders(name: str) -> None:
    assert shipped(name) == ROOT / name


def test_an_installed_package_ships_its_defaults(tmp_path: Path, monkeypatch) -> None:
    defaults = tmp_path / "mqd" / "_defaults" / "rules"
    defaults.mkdir(parents=True)
    (tmp_path / "rules").mkdir()  # somebody else's, beside the package
    monkeypatch.setattr(find, "__file__", str(tmp_path / "mqd" / "rules" / "find.py"))
    assert shipped("rules") == defaults
    with pytest.raises(SettingsError, match="`schemas` is missing"):
        shipped("schemas")


@pytest.mark.parametrize("name", ["mqd", "..", "docs", ""])
def test_nothing_else_is_shipped(name: str) -> None:
    with pytest.raises(SettingsError):
        shipped(name)


def test_a_shipped_file_is_text_or_one_clear_line() -> None:
    assert shipped_text("schemas", "thesis.schema.json").startswith("{")
    with pytest.raises(SettingsError, match=r"`.*/none\.json`: no such file"):
        shipped_text("schemas", "none.json")
