"""What the site has beside the pages: the files under examples/, as a page that links lead to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

_LANGUAGES = {".py": "python", ".yaml": "yaml"}
_INTRODUCTION = """\
# Examples

The files of the folder `examples`, each with the command that runs it.
"""
_LINK = re.compile(r"\]\(\.\./examples(?:/([\w.-]+))?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of the site, with the page of examples among them."""
    folder = Path(config.docs_dir).parent / "examples"
    text = examples_page(sorted(folder.iterdir()))
    files.append(File.generated(config, "examples.md", content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """The page with its links to files under examples/ leading to the page of examples."""
    return _LINK.sub(lambda link: f"](examples.md{_anchor(link[1])})", markdown)


def examples_page(paths: list[Path]) -> str:
    """Markdown with the text of every example, each under its name."""
    sections = [
        f"## {path.name}\n\n```{_LANGUAGES[path.suffix]}\n{path.read_text(encoding='utf-8')}```\n"
        for path in paths
        if path.suffix in _LANGUAGES
    ]
    return "\n".join([_INTRODUCTION, *sections])


def _anchor(name: str | None) -> str:
    """The place of an example on its page, as Markdown's table of contents names it."""
    return "" if name is None else "#" + re.sub(r"[^\w-]", "", name).lower()
