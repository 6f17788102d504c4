"""The unit and the container file say what the page about them promises."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mqd.app.account import FROM_FILE, KEY_ID, SECRET
from mqd.app.settings import read_settings
from mqd.ground.errors import SettingsError
from mqd.notify.plan import KINDS
from mqd.rules.find import shipped

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "config" / "unattended" / "mqd.service"
LOCK = "requirements-unattended.lock"
CONTAINER = ROOT / "config" / "unattended" / "Containerfile"
PAGE = ROOT / "docs" / "unattended.md"


def _unit() -> dict[str, list[str]]:
    """Section.Key -> its values in order; a line that is none of systemd's forms fails."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if head := re.fullmatch(r"\[(\w+)\]", line):
            section = head[1]
            continue
        setting = re.fullmatch(r"([A-Z]\w+)=(.*)", line)
        assert setting, line
        found.setdefault(f"{section}.{setting[1]}", []).append(setting[2])
    return found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Service.Type", "notify"),
        ("Service.Restart", "on-failure"),
        ("Service.User", "mqd"),
        ("Service.ProtectSystem", "strict"),
        ("Service.ProtectHome", "yes"),
        ("Service.NoNewPrivileges", "yes"),
        ("Service.CapabilityBoundingSet", ""),
        ("Service.LimitCORE", "0"),
        ("Service.UMask", "0077"),
        ("Service.StateDirectory", "mqd"),
        ("Install.WantedBy", "multi-user.target"),
    ],
)
def test_the_unit_is_hardened_and_watched(key, value):
    assert _unit()[key] == [value]


def test_the_watchdog_waits_longer_than_a_sign_of_life_takes():
    (text,) = _unit()["Service.WatchdogSec"]
    seconds = re.fullmatch(r"(\d+)s", text)
    assert seconds
    assert int(seconds[1]) >= 30


def test_every_secret_is_a_credential_and_none_is_in_the_environment():
    unit = _unit()
    credentials = dict(each.split(":") for each in unit["Service.LoadCredential"])
    variables = dict(each.split("=", 1) for each in unit["Service.Environment"])
    assert set(variables) == {
        KEY_ID + FROM_FILE, SECRET + FROM_FILE, "MQD_NOTIFY_URLS" + FROM_FILE,
    }  # fmt: skip
    for place in variables.values():
        assert place.removeprefix("%d/") in credentials


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    text, count = re.subn(r"(?<=ExecStart=)\S+", "/bin/true", UNIT.read_text(encoding="utf-8"))
    assert count == 1
    copy = tmp_path / "mqd.service"
    copy.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [analyze, "verify", str(copy)], capture_output=True, text=True, check=False
    )
    if "Failed to initialize manager" in done.stderr:
        pytest.skip("systemd-analyze cannot work on this machine")
    assert (done.returncode, done.stderr) == (0, "")


def _instructions() -> list[tuple[str, str]]:
    text = CONTAINER.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, " ".join(rest.split())) for word, _, rest in (x.partition(" ") for x in lines)]


def test_the_image_is_slim_and_the_last_user_is_nobody_special():
    instructions = _instructions()
    bases = [rest for word, rest in instructions if word == "FROM"]
    assert len(bases) == 2
    assert all(re.match(r"python:3\.\d+-slim\b", base) for base in bases)
    users = [rest for word, rest in instructions if word == "USER"]
    assert users == ["10001"]
    assert instructions.index(("USER", "10001")) < instructions.index(
        next(each for each in instructions if each[0] == "ENTRYPOINT")
    )


def test_the_image_installs_what_the_lock_names_and_the_wheel():
    (install,) = [r for w, r in _instructions() if w == "RUN" and "pip install" in r]
    first, second = re.findall(r"pip install [^&]*", install)
    for option in (
        "--require-hashes",
        "--only-binary :all:",
        "-r /build/requirements-unattended.lock",
    ):
        assert option in first
    assert "--no-deps --no-index /build/*.whl" in second
    copied = [rest for word, rest in _instructions() if word == "COPY"]
    assert copied == [
        "requirements-unattended.lock dist/*.whl /build/",
        "--from=build /opt/mqd /opt/mqd",
    ]


def test_the_image_can_notify_and_has_else_what_every_desk_has():
    locked = {name: _locked(name) for name in ("requirements.lock", LOCK)}
    assert locked["requirements.lock"].items() <= locked[LOCK].items()
    assert "apprise" in locked[LOCK]
    assert "http" not in (ROOT / LOCK).read_text(encoding="utf-8")


def _locked(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.\[\]-]+)==(\S+)", text, re.MULTILINE))


def test_the_image_holds_no_secret():
    assert not re.search(r"APCA|MQD_NOTIFY|MQD_LIVE", CONTAINER.read_text(encoding="utf-8"))


def test_both_files_are_shipped():
    folder = shipped("config") / "unattended"
    assert {path.name for path in folder.iterdir()} == {UNIT.name, CONTAINER.name}


def test_the_page_names_every_kind_of_message():
    table = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert table == ["notify_about", *KINDS]


def test_the_page_s_settings_are_read(tmp_path):
    (settings,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "desk.yaml"
    path.write_text(settings, encoding="utf-8")
    plan = read_settings(str(path)).notify_plan()
    assert plan.variables == ("MQD_NOTIFY_URLS",)
    assert plan.kinds < KINDS.keys()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("notify_abuot: halts", "did you mean `notify_about`"),
        ("notify_about: hats", "did you mean `halts`"),
        ("notify_again_after: soon", "no duration"),
        ("notify: [A, B]", "takes one value"),
    ],
)
def test_the_settings_are_read_strictly(line, said, tmp_path):
    path = tmp_path / "desk.yaml"
    path.write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=said) as refused:
        read_settings(str(path))
    assert str(path) in str(refused.value)


def test_the_shipped_example_is_one_when_its_comments_are_taken_away(tmp_path):
    text = (ROOT / "config" / "default.yaml").read_text(encoding="utf-8")
    path = tmp_path / "desk.yaml"
    path.write_text(re.sub(r"^# (?=notify|heartbeat)", "", text, flags=re.MULTILINE), "utf-8")
    settings = read_settings(str(path))
    assert settings.notify == "MQD_NOTIFY_URLS"
    assert settings.notify_about == "halts incidents invariants summary"
    assert settings.heartbeat_file == "var/heartbeat"
