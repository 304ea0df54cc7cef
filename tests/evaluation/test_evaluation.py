"""What can be imported from the package of scores."""

import subprocess
import sys

import pytest

import spacy_contrastive_ner.evaluation as evaluation


@pytest.mark.parametrize("name", sorted(evaluation.NAMES))
def test_names(name):
    assert getattr(evaluation, name).__name__ == name
    assert name in dir(evaluation)


def test_other_names():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = evaluation.nothing
    with pytest.raises(ImportError):
        from spacy_contrastive_ner.evaluation import nothing  # noqa: F401


def test_pipelines_load_none_of_it():
    """Each `Language` imports the scorer, and with it the package."""
    code = (
        "import sys, spacy, spacy_contrastive_ner.evaluation.scoring; "
        "spacy.blank('en').add_pipe('contrastive_ner'); "
        "print([n for n in ('matplotlib', 'spacy_contrastive_ner.evaluation.analysis') "
        "if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
