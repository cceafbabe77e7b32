"""The documentation site builds without a warning, asks the network for nothing, is searched."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import search_spaces
import tuner

PUBLIC = (search_spaces, tuner)
ROOT = Path(__file__).parents[1]
LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"']?([^\"' >]+)")
SEARCH = """new Promise((done) => {
  const field = document.querySelector("input[name=query]");
  field.focus();
  field.value = "hypervolume";
  field.dispatchEvent(new KeyboardEvent("keyup", { bubbles: true }));
  const found = () => [...document.querySelectorAll(".md-search-result__link")];
  const told = () => found().length && done(found().map((link) => link.pathname));
  const changes = { childList: true, subtree: true };
  new MutationObserver(told).observe(document.querySelector(".md-search-result"), changes);
  setTimeout(() => done([]), 60000);
})"""

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="no MkDocs; `make setup` installs it"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from the pages as they are; a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    ran = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return folder


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    """Every script, style, font and picture of every page is a file of the site."""
    pages = list(site.glob("*.html"))
    assert len(pages) > 15
    for page in pages:
        for address in LOADED.findall(page.read_text(encoding="utf-8")):
            file = address.partition("#")[0].partition("?")[0]
            assert "//" not in file, (page.name, address)
            if page.name != "404.html":
                assert (page.parent / file).exists(), (page.name, address)
    styles = "".join(style.read_text(encoding="utf-8") for style in site.rglob("*.css"))
    assert not re.findall(r"url\([\"']?https?:", styles)


def test_reference_has_docstrings(site: Path) -> None:
    """What is exported stands in the page on Python, with its arguments."""
    page = (site / "reference.html").read_text(encoding="utf-8")
    names = [f"{module.__name__}.{name}" for module in PUBLIC for name in module.__all__]
    for name in (*names, "tuner.Study.resume", "search_spaces.Space.suggest"):
        assert f'id="{name}"' in page, name
    assert "Name of a trainer, a trainer class, an Optuna objective" in page


def test_examples_are_a_page(site: Path) -> None:
    """Every file under examples/ is on its page, where links of other pages lead."""
    page = (site / "examples.html").read_text(encoding="utf-8")
    for path in (ROOT / "examples").iterdir():
        if path.suffix in (".py", ".yaml"):
            assert f'id="{path.name.replace(".", "")}"' in page
    assert 'href="examples.html#csvyaml"' in (site / "course.html").read_text(encoding="utf-8")


@pytest.mark.browser
@pytest.mark.skipif(
    not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    reason="no Chromium on the path; `make browser` installs it",
)
def test_site_is_searched_without_a_server(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened from its files, the site finds words, complains of nothing and asks for no more."""
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "tuner" / "report"))
    chromium: Any = importlib.import_module("chromium")
    with chromium.Chromium(tmp_path) as browser:
        seen = browser.visit((site / "index.html").as_uri(), SEARCH)
    assert f"{site}/report.html" in seen.answer
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith(site.as_uri())] == []
