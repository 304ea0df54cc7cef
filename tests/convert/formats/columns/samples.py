"""What the tests of columns share."""

from pathlib import Path
from typing import Dict, List, Tuple

from spacy_contrastive_ner.convert.formats.columns.read import read
from spacy_contrastive_ner.convert.notes import Notes
from spacy_contrastive_ner.convert.records import Record, Where
from spacy_contrastive_ner.convert.textfile import TextFile

WHERE = Where(Path("made.txt"))


def read_text(tmp_path: Path, text: str, name: str = "sample.tsv", **options):
    path = tmp_path / name
    path.write_bytes(text.encode("utf8"))
    notes = options.pop("notes", None) or Notes()
    return list(read(TextFile(path), notes, **options)), notes


def found(record: Record) -> List[Tuple[str, str]]:
    """Its entities, as (text, label), in their order in the text."""
    entities = sorted(record.entities, key=lambda at: (at.start, -at.end, at.label))
    return [(at.text_in(record.text), at.label) for at in entities]


def counts(notes: Notes) -> Dict[str, int]:
    return {kind.name: tally.total for kind, tally in notes.tallies.items()}


def lines(*rows: str) -> str:
    return "\n".join(row.replace(" ", "\t") for row in rows) + "\n"


HIPE = (
    "TOKEN\tNE-COARSE-LIT\tNE-COARSE-METO\tNE-FINE-LIT\tNE-FINE-METO\tNE-FINE-COMP\tNE-NESTED\t"
    "NEL-LIT\tNEL-METO\tMISC\n"
    "# hipe2022:document_id = NZZ-1\n# hipe2022:language = de\n"
    "Dr\tB-pers\tO\tB-pers.ind\tO\tB-comp.title\tO\tQ7\t_\tNoSpaceAfter\n"
    ".\tI-pers\tO\tI-pers.ind\tO\tI-comp.title\tO\tQ7\t_\t_\n"
    "Bern\tI-pers\tO\tI-pers.ind\tO\tO\tB-loc\tQ7\t_\tNoSpaceAfter\n"
    ".\tO\tO\tO\tO\tO\tO\t_\t_\tEndOfSentence\n"
    "# segment_iiif_link = _\n"
    "Ende\tO\tO\tO\tO\tO\tO\t_\t_\tEndOfLine\n\n"
    "# hipe2022:document_id = NZZ-2\nUr\tB-loc\tB-org\tO\tO\tO\tO\tNIL\tQ9\t_\n"
)
