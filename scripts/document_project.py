"""Write what `spacy project document` says of project.yml into docs/project.md.

The links in that are for a page beside project.yml; here they lead one folder up.
"""

import io
import re
import shutil
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from weasel.cli.document import project_document

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "project.md"
BEGIN = "<!-- WEASEL: AUTO-GENERATED DOCS START (do not remove) -->"
END = "<!-- WEASEL: AUTO-GENERATED DOCS END (do not remove) -->"


def document() -> str:
    """RETURNS (str): The part of the page that is made from project.yml, with its marks."""
    # Whatever looks at a project makes its folders, which are not wanted here.
    with TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(ROOT / "project.yml", folder)
        shutil.copytree(ROOT / "assets", folder / "assets")
        # It would tell where this is.
        with redirect_stdout(io.StringIO()):
            project_document(folder, folder / "made.md")
        made = (folder / "made.md").read_text(encoding="utf8")
    return re.sub(r"\]\((?!https?://)", "](../", made.strip())


def main() -> None:
    """Replace that part of the page."""
    before, rest = PAGE.read_text(encoding="utf8").split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(before + document() + after, encoding="utf8")


if __name__ == "__main__":
    main()
