"""What MkDocs asks while it builds the site: pages that lie elsewhere, and their links.

The README, the reports beside the reference tables and the examples stay where they are and
become pages all the same; each module of the packages gets a page made of its docstrings.
Links are written as they work in the repository, and lead to the page of what they name; a
file that is no page is named without a link.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
TEXTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
REPORTS = sorted((ROOT / "results" / "reference").glob("*/README.md"))
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
PACKAGES = ("plastic", "experiments")

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]*)(#[^)\s]*)?\)")
FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)


def modules() -> list[str]:
    """Dotted names of all modules that have a page."""
    names = []
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            name = ".".join(part for part in parts if part != "__init__")
            if "__main__" not in parts and "checkouts" not in parts:
                names.append(name)
    return names


def made_pages() -> dict[str, str]:
    """Text of each page that is not a file of docs/, by its place in the site."""
    pages = {name: (ROOT / name).read_text(encoding="utf-8") for name in TEXTS}
    for report in REPORTS:
        text = report.read_text(encoding="utf-8")
        pages[f"results/reference/{report.parent.name}/README.md"] = text
    for example in EXAMPLES:
        code = example.read_text(encoding="utf-8")
        pages[f"examples/{example.stem}.md"] = f"# {example.name}\n\n```python\n{code}```\n"
    for notebook in NOTEBOOKS:
        pages[f"examples/{notebook.stem}.md"] = _text_of(notebook)
    for name in modules():
        pages[f"reference/{name}.md"] = f"# {name}\n\n::: {name}\n"
    return pages


def _text_of(notebook: Path) -> str:
    """The cells of a notebook one after another; it keeps no outputs."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    texts = [
        "".join(cell["source"]) if cell["cell_type"] == "markdown"
        else f"```python\n{''.join(cell['source'])}\n```"
        for cell in cells
    ]  # fmt: skip
    return "\n\n".join(texts) + "\n"


def named_pages(nav: object) -> Iterator[str]:
    """Files that a navigation names, whatever it is nested in."""
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from named_pages(part)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages that are made into the navigation, and those of docs/ it does not name."""
    assert config.nav is not None
    named = set(named_pages(config.nav))
    for file in sorted((ROOT / "docs").glob("*.md")):
        if file.name not in named:
            config.nav[1]["Guide"].append(file.name)
    reports = [
        {report.parent.name.capitalize(): f"results/reference/{report.parent.name}/README.md"}
        for report in REPORTS
    ]
    examples = [{file.name: f"examples/{file.stem}.md"} for file in EXAMPLES + NOTEBOOKS]
    config.nav += [{"Examples": examples}, {"Results": reports}, {"Reference": _tree()}]
    return config


def _tree() -> list[dict[str, object]]:
    """The modules in folders: a package of several files is one."""
    groups: dict[str, list[dict[str, str]]] = {}
    for name in modules():
        parts = name.split(".")
        folder = ".".join(parts[:2]) if (ROOT / Path(*parts[:2])).is_dir() else parts[0]
        groups.setdefault(folder, []).append({name: f"reference/{name}.md"})
    return [{folder: pages} for folder, pages in groups.items()]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    for place, text in made_pages().items():
        file = File.generated(config, place, content=text)
        if place == "README.md":
            file.dest_uri = file.url = "index.html"
        files.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead each link to the page of the file that it names."""
    here = page.file.src_uri
    made = here in made_pages()
    # where the text lies in the repository
    folder = posixpath.dirname(here if made else f"docs/{here}")

    def lead(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        place = posixpath.normpath(posixpath.join(folder, target))
        found = next((uri for uri in _uris(place) if files.get_file_from_path(uri)), None)
        if found is None:
            # results are in the repository, and not in a source distribution
            if (ROOT / place).exists() or place.startswith("results/"):
                return text  # a file that is no page
            return match[0]  # MkDocs warns of it
        relative = posixpath.relpath(found, posixpath.dirname(here) or ".")
        return f"[{text}]({relative}{anchor})"

    kept = [block[0] for block in FENCE.finditer(markdown)]
    outside = FENCE.split(markdown)[::2]
    parts = [LINK.sub(lead, part) for part in outside]
    return parts[0] + "".join(a + b for a, b in zip(kept, parts[1:], strict=True))


def _uris(place: str) -> list[str]:
    """Where the page of a file of the repository may be in the site."""
    return [
        place.removeprefix("docs/"),
        place,
        posixpath.join(place, "README.md"),
        place.removesuffix(".py").removesuffix(".ipynb") + ".md",
    ]
