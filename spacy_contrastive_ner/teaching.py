"""What the pipe learns without updates: labels by a description or examples, and calibration."""

from typing import Dict, Iterable, List, Optional

from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples
from spacy.util import get_lang_class

from .pipe_part import PipePart


class Teaching(PipePart):
    """The part of the pipe that teaches a `BiEncoder`. It is one with the rest: `ContrastiveNER`."""

    def _teach(self, label: str, description: Optional[str], examples: List[Span]) -> int:
        """Add a label that the model knows at once."""
        if "teach" not in self.model.attrs:
            raise ValueError(
                f"[{self.name}] {label!r} cannot be learned from a description or examples alone: "
                "a tagger has to be trained. Use the architecture BiEncoder, add the label without "
                "them and train, or remember() annotated examples (with a tagger)."
            )
        is_new = label not in self.labels
        written = None if description is None else self._make_doc(description)
        try:
            self.model.attrs["teach"](self.model, label, examples, written)
        except ValueError as error:
            raise ValueError(f"[{self.name}] {label!r} was not added: {error}") from error
        self.vocab.strings.add(label)
        return int(is_new)

    def calibrate(self, examples: Iterable[Example]) -> Dict[str, int]:
        """Fit the probabilities to examples that the component was not trained on, such as those of
        the dev set, label by label. For the architecture BiEncoder; those of a tagger are posteriors
        of its model and have nothing to be fitted.

        examples (Iterable[Example]): The examples. If the encoder is shared with other pipes, their
            predicted documents must have gone through it.
        RETURNS (Dict[str, int]): How many entities each label was fitted to.
        """
        if "calibrate" not in self.model.attrs:
            raise ValueError(f"[{self.name}] Only the architecture BiEncoder can be calibrated.")
        examples = list(examples)
        validate_examples(examples, "ContrastiveNER.calibrate")
        self._require_group(examples, "to calibrate with")
        gold = [self._gold(example) for example in examples]
        docs = [example.predicted for example in examples]
        with self._naming_itself():
            return self.model.attrs["calibrate"](self.model, docs, gold)

    def _make_doc(self, text: str) -> Doc:
        """Tokenize a text as the language does."""
        words = get_lang_class(self.vocab.lang or "xx")().make_doc(text)
        return Doc(self.vocab, [t.text for t in words], [bool(t.whitespace_) for t in words])
