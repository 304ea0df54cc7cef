"""Annotated documents and records, read to be scored."""

from collections import Counter
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..annotations import read_doc
from ..convert.docbins import docs_in, quick_codecs
from ..convert.documents import ID, read_doc_record
from ..convert.mending import mend
from ..convert.notes import Notes
from ..convert.records import Record, Stretch, Where
from ..convert.textfile import TextFile
from ..corpora.sources import find_files
from .classes import Training
from .evaluate import Annotation, Document, Evaluation, Settings, Whole, spans_of

NO_PATH = Path("document")
HINT = "name a .spacy file or a folder of them"


class Source(NamedTuple):
    """Where entities stand.

    gold_key (Optional[str]): The key of the gold in `doc.spans`; None for `doc.ents`.
    key (Optional[str]): The key of the predictions; None for `doc.ents`.
    missing_key (str): The key of the stretches whose annotation is unknown.
    """

    gold_key: Optional[str] = "sc"
    key: Optional[str] = "sc"
    missing_key: str = "missing"


class Gold(NamedTuple):
    """A text with its gold.

    id (str): Its name.
    text (str): The text.
    annotation (Annotation): Its gold.
    flat (Optional[Annotation]): The gold of the flat view, if there is any.
    sents (Optional[List[Stretch]]): The sentences, if they are known.
    tokens (Optional[List[Stretch]]): The tokens, if they are known.
    """

    id: str
    text: str
    annotation: Annotation
    flat: Optional[Annotation] = None
    sents: Optional[List[Stretch]] = None
    tokens: Optional[List[Stretch]] = None


class Survey:
    """What was found while gold was read.

    documents (int): How many documents there are.
    not_annotated (int): How many of them are not annotated, and not scored.
    groups (Counter): In how many documents each span group is.
    with_ents (int): In how many documents there are entities in `doc.ents`.
    """

    def __init__(self) -> None:
        self.documents = self.not_annotated = self.with_ents = 0
        self.groups: Counter = Counter()

    def look(self, doc: Doc, is_annotated: bool) -> None:
        """Take notice of a document.

        doc (Doc): The document.
        is_annotated (bool): Whether it has gold.
        """
        self.documents += 1
        self.not_annotated += not is_annotated
        self.groups.update(list(doc.spans))
        self.with_ents += bool(doc.ents)

    def require(self, path: Path, key: Optional[str], entities: int) -> None:
        """Stop if there is nothing to score.

        path (Path): Where the documents are.
        key (Optional[str]): The key of the gold; None for `doc.ents`.
        entities (int): How many entities were found there.
        """
        self.require_documents(path)
        problem = self.no_gold(path, key, entities)
        if problem is not None:
            raise ValueError(problem)

    def require_documents(self, path: Path) -> None:
        """Stop if there are no documents.

        path (Path): Where they should be.
        """
        if not self.documents:
            raise ValueError(f"{path} holds no documents. Check how it was made.")

    def no_gold(self, path: Path, key: Optional[str], entities: int) -> Optional[str]:
        """RETURNS (Optional[str]): That there is no gold, and where there may be some instead; None
        if there is. The arguments are those of `require`."""
        place = "doc.ents" if key is None else f"doc.spans[{key!r}]"
        there = ", ".join(f"{name!r} ({n})" for name, n in self.groups.most_common())
        ways = []
        if there:
            ways.append(
                f"The span groups that are there, and in how many documents: {there}. Name one of "
                "them with --spans-key, and without --ents."
            )
        if self.with_ents and key is not None:
            ways.append(
                f"{self.with_ents} documents have entities in doc.ents: --ents scores the flat view."
            )
        way = " ".join(ways) or "Check how it was made."
        if self.not_annotated == self.documents:
            return f"No document of {path} has {place}. {way}"
        if not entities:
            return f"There are no gold entities in {place} of {path}. {way}"
        return None


def read_annotation(doc: Doc, key: Optional[str], missing_key: str) -> Optional[Annotation]:
    """Read the entities of a document.

    doc (Doc): The document.
    key (Optional[str]): Their key in `doc.spans`; None for `doc.ents`.
    missing_key (str): The key of the stretches whose annotation is unknown.
    RETURNS (Optional[Annotation]): The annotation, None if the document has none.
    """
    if key is not None:
        if key not in doc.spans:
            return None
        return annotation_of(read_doc_record(doc, Where(NO_PATH), key, missing_key))
    if len(doc) and not doc.has_annotation("ENT_IOB"):
        return None
    entities: List[Whole] = [(((e.start_char, e.end_char),), e.label_) for e in doc.ents]
    unknown = [(doc[a:b], label) for a, b, label in read_doc(doc, "", use_ents=True).missing]
    return Annotation(entities, [(span.start_char, span.end_char, "") for span, _ in unknown])


def annotation_of(record: Record) -> Annotation:
    """RETURNS (Annotation): The annotation of a record."""
    missing = [(a, b, entity.label) for entity in record.missing for a, b in entity.fragments]
    return Annotation([(entity.fragments, entity.label) for entity in record.entities], missing)


def tokens_of(doc: Doc) -> List[Stretch]:
    """RETURNS (List[Stretch]): The places of all tokens in the text."""
    return [(token.idx, token.idx + len(token)) for token in doc]


def gold_of(doc: Doc, source: Source, id: str = "") -> Optional[Gold]:
    """Read the gold of a document.

    doc (Doc): The document.
    source (Source): Where it stands.
    id (str): The name of the document, if it has none itself.
    RETURNS (Optional[Gold]): The gold, None if it is not annotated.
    """
    annotation = read_annotation(doc, source.gold_key, source.missing_key)
    if annotation is None:
        return None
    flat = None
    if source.gold_key is not None and source.key is not None:
        flat = read_annotation(doc, None, source.missing_key)
    return Gold(name_of(doc, id), doc.text, annotation, flat, sents_of(doc), tokens_of(doc))


def name_of(doc: Doc, otherwise: str) -> str:
    """RETURNS (str): The name of a document, if it has one."""
    return str(doc.user_data.get(ID) or otherwise)


def sents_of(doc: Doc) -> Optional[List[Stretch]]:
    """RETURNS (Optional[List[Stretch]]): The places of its sentences, None if they are not known."""
    if not len(doc) or not doc.has_annotation("SENT_START"):
        return None
    return [(sent.start_char, sent.end_char) for sent in doc.sents]


def read_corpus(path: Path, vocab: Vocab, source: Source, what: str) -> Tuple[List[Gold], Survey]:
    """Read the gold of a corpus, with the documents that have none.

    path (Path): A .spacy file, or a folder of them.
    vocab (Vocab): The vocabulary for reading.
    source (Source): Where the gold stands.
    what (str): What it is the path of, for errors.
    RETURNS (Tuple[List[Gold], Survey]): The gold of the documents that are annotated, and what was
        found.
    """
    found: List[Gold] = []
    survey = Survey()
    for doc in _docs_of(path, vocab, what):
        gold = gold_of(doc, source, str(survey.documents + 1))
        survey.look(doc, gold is not None)
        if gold is not None:
            found.append(gold)
    survey.require(path, source.gold_key, count_entities(found))
    return found, survey


def read_texts(path: Path, vocab: Vocab, what: str) -> List[Gold]:
    """Read documents whose annotation, if there is any, is not to be looked at.

    path (Path): A .spacy file, or a folder of them.
    vocab (Vocab): The vocabulary for reading.
    what (str): What it is the path of, for errors.
    RETURNS (List[Gold]): The texts, with nothing for gold.
    """
    nothing = Annotation([], [])
    return [
        Gold(name_of(doc, str(n)), doc.text, nothing, None, sents_of(doc), tokens_of(doc))
        for n, doc in enumerate(_docs_of(path, vocab, what), 1)
    ]


def _docs_of(path: Path, vocab: Vocab, what: str) -> Iterator[Doc]:
    with quick_codecs():
        for file in find_files(path, what, HINT):
            yield from docs_in(file, vocab)


def count_entities(golds: Iterable[Gold]) -> int:
    """RETURNS (int): How many entities they have in all."""
    return sum(len(gold.annotation.entities) for gold in golds)


def read_records(path: Path, notes: Notes, encoding: str = "utf-8") -> List[Gold]:
    """Read gold from records with character offsets.

    path (Path): JSON lines of {"text", "spans"}, as the converters write them.
    encoding (str): Its encoding.
    notes (Notes): Told about what had to be mended or dropped.
    RETURNS (List[Gold]): The gold.
    """
    # The formats take a while to import, and only this needs one of them.
    from ..convert.formats import jsonl

    found: List[Gold] = []
    for record in jsonl.read(TextFile(path, encoding), notes):
        record = mend(record, notes)
        name = record.id or str(len(found) + 1)
        found.append(Gold(name, record.text, annotation_of(record), None, record.sents))
    if not found:
        raise ValueError(f"{path} holds no records. Check how it was made.")
    if not any(gold.annotation.entities for gold in found):
        raise ValueError(
            f"There are no gold entities in {path}. Write them as "
            '{"text": ..., "spans": [{"start", "end", "label"}]}, a line each.'
        )
    return found


def training_of(golds: Iterable[Gold]) -> Training:
    """RETURNS (Training): What is annotated in these documents."""
    training = Training()
    for gold in golds:
        training.add(gold.text, spans_of(gold.annotation.entities))
    return training


def digest_of(golds: Iterable[Gold]) -> str:
    """RETURNS (str): A number that tells texts and gold apart: whether two evaluations had the same."""
    found = sha256()
    for gold in golds:
        entities = sorted(set(gold.annotation.entities))
        found.update(dumps([gold.text, entities, sorted(gold.annotation.missing)]).encode())
    return found.hexdigest()


def bare_docs(golds: Sequence[Gold], nlp: Language, use_tokens: bool) -> Iterator[Doc]:
    """Make the documents in which entities are to be found.

    golds (Sequence[Gold]): Texts.
    nlp (Language): The pipeline.
    use_tokens (bool): Whether they have the tokens of the gold, not those of the pipeline.
    YIELDS (Doc): The documents, without annotation.
    """
    for gold in golds:
        if use_tokens and gold.tokens is not None:
            yield _doc_of(gold, nlp.vocab)
        else:
            doc = nlp.make_doc(gold.text)
            if doc.text != gold.text:
                raise ValueError(
                    f"The tokenizer of the model changes the text of document {gold.id!r}, so that "
                    "places in it cannot be compared. Use a tokenizer that keeps the text, or "
                    "--gold-tokens."
                )
            yield doc


def _doc_of(gold: Gold, vocab: Vocab) -> Doc:
    """A document with the same tokens as the gold."""
    tokens = gold.tokens or []
    words = [gold.text[start:end] for start, end in tokens]
    following = [start for start, _ in tokens[1:]] + [len(gold.text)]
    spaces = [end < after for (_, end), after in zip(tokens, following)]
    return Doc(vocab, words=words, spaces=spaces)


def add_pair(evaluation: Evaluation, gold: Gold, predicted: Doc, source: Source) -> None:
    """Score the prediction for a document.

    evaluation (Evaluation): The evaluation that it is added to.
    gold (Gold): Its gold.
    predicted (Doc): The prediction, of the same text.
    source (Source): Where the predictions stand.
    """
    found = read_annotation(predicted, source.key, source.missing_key)
    sents = gold.sents if gold.sents is not None else sents_of(predicted)
    evaluation.add(
        Document(
            gold.id,
            gold.text,
            gold.annotation,
            found.entities if found is not None else [],
            tokens_of(predicted),
            sents,
        )
    )
    if gold.flat is not None:
        flat = read_annotation(predicted, None, source.missing_key)
        if flat is not None:
            evaluation.add_flat(gold.flat, flat.entities)


def evaluate_docs(
    pairs: Iterable[Tuple[Doc, Doc]],
    source: Optional[Source] = None,
    settings: Optional[Settings] = None,
) -> Evaluation:
    """Score predictions. Documents whose gold lacks the span group are not annotated and do not
    count.

    pairs (Iterable[Tuple[Doc, Doc]]): Gold and prediction of each document. Their texts must be the
        same, their tokens need not.
    source (Optional[Source]): Where gold and predictions stand. By default doc.spans["sc"].
    settings (Optional[Settings]): What to score apart.
    RETURNS (Evaluation): The scores; see `Evaluation.as_dict`.
    """
    source, evaluation = source or Source(), Evaluation(settings)
    for number, (reference, predicted) in enumerate(pairs, 1):
        gold = gold_of(reference, source, str(number))
        if gold is None:
            continue
        if gold.text != predicted.text:
            raise ValueError(
                f"Gold and prediction of document {gold.id!r} have different texts, so that places "
                "in them cannot be compared. Pair documents of the same text."
            )
        add_pair(evaluation, gold, predicted, source)
    return evaluation
