"""The encoder that both stages mean: which one it is, and whether a file of weights fits it."""

from pathlib import Path
from typing import Any, Dict, Optional
from weakref import WeakSet

import srsly
from spacy.language import Language
from spacy.training.pretrain import get_tok2vec_ref
from thinc.api import Model

# The models of pretraining that there are, by which a reader knows that it reads for one of them.
PRETRAINED: "WeakSet[Model]" = WeakSet()

SAME = (
    "component and layer in [pretraining] and all settings of the encoder must be those of stage 1, "
    "which are in the config.cfg beside the weights"
)

# What layers read, which no shape of their weights tells.
READ = {"columns", "column"}

# So much of the name of a layer is told.
SHOWN = 40


def require_encoder(nlp: Language, pretraining: Dict[str, Any]) -> None:
    """Stop if there is no such layer to pretrain, or if it only listens to the encoder: the weights
    would be those of the encoder, but `spacy train` would load them into the listener.

    nlp (Language): The pipeline.
    pretraining (Dict[str, Any]): The block [pretraining].
    """
    name, layer = pretraining["component"], pretraining["layer"]
    if name not in nlp.component_names:
        raise ValueError(
            f"[pretraining] component is {name!r}, but the pipeline has "
            f"{', '.join(nlp.component_names) or 'no components'}."
        )
    model = getattr(nlp.get_pipe(name), "model", None)
    if not isinstance(model, Model):
        raise ValueError(f"[pretraining] component is {name!r}, which has no model.")
    if layer and layer not in model.ref_names:
        raise ValueError(
            f"[pretraining] layer is {layer!r}, but the model of {name!r} has "
            f"{', '.join(sorted(model.ref_names)) or 'no layers with names'}. Write "
            'layer = "tok2vec" for the encoder inside a pipe, or layer = "" for the whole '
            "model of a tok2vec or transformer."
        )
    found = get_tok2vec_ref(nlp, pretraining)
    inner = found if layer or "tok2vec" not in found.ref_names else found.get_ref("tok2vec")
    require_no_listener(inner)
    require_encoder_only(found, name)


def require_no_source(
    nlp: Language, pretraining: Dict[str, Any], components: Dict[str, Any]
) -> None:
    """Stop if the encoder is that of a trained pipeline, and pretraining would draw its weights anew,
    as that initialises it. A transformer that is there keeps its own.

    nlp (Language): The pipeline.
    pretraining (Dict[str, Any]): The block [pretraining].
    components (Dict[str, Any]): The block [components], as which it was loaded.
    """
    name = pretraining["component"]
    source = components[name].get("source")
    nodes = get_tok2vec_ref(nlp, pretraining).walk()
    if source and not any(node.attrs.get("has_transformer") for node in nodes):
        raise ValueError(
            f"[components.{name}] has source = {str(source)!r}, but stage 1 begins with weights of its own, "
            "not with those. Pretrain with the config that pipeline was trained with, and train it from the "
            "result, before another is trained from it."
        )


def require_encoder_only(model: Model, name: str) -> None:
    """Stop if a model is a whole pipe with an encoder inside.

    model (Model): What is to be pretrained.
    name (str): What the pipe is called, for the error.
    """
    if "tok2vec" in model.ref_names:
        raise ValueError(
            f"[pretraining] layer is empty, so the whole model of {_short(name)!r} would be pretrained. "
            'Write layer = "tok2vec" for the encoder inside it.'
        )


def require_no_listener(encoder: Model) -> None:
    """Stop if the encoder is not one but listens to one.

    encoder (Model): The encoder.
    """
    for node in encoder.walk():
        kind, upstream = type(node).__name__, getattr(node, "upstream_name", None)
        if kind.endswith("Listener"):
            default = "tok2vec" if kind.startswith("Tok2Vec") else "transformer"
            name = upstream if isinstance(upstream, str) and upstream != "*" else default
            raise ValueError(
                f"[pretraining] The layer to pretrain is a {kind}: it only passes on what the "
                f'component {name!r} computes. Write component = "{name}" and layer = "" in '
                "[pretraining], so that `spacy pretrain` and `spacy train` both mean the encoder "
                "itself."
            )


def require_encoder_while_pretrained(nlp: Language) -> None:
    """Stop if a pipeline is being pretrained, but [pretraining] names a listener. `spacy pretrain`
    puts the encoder in its place and tells nobody, but `spacy train` does not.

    nlp (Language): The pipeline.
    """
    encoders = [model.get_ref("tok2vec") for model in PRETRAINED]
    mine = [getattr(nlp.get_pipe(name), "model", None) for name in nlp.component_names]
    pretraining = nlp.config.get("pretraining")
    if pretraining and any(each is other for each in encoders for other in mine):
        require_encoder(nlp, pretraining)


def require_fitting_weights(name: str, nlp: Optional[Language]) -> None:
    """Stop if the weights of stage 1 cannot be read into the encoder of a pipe, which spaCy does
    once all pipes are initialised.

    name (str): The name of the pipe, which is initialised.
    nlp (Optional[Language]): The pipeline, if it is known.
    """
    if nlp is None:
        return
    config = nlp.config.interpolate()
    weights = config.get("initialize", {}).get("init_tok2vec")
    pretraining = config.get("pretraining")
    if weights and not pretraining:
        raise ValueError(
            f"[initialize] init_tok2vec is {weights}, but the config has no [pretraining] block, without "
            "which spaCy does not load it. Train with the config of stage 1, or set it to null."
        )
    # What is not there spaCy says itself.
    if not weights or not Path(weights).exists():
        return
    pipe: Any = nlp.get_pipe(name)
    listened = {getattr(node, "upstream_name", None) for node in pipe.model.walk()} - {None}
    if pretraining["component"] not in {name, *listened} and "*" not in listened:
        return
    require_encoder(nlp, pretraining)
    if Path(weights).is_dir():
        raise ValueError(
            f"[initialize] init_tok2vec is {weights}, which is a folder: name the file "
            "model-best.bin in it."
        )
    problem = misfit(get_tok2vec_ref(nlp, pretraining), Path(weights).read_bytes())
    if problem:
        raise ValueError(f"[initialize] init_tok2vec is {weights}, which {problem}.")


def misfit(encoder: Model, data: bytes) -> str:
    """Compare weights with an encoder, without loading them into it.

    encoder (Model): The encoder.
    data (bytes): The content of the file of weights.
    RETURNS (str): What is wrong with the file, and the way out; empty if it fits.
    """
    if not data:
        return "is empty: copy or make it anew"
    try:
        saved = srsly.msgpack_loads(data)
    except Exception as error:
        return f"is damaged or cut off ({str(error).rstrip('.')}): copy or make it anew"
    if not isinstance(saved, dict) or "nodes" not in saved:
        is_checkpoint = isinstance(saved, dict) and "version" in saved
        what = (
            "is the checkpoint of a run, not its weights" if is_checkpoint else "holds no weights"
        )
        return f"{what}: name model-best.bin or model-last.bin"
    try:
        difference = _difference(encoder, saved)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        return f"is damaged ({error!r}): copy or make it anew"
    return difference and f"holds another encoder than that of the config: {difference}. {SAME}"


def _short(name: str) -> str:
    """The name of a layer, which has those of all layers in it, as far as is told."""
    return name if len(name) <= SHOWN else f"{name[:SHOWN]}..."


def _difference(encoder: Model, saved: Dict[str, Any]) -> str:
    """The first difference between an encoder and what was saved of one."""
    nodes = list(encoder.walk())
    if len(saved["nodes"]) != len(nodes):
        return (
            f"it has {len(saved['nodes'])} layers in place of {len(nodes)}, so its depth or its "
            "architecture is another"
        )
    for node, info, params, shims, attrs in zip(
        nodes, *(saved[key] for key in ("nodes", "params", "shims", "attrs"))
    ):
        name = _short(info["name"])
        for attr in sorted(READ & set(attrs) & set(node.attrs)):
            if attrs[attr] != srsly.msgpack_dumps(node.attrs[attr]):
                value = srsly.msgpack_loads(attrs[attr])
                return (
                    f"{attr} of its layer {name!r} is {value} in place of {node.attrs[attr]}, so it "
                    "reads other features of words"
                )
        for dim, value in info["dims"].items():
            if value is not None and node.has_dim(dim) and node.get_dim(dim) != value:
                return (
                    f"{dim} of its layer {name!r} is {value} in place of "
                    f"{node.get_dim(dim)}, so its width or another size is not the same"
                )
        for param, value in params.items():
            there = node.get_param(param) if node.has_param(param) else None
            if value is not None and there is not None and value.shape != there.shape:
                return (
                    f"{param} of its layer {name!r} has the shape {value.shape} in place of "
                    f"{there.shape}, so some size of it is not the same"
                )
        if len(shims) != len(node.shims) or set(params) != set(node.param_names):
            return (
                f"its layer {name!r} is in place of {_short(node.name)!r}, so its architecture is "
                "another"
            )
    return ""
