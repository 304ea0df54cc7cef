"""Families of models for the pipe `contrastive_ner`, one registered architecture a file.

The component cannot tell the families apart. It asks a model for the following, kept in
`model.attrs` as module-level functions, so that they can be pickled:

fit(model, gold, labels, max_layers) -> List[Lost]
    Learn labels, layers and widths from the data, size the output, return what cannot be held.
labels(model) -> Dict[str, int]
    The labels, and what else `fit` needs to know to make the same model again.
add_label(model, label, layers, max_layers) -> None
    Make room for one more label; the scores of the others do not change.
learn(model, gold, scores) -> (loss, d_scores, List[Lost])
    The training signal, and what cannot be learned. Parameters outside the encoder's path collect their gradients here.
imitate(model, scores, teacher, teacher_scores) -> (loss, d_scores)
    The signal for keeping the predictions of an earlier version of the model.
find(model, lengths, scores, decoder, threshold) -> Found
    What was recognised.
check(model) -> Optional[str]
    What is wrong with a loaded model, if anything.

A model may answer to two more:

propose(model, lengths, scores) -> Proposals
    Which spans it looks at, if these are not all there are.
type(model, lengths, scores, given) -> [S, K]
    The logarithm of how probable each label is for spans that are given.

One that has a memory also answers to (see `memory.py` and `filling.py`):

remember(model, docs, gold, max_layers, labels) -> Remembered
    Store tokens and their tags, without training.
forget(model, label) -> int
    Remove what is stored of a label, or all there is.
describe_memory(model) -> Dict[str, Any]
    What is stored, and how it is asked.
set_memory(model, k, weight, temperature) -> None
    Change how it is asked.
"""
