"""Lets pages of docs/ link to files beside it, when `mkdocs build` makes a site of them.

On GitHub a page links to `../benchmarks/README.md`. MkDocs knows only what is in docs/, so such files are added
to the site, in the folder `repository`, and links are led there.
"""

import posixpath
import re
from pathlib import Path
from typing import Any, Dict, List

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parent.parent
FOLDER = "repository"
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
CODE = re.compile(r"```.*?```", flags=re.DOTALL)

# By the file of the repository, where it is on the site.
_places: Dict[str, str] = {}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that pages link to, and those that these link to."""
    pages = {file.src_uri: f"docs/{file.src_uri}" for file in files.documentation_pages()}
    _places.clear()
    _places.update({f"docs/{file.src_uri}": file.src_uri for file in files})
    todo = list(pages.values())
    while todo:
        source = todo.pop()
        for target in _targets(source):
            if target in _places or not (ROOT / target).is_file():
                continue
            _places[target] = f"{FOLDER}/{target}"
            # Pages that are not in the nav need no warning: they belong to the repository.
            files.append(
                File.generated(
                    config,
                    _places[target],
                    abs_src_path=str(ROOT / target),
                    inclusion=InclusionLevel.NOT_IN_NAV,
                )
            )
            if target.endswith(".md"):
                todo.append(target)
    return files


def on_page_markdown(markdown: str, page: Any, **kwargs: Any) -> str:
    """Lead links to where the files are on the site."""
    place = page.file.src_uri
    source = next(source for source, there in _places.items() if there == place)

    def lead(match: "re.Match[str]") -> str:
        target = _resolve(source, match[1])
        if target not in _places:
            return match[0]
        there = posixpath.relpath(_places[target], posixpath.dirname(place) or ".")
        return f"]({there}{match[2] or ''})"

    return LINK.sub(lead, markdown)


def on_page_content(html: str, **kwargs: Any) -> str:
    """In tables GitHub wants bars in code to be escaped, and MkDocs shows the escape."""
    return html.replace(r"\|", "|")


def _targets(source: str) -> List[str]:
    """RETURNS (List[str]): The files of the repository that one of its pages links to."""
    text = CODE.sub("", (ROOT / source).read_text(encoding="utf8"))
    links = [match[1] for match in LINK.finditer(text)]
    return [_resolve(source, link) for link in links if "://" not in link]


def _resolve(source: str, link: str) -> str:
    """RETURNS (str): The file that a link of a page means. A folder stands for what describes it: the
    README in it, or else in the next folder above."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
    if not (ROOT / target).is_dir():
        return target
    while not (ROOT / target / "README.md").is_file():
        target = posixpath.dirname(target)
    return posixpath.join(target, "README.md")
