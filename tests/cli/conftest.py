import json
import re

import pytest

from .converting import LABELS, TEXTS


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where commands run, with a.jsonl to be converted."""
    monkeypatch.chdir(tmp_path)
    with open("a.jsonl", "w") as file:
        for i, text in enumerate(TEXTS):
            spans = [{"start": m.start(), "end": m.end(), "label": LABELS[m[0]]}
                     for m in re.finditer("|".join(LABELS), text)]  # fmt: skip
            file.write(json.dumps({"id": f"d{i}", "text": text, "spans": spans}) + "\n")
    return tmp_path
