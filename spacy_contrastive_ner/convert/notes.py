"""What a conversion had to decide, mend, drop or refuse: counted, with examples, and told."""

import json
from collections import Counter
from typing import Any, Dict, List, NamedTuple, Optional, TextIO

from .records import Where


class BadInput(ValueError):
    """Input that cannot be read: where, what was found, and what to do.

    where (Where): Where it stands.
    found (str): What is wrong, as the end of a sentence that begins with the place.
    advice (str): What to do about it.
    """

    def __init__(self, where: Where, found: str, advice: str) -> None:
        super().__init__(f"{where}: {found.rstrip('.')}. {advice.rstrip('.')}.")
        self.where, self.found, self.advice = where, found, advice


class Kind(NamedTuple):
    """A kind of decision about the data.

    name (str): What happened, in words for the summary.
    is_loss (bool): Whether annotation is lost or changed by it, so that --strict refuses it.
    """

    name: str
    is_loss: bool = False


class Tally(NamedTuple):
    """How often something happened.

    labels (Counter): How often, by label ("" if it is not about a label).
    examples (List[str]): Where, the first few times.
    """

    labels: Counter
    examples: List[str]

    @property
    def total(self) -> int:
        """RETURNS (int): How often in all."""
        return sum(self.labels.values())


class Notes:
    """Counts what happens to the data.

    skip_bad (bool): Whether input that cannot be read is passed over, not an error.
    strict (bool): Whether it is an error that annotation is lost or changed.
    report (Optional[TextIO]): Where every single note is written, a line of JSON each.
    examples (int): How many examples of each kind are kept.
    """

    def __init__(
        self,
        skip_bad: bool = False,
        strict: bool = False,
        report: Optional[TextIO] = None,
        examples: int = 3,
    ) -> None:
        self.skip_bad, self.strict, self.report, self.n_examples = (
            skip_bad,
            strict,
            report,
            examples,
        )
        self.tallies: Dict[Kind, Tally] = {}
        self.decisions: List[str] = []
        self.skipped: List[BadInput] = []
        self.n_skipped = 0

    def decided(self, text: str) -> None:
        """Keep what was found out about the input as a whole: its encoding, its scheme of tags.
        Each is told once.

        text (str): A short sentence.
        """
        if text not in self.decisions:
            self.decisions.append(text)
            self._write({"kind": "decided", "text": text})

    def add(
        self, kind: Kind, where: Where, label: str = "", text: str = "", n: int = 1, **more: Any
    ) -> None:
        """Count one decision about the data, or several alike.

        kind (Kind): What happened.
        where (Where): Where.
        label (str): The label that it is about, if any.
        text (str): The entity or the line that it is about, for the example.
        n (int): How often.
        **more: What else the report is to hold.
        """
        if kind.is_loss and self.strict:
            what = f": {text[:60]!r}" if text else ""
            what += f" ({label})" if label else ""
            raise BadInput(where, f"{kind.name}{what}", "Correct it, or leave out --strict")
        tally = self.tallies.setdefault(kind, Tally(Counter(), []))
        tally.labels[label] += n
        if len(tally.examples) < self.n_examples:
            shown = f"{text[:60]!r} ({label}), " if label else f"{text[:60]!r}, " if text else ""
            tally.examples.append(f"{shown}{where}")
        self._write(
            {
                "kind": kind.name,
                "loss": kind.is_loss,
                "label": label,
                "text": text,
                "n": n,
                "file": str(where.path),
                "line": where.line,
                "id": where.id,
                **more,
            }
        )

    def bad(self, where: Where, found: str, advice: str) -> None:
        """Refuse input: raise an error, or count it if such input is skipped. Who calls this must
        go on with the next item when it returns.

        where (Where): Where it stands.
        found (str): What is wrong.
        advice (str): What to do about it.
        """
        error = BadInput(where, found, advice)
        if not self.skip_bad:
            raise error
        self.n_skipped += 1
        if len(self.skipped) < 100:
            self.skipped.append(error)
        self._write(
            {
                "kind": "skipped",
                "text": found,
                "file": str(where.path),
                "line": where.line,
                "id": where.id,
            }
        )

    def _write(self, note: Dict[str, Any]) -> None:
        if self.report is not None:
            self.report.write(json.dumps(note, ensure_ascii=False) + "\n")
