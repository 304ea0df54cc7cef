"""The settings of the pipe: defaults, what they can be, and which of them a config overrides."""

import math
from numbers import Real
from typing import Any, Dict, Optional, Sequence

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


# What `pipe.cfg` holds, beside what the config said ("configured").
NAMES = tuple(name for name in DEFAULTS if name not in ("model", "scorer"))


def check_settings(name: str, settings: Dict[str, Any], decoders: Sequence[str]) -> None:
    """Stop if the settings of the pipe cannot be meant, see `ContrastiveNER.__init__`.

    name (str): The name of the component.
    settings (Dict[str, Any]): Its settings, all of them.
    decoders (Sequence[str]): The decoders that the model knows.
    """
    for given in settings:
        if given not in (*NAMES, "configured"):
            raise ValueError(
                f"[{name}] There is no setting {given!r} in cfg: there are {', '.join(NAMES)}."
            )
    for needed in NAMES:
        if needed not in settings:
            raise ValueError(
                f"[{name}] The setting {needed!r} is gone from cfg. Set it, by default to "
                f"{DEFAULTS[needed]!r}."
            )
        problem = _problem_of(needed, settings[needed], decoders)
        if problem:
            raise ValueError(f"[{name}] {problem}")


def _problem_of(name: str, value: Any, decoders: Sequence[str]) -> Optional[str]:
    """RETURNS (Optional[str]): What is wrong with a setting."""
    wrong = None
    if name == "spans_key" and not (isinstance(value, str) and value):
        wrong = "it must be a key for doc.spans"
    elif name == "missing_key" and not (value is None or isinstance(value, str)):
        wrong = "it must be a key of doc.spans, or nothing"
    elif name in ("set_ents", "overwrite_ents") and not isinstance(value, bool):
        wrong = "it must be true or false"
    elif name == "decoder" and value not in decoders:
        wrong = f"it must be one of {', '.join(decoders)}"
    elif name == "max_layers" and not (isinstance(value, int) and 1 <= value <= MAX_LAYERS):
        wrong = f"it must be a number between 1 and {MAX_LAYERS}"
    elif name == "threshold":
        wrong = _problem_of_threshold(value)
        if isinstance(value, dict):
            wrong = "it must be one number for all labels: those of single labels go to thresholds"
    elif name == "thresholds" and not isinstance(value, dict):
        wrong = 'it must have a number for each label, as in {"PER": 0.6}: that of all is threshold'
    elif name == "thresholds":
        for label, number in value.items():
            problem = _problem_of_threshold(number)
            if problem:
                return f"thresholds has {number!r} for {label!r}, but {problem}."
    return wrong and f"{name} is {value!r}, but {wrong}."


def _problem_of_threshold(value: Any) -> Optional[str]:
    if not isinstance(value, Real) or isinstance(value, bool):
        return "it must be a number"
    return None if 0.0 <= float(value) <= 1.0 else "it must lie in [0, 1]"


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
