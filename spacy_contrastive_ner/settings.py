"""The settings of the pipe: defaults, what they can be, and which of them a config overrides."""

import math
from typing import Any, Dict, Sequence

from thinc.api import Config

from .tracks.layout import MAX_LAYERS

DEFAULT_SPANS_KEY = "sc"

DEFAULT_MODEL = """
[model]
@architectures = "spacy-contrastive-ner.MultiHeadTagger.v1"
heads = "per_label"
hidden_width = 0
dropout = 0.4
loss = null
label_weights = null

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy.MultiHashEmbed.v2"
width = 96
rows = [5000, 1000, 2500, 1000]
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
include_static_vectors = false

[model.tok2vec.encode]
@architectures = "spacy.MaxoutWindowEncoder.v2"
width = ${model.tok2vec.embed.width}
window_size = 1
maxout_pieces = 3
depth = 4

[model.crf]
@layers = "spacy-contrastive-ner.CRF.v1"
transitions = "per_track"

[model.link]
@layers = "spacy-contrastive-ner.FragmentLinker.v1"
hidden_width = 32
max_distance = 20
weight = 1.0
"""

DEFAULTS: Dict[str, Any] = {
    "spans_key": DEFAULT_SPANS_KEY,
    "set_ents": True,
    "overwrite_ents": False,
    "decoder": "posterior",
    "threshold": 0.35,
    "thresholds": {},
    "max_layers": 2,
    "missing_key": None,
    "model": Config().from_str(DEFAULT_MODEL)["model"],
    "scorer": {"@scorers": "spacy-contrastive-ner.scorer.v1"},
}


def check_settings(
    name: str,
    *,
    spans_key: str,
    decoder: str,
    decoders: Sequence[str],
    threshold: float,
    thresholds: Dict[str, float],
    max_layers: int,
) -> None:
    """Stop if a setting of the pipe cannot be meant, see `ContrastiveNER.__init__`.

    name (str): The name of the component.
    decoders (Sequence[str]): The decoders that the model knows.
    """
    if decoder not in decoders:
        raise ValueError(
            f"[{name}] decoder is {decoder!r}, but must be one of {', '.join(decoders)}."
        )
    if not 1 <= max_layers <= MAX_LAYERS:
        raise ValueError(
            f"[{name}] max_layers is {max_layers}, but must lie between 1 and {MAX_LAYERS}."
        )
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"[{name}] threshold is {threshold}, but must lie in [0, 1].")
    for label, value in thresholds.items():
        if not 0.0 <= value <= 1.0:
            raise ValueError(
                f"[{name}] thresholds has {value} for {label!r}, but it must lie in [0, 1]."
            )
    if not spans_key:
        raise ValueError(f"[{name}] spans_key is empty. Name a key for doc.spans.")


def overridden(configured: Dict[str, Any], saved: Dict[str, Any]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The settings of a config that are not those of the config that a
    component was saved with.
    """
    return {
        name: value
        for name, value in configured.items()
        if not _same(value, saved.get(name, value))
    }


def _same(a: Any, b: Any) -> bool:
    """Whether two settings are equal. JSON does not keep the last bit of a float."""
    if isinstance(a, float) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=1e-9)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(value, b[key]) for key, value in a.items())
    return bool(a == b)
