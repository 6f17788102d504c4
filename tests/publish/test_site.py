"""The built site in a real browser: pages open, diagrams render, every link leads somewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PHONE = "<iframe id=page style='width:390px;height:800px' src='{}'></iframe>"
# A page that opens another one in a frame and says how it looks from within.
LOOK = """<!doctype html><title>wait</title>{frame}<script>
const frame = document.getElementById('page');
frame.onload = () => {{
  const page = frame.contentDocument, root = page.documentElement;
  const pictures = [...page.images].map(one => [one.getAttribute('src'), one.naturalWidth]);
  const colour = getComputedStyle(page.querySelector('.wy-nav-content-wrap')).backgroundColor;
  const found = {{wide: root.scrollWidth > root.clientWidth + 1, pictures, colour}};
  document.body.textContent = 'FOUND' + JSON.stringify(found) + 'END';
}};
</script>"""


class _Page(HTMLParser):
    """The links, pictures and anchors of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.targets.append(given["href"])
        if tag == "link" and given.get("rel") == "stylesheet":
            self.fetched.append(given["href"])
        if tag in {"img", "script", "iframe"} and "src" in given:
            self.fetched.append(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    folder = tmp_path_factory.mktemp("built") / "site"
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser on this machine: none of {', '.join(BROWSERS)}")
    return found


@pytest.fixture(scope="module")
def parsed(site) -> dict[Path, _Page]:
    return {path: _Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}


def _dom(browser: str, page: Path, *options: str) -> str:
    shown = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu",
            "--allow-file-access-from-files", "--dump-dom", *options, page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def test_every_link_of_the_site_leads_somewhere(site, parsed) -> None:
    count = 0
    for path, page in parsed.items():
        if path.name == "404.html":
            continue  # its links start at the root of a server
        for target in (*page.targets, *page.fetched):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                assert target in page.targets, f"{path}: {target} is fetched from elsewhere"
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            file = file / "index.html" if file.is_dir() else file
            assert file.is_file(), f"{path.relative_to(site)}: {target}"
            if parts.fragment and file.suffix == ".html":
                anchor = unquote(parts.fragment)
                assert anchor in parsed[file].anchors, f"{path.relative_to(site)}: {target}"
            count += 1
    assert count > 1_000


def test_every_page_can_be_reached_from_the_start(site, parsed) -> None:
    seen: set[Path] = set()
    waiting = [site / "index.html"]
    while waiting:
        path = waiting.pop()
        if path in seen or path not in parsed:
            continue
        seen.add(path)
        for target in parsed[path].targets:
            place = urlsplit(target)
            if not place.scheme and place.path:
                waiting.append((path.parent / unquote(place.path)).resolve())
    pages = {path for path in parsed if path.name not in {"404.html", "search.html"}}
    assert pages <= {path.resolve() for path in seen}


def test_a_browser_draws_every_diagram(book, site, browser) -> None:
    found = _look(browser, site, "EXECUTION_INVARIANTS.html")
    pictures = dict(re.findall(r'\["(diagrams/\w+\.svg)",(\d+)\]', found))
    assert set(pictures) == {f"diagrams/{machine.id}.svg" for machine in book.machines}
    assert all(int(width) > 100 for width in pictures.values())


@pytest.mark.parametrize(
    "page",
    [
        "EXECUTION_INVARIANTS.html", "assumptions.html", "cases.html", "command-line.html",
        "deviations.html", "glossary.html", "index.html", "limits.html", "no-trade.html",
        "proofs.html", "tests.html", "trades.html", "THESIS_REGISTRY.html", "operator.html",
        "rules/orders/checks.yaml.html", "strategies/vwap_micro_mean_reversion.html",
        "strategies/momentum_following.html",
    ],
)  # fmt: skip
def test_a_phone_shows_the_page_without_scrolling_sideways(site, browser, page) -> None:
    assert '"wide":false' in _look(browser, site, page)


def test_the_site_follows_the_readers_dark_setting(site, browser) -> None:
    light = _look(browser, site, "index.html", "--blink-settings=preferredColorScheme=1")
    dark = _look(browser, site, "index.html", "--blink-settings=preferredColorScheme=0")
    assert '"colour":"rgb(252, 252, 252)"' in light
    assert '"colour":"rgb(20, 24, 29)"' in dark


def _look(browser: str, site: Path, page: str, *options: str) -> str:
    look = site / "look.html"
    look.write_text(LOOK.format(frame=PHONE.format(page)), "utf-8")
    try:
        dom = _dom(browser, look, *options)
    finally:
        look.unlink()
    found = re.search(r"FOUND(.*)END", dom.split("</script>")[-1]) or re.search(
        r"<body>FOUND(.*?)END", dom
    )
    assert found, dom[-500:]
    return unescape(found.group(1))
