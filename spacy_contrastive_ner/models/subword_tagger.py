from typing import Any, Dict, List, Optional, Sequence, Tuple

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ragged

from .. import tracks
from ..annotations import Gold
from ..layers.memory import Memory
from ..layers.token_pieces import TokenPieces
from ..losses.cross_entropy_dice import Loss
from ..tracks import Found, Lost, Subwords, Threshold
from . import tag_scores
from .memory import layout_of
from .pieces import on_pieces, on_tokens
from .tagger import make_tagger

InT = List[Doc]
OutT = Ragged


def build_subword_tagger(
    tok2vec: Model[List[Doc], List[Floats2d]],
    heads: str = "per_label",
    hidden_width: int = 0,
    dropout: float = 0.0,
    loss: Optional[Loss] = None,
    crf: Optional[Model[Floats2d, Floats2d]] = None,
    label_weights: Optional[Dict[str, float]] = None,
    link: Optional[Model[Floats2d, Floats2d]] = None,
    memory: Optional[Model[Floats2d, Floats2d]] = None,
) -> Model[InT, OutT]:
    """Score BILOU tags on tracks for each word piece of a transformer, instead of for each token. Entities
    begin and end where tokens do: what a piece can be depends on its place in its token, see
    `tracks.subwords`. What is learned and found are entities of tokens, as ever.

    tok2vec (Model[List[Doc], List[Floats2d]]): A transformer of spacy-transformers, shared or inline. Its
        pooling is passed over.
    heads, hidden_width, dropout, loss, crf, label_weights, link, memory: See `build_multi_head_tagger`.
        Distances between fragments are counted in pieces, and what is stored are pieces, too.
    RETURNS (Model[List[Doc], Ragged]): The model. Its scores are those of the pieces of each token of
        the batch. [n_pieces, K * (1 + 4M)], [n_tokens]. What stands beside them is of pieces, too.
    """
    pieces = TokenPieces(tok2vec)
    settings = (heads, hidden_width, dropout, loss, crf, label_weights, link)
    model = make_tagger([pieces], tok2vec, *settings, memory=memory or Memory())
    model.set_ref("pieces", pieces)
    model.attrs.update(learn=learn, imitate=imitate, find=find)
    return model


def learn(
    model: Model[InT, OutT], gold: Sequence[Gold], scores: Ragged
) -> Tuple[float, Ragged, List[Lost]]:
    """Compute the loss, summed over pieces and tracks, and its gradient, see `tag_scores.learn`.

    model (Model[List[Doc], Ragged]): The model.
    gold (Sequence[Gold]): The annotation of the documents, on tokens.
    scores (Ragged): The scores of the pieces of each token. [n_pieces, K * (1 + 4M)], [n_tokens]
    RETURNS (Tuple[float, Ragged, List[Lost]]): The loss, the gradient of the scores, and the
        spans that the tracks cannot hold.
    """
    words = _subwords(model, scores, [doc.n_tokens for doc in gold])
    own, lost = on_pieces(words, gold)
    legal = model.ops.asarray(_legal(model, words))
    loss, d_scores, no_room = tag_scores.learn(model, own, scores, legal)
    return loss, d_scores, lost + on_tokens(words, no_room)


def _subwords(model: Model[InT, OutT], scores: Ragged, lengths: Sequence[int]) -> Subwords:
    counts: Any = model.ops.to_numpy(scores.lengths)
    return Subwords(counts, lengths)


def _legal(model: Model[InT, OutT], words: Subwords) -> Any:
    """Which tags each piece can have. [n_pieces, 1 + 4M]"""
    return tracks.legal_tags(words.counts, layout_of(model).n_tags)


def imitate(
    model: Model[InT, OutT], scores: Ragged, teacher: Model[InT, OutT], teacher_scores: Ragged
) -> Tuple[float, Ragged]:
    """See `tag_scores.imitate`: the same for the pieces of each token, over the tags they can have.

    model (Model[List[Doc], Ragged]): The model.
    scores (Ragged): Its scores. [n_pieces, K * (1 + 4M)], [n_tokens]
    teacher (Model[List[Doc], Ragged]): The earlier version.
    teacher_scores (Ragged): Its scores.
    RETURNS (Tuple[float, Ragged]): The loss, less the teacher's entropy, and the gradient.
    """
    counts: Any = model.ops.to_numpy(scores.lengths)
    legal = model.ops.asarray(tracks.legal_tags(counts, layout_of(model).n_tags))
    # Where a text ends is not known here. Links that reach from one into the next are imitated, too.
    lengths = [int(counts.sum())]
    return tag_scores.imitate(model, scores, teacher, teacher_scores, legal, lengths)


def find(
    model: Model[InT, OutT],
    lengths: Sequence[int],
    scores: Ragged,
    decoder: str,
    threshold: Threshold,
) -> Found:
    """Find the entities, with their exact posteriors over all that can be read from the pieces.

    model (Model[List[Doc], Ragged]): The model.
    lengths (Sequence[int]): The number of tokens of each document.
    scores (Ragged): The scores of the pieces of each token. [n_pieces, K * (1 + 4M)], [n_tokens]
    decoder (str): "viterbi" or "posterior"; "nearest" asks the memory alone.
    threshold (Threshold): For "posterior", one for all labels or one for each.
    RETURNS (Found): The entities, in tokens.
    """
    words = _subwords(model, scores, lengths)
    legal = _legal(model, words)
    found = tag_scores.find(model, words.lengths, scores, decoder, threshold, legal)
    start, end = words.to_tokens(found.document, found.start, found.end)
    return found._replace(start=start, end=end)
