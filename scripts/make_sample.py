"""Make the sample corpus of `assets/sample`: short English texts with nested entities, in three formats.

    python scripts/make_sample.py [--output assets/sample] [--seed 0]

Texts are made of templates (`sample/news.py`, `sample/registry.py`), names and descriptions
(`sample/phrases.py`) and words (`sample/words.py`). The same seed gives the same files. What the corpus
holds, and what counts as an entity, is told in `assets/README.md`.
"""

import argparse
import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import Dict, List, Union

import spacy
from sample import news, registry
from sample.phrases import RULES
from sample.templates import Made, Maker
from sample.words import Words, shuffled

from spacy_contrastive_ner.convert.formats import FORMATS
from spacy_contrastive_ner.convert.notes import Notes
from spacy_contrastive_ner.convert.records import Entity, Record, Where

# How many texts a part has.
PARTS = {"train": 400, "dev": 100, "test": 100}
# Of a rare label there are so many mentions at least, and at most two more.
RARE = {"train": 6, "dev": 20, "test": 20}
RARE_TEXTS = {"VESSEL": registry.VESSELS, "AWARD": registry.AWARDS}
# Each third of a part has its format; in brat several texts make a document.
KINDS = ("brat", "columns", "jsonl")
# Columns are tags of tokens: other tools would not understand how ours say what has gaps.
WITH_FRAGMENTS = ("brat", "jsonl")
TEXTS_PER_BULLETIN = 4
BETWEEN_TEXTS = "\n\n"
HERE = Where(Path(__file__))


def main() -> None:
    """Make the corpus and write it."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    default = Path(__file__).resolve().parent.parent / "assets" / "sample"
    parser.add_argument("--output", type=Path, default=default, help="The folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="What all draws depend on")
    args = parser.parse_args()
    there = {item.name for item in args.output.iterdir()} if args.output.is_dir() else set()
    if there - PARTS.keys():
        raise SystemExit(
            f"{args.output} holds other files: {', '.join(sorted(there))}. Name another."
        )
    args.output.parent.mkdir(parents=True, exist_ok=True)
    # What is there is replaced when all of it is made.
    with tempfile.TemporaryDirectory(dir=args.output.parent) as room:
        for part in PARTS:
            write(make_part(part, args.seed), Path(room) / part, part)
        for part in PARTS:
            shutil.rmtree(args.output / part, ignore_errors=True)
            shutil.move(Path(room) / part, args.output / part)


def make_part(part: str, seed: int) -> Dict[str, List[Made]]:
    """Make the texts of a part.

    part (str): train, dev or test.
    seed (int): The seed of the corpus.
    RETURNS (Dict[str, List[Made]]): The texts of each format.
    """
    # Not the name of the part: the hash of a string is another one each time.
    random = Random(1000 * seed + list(PARTS).index(part))
    words = Words(part, seed, random)
    maker = Maker({**RULES, **news.ASIDES, **registry.RARE_WORDS}, words.draw, random)
    chosen: List[Union[str, Made]] = [*rare_texts(part, maker, random)]
    usual = {**news.TEXTS, **registry.TEXTS}
    if part == "test":
        usual = {**usual, **news.TEST_ONLY, **registry.TEST_ONLY}
    while len(chosen) < PARTS[part]:
        chosen += shuffled(list(usual.values()), random)[: PARTS[part] - len(chosen)]
    texts: Dict[str, List[Made]] = {kind: [] for kind in KINDS}
    for number, item in enumerate(shuffled(chosen, random)):
        kind = KINDS[number % len(KINDS)]
        if isinstance(item, str):
            item = maker.make(item, fragments=kind in WITH_FRAGMENTS)
        texts[kind].append(item)
    return texts


def rare_texts(part: str, maker: Maker, random: Random) -> List[Made]:
    """Make the texts with mentions of rare labels.

    part (str): train, dev or test.
    maker (Maker): Makes them.
    random (Random): What their order depends on.
    RETURNS (List[Made]): The texts, which fit any format.
    """
    texts: List[Made] = []
    for label, templates in RARE_TEXTS.items():
        n = 0
        while n < RARE[part]:
            for template in shuffled(list(templates.values()), random):
                if n < RARE[part]:
                    texts.append(maker.make(template, fragments=False))
                    n += sum(name == label for _, name in texts[-1].entities)
    return texts


def write(texts: Dict[str, List[Made]], folder: Path, part: str) -> None:
    """Write a part.

    texts (Dict[str, List[Made]]): The texts of each format.
    folder (Path): The folder.
    part (str): The name of the part.
    """
    (folder / "brat").mkdir(parents=True)
    notes = Notes(strict=True)
    FORMATS["brat"].write(bulletins(texts["brat"], part), folder / "brat", notes)
    FORMATS["columns"].write(tokenized(texts["columns"], part), folder / "columns.conll", notes)
    FORMATS["jsonl"].write(numbered(texts["jsonl"], part), folder / "records.jsonl", notes)


def numbered(texts: List[Made], part: str) -> List[Record]:
    """RETURNS (List[Record]): A record for each text."""
    return [record(f"{part}-{number:03}", text) for number, text in enumerate(texts, 1)]


def tokenized(texts: List[Made], part: str) -> List[Record]:
    """RETURNS (List[Record]): A record for each text, with sentences and tokens."""
    nlp = spacy.blank("en")
    records = numbered(texts, part)
    for made, item in zip(texts, records):
        item.tokens = [(token.idx, token.idx + len(token)) for token in nlp.make_doc(made.text)]
        item.sents = made.sents
    return records


def bulletins(texts: List[Made], part: str) -> List[Record]:
    """RETURNS (List[Record]): A record for several texts, one below the other."""
    records = []
    for first in range(0, len(texts), TEXTS_PER_BULLETIN):
        whole = Record("", [], HERE, f"{part}-{first // TEXTS_PER_BULLETIN + 1:02}")
        for made in texts[first : first + TEXTS_PER_BULLETIN]:
            whole.text += BETWEEN_TEXTS if whole.text else ""
            whole.entities += entities(made, len(whole.text))
            whole.text += made.text
        records.append(whole)
    return records


def record(id: str, made: Made) -> Record:
    """RETURNS (Record): A text as it is written."""
    return Record(made.text, entities(made, 0), HERE, id)


def entities(made: Made, offset: int) -> List[Entity]:
    """RETURNS (List[Entity]): The entities of a text that starts at an offset."""
    return [
        Entity(tuple((start + offset, end + offset) for start, end in fragments), label)
        for fragments, label in made.entities
    ]


if __name__ == "__main__":
    main()
