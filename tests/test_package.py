"""What a user gets by installing the package."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest
import spacy

import spacy_contrastive_ner

HEAVY = ("torch", "transformers", "spacy_transformers", "matplotlib", "sklearn", "scipy", "cupy")

OURS = [
    (group, entry.name)
    for group in (
        "spacy_factories",
        "spacy_architectures",
        "spacy_scorers",
        "spacy_readers",
        "spacy_batchers",
        "spacy_augmenters",
        "spacy_misc",
        "thinc_layers",
        "thinc_losses",
    )
    for entry in entry_points(group=group)
    if entry.value.startswith("spacy_contrastive_ner")
]


def test_importing_the_package_imports_nothing():
    show = "import sys; print(sorted({name.split('.')[0] for name in sys.modules}))"
    modules = run(f"import spacy_contrastive_ner; {show}")
    assert not any(f"'{name}'" in modules for name in (*HEAVY, "spacy", "numpy"))


SPY = """
import builtins, spacy
real = builtins.__import__
def spy(name, globals=None, *args, **kwargs):
    if str((globals or {}).get("__name__")).startswith("spacy_contrastive_ner"):
        print(name)
    return real(name, globals, *args, **kwargs)
builtins.__import__ = spy
nlp = spacy.blank("en")
nlp.add_pipe("contrastive_ner")
"""


def test_making_a_pipeline_imports_nothing_heavy():
    """spaCy, Thinc and other plug-ins may import what they like; no module of ours does."""
    imported = run(SPY).split()
    assert "numpy" in imported
    assert not [name for name in imported if name.split(".")[0] in HEAVY]


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize("group, name", OURS)
def test_everything_registered_resolves(group, name):
    registry = {
        "spacy_factories": None,
        "spacy_architectures": spacy.registry.architectures,
        "spacy_scorers": spacy.registry.scorers,
        "spacy_readers": spacy.registry.readers,
        "spacy_batchers": spacy.registry.batchers,
        "spacy_augmenters": spacy.registry.augmenters,
        "spacy_misc": spacy.registry.misc,
        "thinc_layers": spacy.registry.layers,
        "thinc_losses": spacy.registry.losses,
    }[group]
    if registry is None:
        assert spacy.blank("en").has_factory(name)
    else:
        assert name.startswith("spacy-contrastive-ner.") and name.endswith(".v1")
        assert callable(registry.get(name))


def test_names_are_there():
    assert {name.split(".")[-2] for _, name in OURS if "." in name} == {
        "MultiHeadTagger",
        "BiEncoder",
        "SubwordTagger",
        "SpanTyper",
        "WordVectors",
        "group_suggester",
        "JointTagger",
        "ContrastiveObjective",
        "TaggingObjective",
        "SumObjective",
        "Judge",
        "scorer",
        "CRF",
        "Memory",
        "FragmentLinker",
        "MlpProjection",
        "GaussianProjection",
        "CrossEntropyDice",
        "SpanContrast",
        "InfoNCE",
        "SupCon",
        "GaussianKL",
        "DistanceLogistic",
        "Corpus",
        "BalancedBatcher",
        "MentionReplacement",
    }


def test_version():
    from importlib.metadata import version

    assert version("spacy-contrastive-ner") == spacy_contrastive_ner.__version__
