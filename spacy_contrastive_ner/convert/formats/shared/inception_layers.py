"""What the layers of INCEpTION and DKPro are called, and which of them hold no entities."""

from typing import Iterable, List, Optional

NAMED_ENTITY = "de.tudarmstadt.ukp.dkpro.core.api.ner.type."

# Layers of words, sentences, parts of speech, parses, coreference and the document as a whole.
NO_ENTITIES = (
    "uima.",
    "org.apache.uima.",
    "de.tudarmstadt.ukp.dkpro.core.api.segmentation.",
    "de.tudarmstadt.ukp.dkpro.core.api.lexmorph.",
    "de.tudarmstadt.ukp.dkpro.core.api.syntax.",
    "de.tudarmstadt.ukp.dkpro.core.api.metadata.",
    "de.tudarmstadt.ukp.dkpro.core.api.coref.",
    "de.tudarmstadt.ukp.dkpro.core.api.anomaly.",
    "de.tudarmstadt.ukp.dkpro.core.api.transform.",
    "de.tudarmstadt.ukp.dkpro.core.api.frequency.",
    "de.tudarmstadt.ukp.clarin.webanno.",
    "de.tudarmstadt.ukp.inception.",
    "org.dkpro.core.api.xml.",
    "org.dkpro.core.api.pdf.",
)
NO_ENTITIES_SHORT = frozenset(
    (
        "token",
        "sentence",
        "pos",
        "lemma",
        "stem",
        "paragraph",
        "documentannotation",
        "documentmetadata",
        "sourcedocumentinformation",
    )
)

# The features that usually hold the label, the first of them that there is.
LABEL_FEATURES = ("value", "label", "category", "type", "class", "tag")
# What is said about an entity that is not its label.
OTHER_FEATURES = frozenset(("identifier", "id", "uid", "comment", "note", "notes", "order"))


def short(name: str) -> str:
    """RETURNS (str): The last part of the name of a layer."""
    return name.rpartition(".")[2]


def may_hold_entities(name: str) -> bool:
    """RETURNS (bool): Whether a layer may hold entities, by its name."""
    return not name.startswith(NO_ENTITIES) and short(name).lower() not in NO_ENTITIES_SHORT


def label_feature(features: Iterable[str]) -> Optional[str]:
    """RETURNS (Optional[str]): The feature that holds the label, of those there are, in order."""
    there: List[str] = [name for name in features if name]
    for name in LABEL_FEATURES:
        if name in there:
            return name
    return next((name for name in there if name.lower() not in OTHER_FEATURES), None)
