"""What a pipe does with the memory of its model: fill it, empty it, choose how much it counts."""

import warnings
from itertools import product
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy
from spacy.training import Example, validate_examples
from thinc.api import Optimizer

from .evaluation.thresholds import Tally, check_score
from .layers.memory import is_filled
from .models.filling import Remembered
from .models.listeners import has_listener
from .models.memory import WITH_MEMORY, fingerprint, get_memory
from .pipe_part import PipePart

# What `tune_memory` tries.
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
TEMPERATURES = (0.01, 0.02, 0.05)

# What is told only once, beside the losses of gold entities.
SHARED = ("memory of a shared encoder", "")


class Remembering(PipePart):
    """The part of the pipe that has to do with memory. Its settings are those of the layer `Memory`."""

    @property
    def memory(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): How many tokens are remembered ("tokens"), those of each label
        ("labels"), labels that training never saw, so that memory alone can know them ("only"), "bytes",
        and settings.
        """
        return self._ask_memory("describe_memory")

    def remember(
        self, examples: Iterable[Example], *, labels: Optional[Sequence[str]] = None
    ) -> Remembered:
        """Add tokens and their annotation to the memory, without training. Prediction asks it from then
        on. Labels that the component does not have are added; they are recognised by memory alone
        until they are trained.

        examples (Iterable[Example]): The examples. If the encoder is shared with other pipes, their
            predicted documents must have gone through it.
        labels (Optional[Sequence[str]]): The labels that the examples are annotated with, if these are
            not all: that other entities are not marked says nothing then.
        RETURNS (Remembered): What became of the tokens.
        """
        examples = list(examples)
        validate_examples(examples, "ContrastiveNER.remember")
        gold = [self._gold(example) for example in examples]
        docs = [example.predicted for example in examples]
        self._require_group(examples, "to remember")
        if labels is not None and isinstance(labels, str):
            raise ValueError(f"[{self.name}] labels is {labels!r}, but must be a list.")
        told = self._ask_memory("remember", docs, gold, self.cfg["max_layers"], labels)
        for label in told.new_labels:
            self.vocab.strings.add(label)
        self._report_lost(gold, told.lost, docs, set())
        if told.left_out:
            each = ", ".join(f"{label or 'outside'} {n}" for label, n in told.left_out_of.items())
            warnings.warn(
                f"[{self.name}] The memory has room for {self.memory['max_tokens']} tokens: "
                f"{told.left_out} are left out ({each}). Raise max_tokens of the memory "
                "to keep more.",
                stacklevel=2,
            )
        return told

    def finish_update(self, sgd: Optimizer) -> None:
        """Update parameters. If the encoder changes, what is in the memory is of no use any more, and is
        forgotten.

        sgd (Optimizer): The optimizer.
        """
        memory = get_memory(self.model)
        if memory is None or not is_filled(memory):
            super().finish_update(sgd)
            return
        n_tokens, before = len(memory.get_param("rows")), fingerprint(self.model)
        super().finish_update(sgd)
        if fingerprint(self.model) != before:
            self.forget()
            warnings.warn(
                f"[{self.name}] The memory of {n_tokens} tokens is empty from now on: training has changed "
                "the encoder that their vectors are from. Fill it again afterwards, with remember(examples) "
                "or `spacy contrastive remember`.",
                stacklevel=2,
            )
        elif has_listener(self.model) and SHARED not in self._told:
            self._told.add(SHARED)
            warnings.warn(
                f"[{self.name}] The memory holds vectors of an encoder that is shared with other pipes. If "
                "training changes that, empty the memory with forget() and fill it again.",
                stacklevel=2,
            )

    def forget(self, label: Optional[str] = None) -> int:
        """Empty the memory, or remove what it knows of one label. The label stays among the labels, but
        is not recognised any more if it was never trained.

        label (Optional[str]): The label, or None for all there is.
        RETURNS (int): How many tokens are gone.
        """
        return self._ask_memory("forget", label)

    def tune_memory(
        self,
        examples: Iterable[Example] = (),
        *,
        k: Optional[int] = None,
        weight: Optional[float] = None,
        temperature: Optional[float] = None,
        score: str = "micro",
    ) -> Dict[Tuple[float, float], float]:
        """Set how the memory is asked; weight and temperature that are not given are chosen by the F1
        of examples, which should be neither trained nor remembered, such as those of the dev set.

        examples (Iterable[Example]): The examples, or none if nothing is to be chosen.
        k (Optional[int]): How many neighbours are asked. It is not chosen.
        weight (Optional[float]): The share of the memory, 0 to 1.
        temperature (Optional[float]): How much nearer neighbours count more.
        score (str): What is compared, "micro" or "macro".
        RETURNS (Dict[Tuple[float, float], float]): The F1 of each (weight, temperature) that was tried.
        """
        check_score(self.name, score)
        self._ask_memory("set_memory", k=k, weight=weight, temperature=temperature)
        examples = list(examples)
        if not examples:
            return {}
        if not self.memory["tokens"]:
            raise ValueError(
                f"[{self.name}] There is nothing to choose: the memory is empty. Call remember() first."
            )
        self._require_group(examples, "to choose by")
        before = {name: self.memory[name] for name in ("weight", "temperature")}
        weights = WEIGHTS if weight is None else (weight,)
        temperatures = TEMPERATURES if temperature is None else (temperature,)
        # The order makes that of equals the lighter memory is taken.
        table: Dict[Tuple[float, float], float] = {}
        try:
            for t in temperatures:
                self._ask_memory("set_memory", temperature=t)
                for w, f in zip(weights, self._f_scores(examples, weights, score)):
                    table[w, t] = f
        except BaseException:
            self._ask_memory("set_memory", **before)
            raise
        best = max(product(weights, temperatures), key=lambda key: table[key])
        self._ask_memory("set_memory", weight=best[0], temperature=best[1])
        return table

    def _f_scores(
        self, examples: Sequence[Example], weights: Sequence[float], score: str
    ) -> List[float]:
        """The F1 with each weight."""
        n_labels = len(self.labels)
        counts = numpy.zeros((2, len(weights), n_labels))
        gold = numpy.zeros(n_labels)
        for some in self._score(examples):
            gold += some.count_gold(self.labels)
            for at, weight in enumerate(weights):
                self._ask_memory("set_memory", weight=weight)
                found = self._find(some.lengths, some.scores)
                counts[:, at] += some.count_judged(found, self.labels)
        return Tally(counts[0], counts[1], gold).f_scores(score).tolist()

    def _ask_memory(self, function: str, *args: Any, **kwargs: Any) -> Any:
        if function not in self.model.attrs:
            raise ValueError(
                f"[{self.name}] The model has no memory: only the architectures {WITH_MEMORY} have one."
            )
        with self._naming_itself():
            return self.model.attrs[function](self.model, *args, **kwargs)
