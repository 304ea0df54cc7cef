"""How a pipe comes by its threshold: by the F1 of examples that it was not trained on."""

from typing import Dict, Iterable, NamedTuple, Sequence, Tuple

import numpy
from spacy.training import Example, validate_examples

from .evaluation.thresholds import TRIED, Tally, best_place, check_score, count_from
from .pipe_part import PipePart

# The decoder that takes each span by itself, so that it does not matter to others whether it is found.
EVERY = "posterior"

# Decoders without a threshold.
WITHOUT = ("viterbi", "nearest")


class Tuned(NamedTuple):
    """What was chosen, and what it changes on the examples that it was chosen by.

    threshold (float): The threshold.
    before, after (float): F1 with the one that was there, and with this one.
    by_threshold (Dict[float, float]): F1 of each threshold that was tried.
    gold (Dict[str, int]): How many entities of each label there are to choose by.
    """

    threshold: float
    before: float
    after: float
    by_threshold: Dict[float, float]
    gold: Dict[str, int]


class Tuning(PipePart):
    """The part of the pipe that chooses its threshold. It is one with the rest: `ContrastiveNER`."""

    def tune_threshold(self, examples: Iterable[Example], *, score: str = "micro") -> Tuned:
        """Set the threshold by the F1 of examples that were not trained on, such as those of the dev set.
        Labels that have a threshold of their own keep it.

        With few training examples a model is too sure that there is nothing, and the best threshold is far
        below the default; with many it hardly matters. All that is tried comes from one prediction.

        examples (Iterable[Example]): The examples, with predicted documents that went through the components
            before this one.
        score (str): What is compared, "micro" or "macro" F1.
        RETURNS (Tuned): What was chosen. Of equals it is the nearest to what was set before.
        """
        check_score(self.name, score)
        examples = list(examples)
        validate_examples(examples, "ContrastiveNER.tune_threshold")
        if self.cfg["decoder"] in WITHOUT:
            raise ValueError(
                f"[{self.name}] The decoder {self.cfg['decoder']!r} has no threshold to choose. Set "
                f'cfg["decoder"] = {EVERY!r} before.'
            )
        self._require_group(examples, "to choose by")
        now, tried = self._count(examples)
        if not tried.gold.any():
            raise ValueError(
                f"[{self.name}] There is nothing to choose by: none of the {len(examples)} examples holds "
                f"an entity of a label that the component knows ({', '.join(self.labels)})."
            )
        f_scores = tried.f_scores(score)
        place = best_place(f_scores, float(self.cfg["threshold"]))
        self.cfg["threshold"] = float(TRIED[place])
        return Tuned(
            float(TRIED[place]),
            float(now.f_scores(score)[0]),
            float(f_scores[place]),
            dict(zip(TRIED.tolist(), f_scores.tolist())),
            dict(zip(self.labels, map(int, tried.gold))),
        )

    def _count(self, examples: Sequence[Example]) -> Tuple[Tally, Tally]:
        """What is found with the threshold that is set, and with each that is tried."""
        n_labels = len(self.labels)
        own = numpy.asarray([label in self.cfg["thresholds"] for label in self.labels])
        gold = numpy.zeros(n_labels)
        now, tried = numpy.zeros((2, 1, n_labels)), numpy.zeros((2, len(TRIED), n_labels))
        for some in self._score(examples):
            gold += some.count_gold(self.labels)
            now[:, 0] += some.count_judged(self._find(some.lengths, some.scores), self.labels)
            if self.cfg["decoder"] == EVERY:
                found = self._find(some.lengths, some.scores, float(TRIED[0]))
                right, judged = some.judge(found, self.labels)
                few = found.take(judged)
                # Labels with a threshold of their own are found with every other.
                p = numpy.where(own[few.label], 1.0, few.probability)
                tried += count_from(p, right[judged], few.label, n_labels)
            else:
                for at, threshold in enumerate(TRIED.tolist()):
                    found = self._find(some.lengths, some.scores, threshold)
                    tried[:, at] += some.count_judged(found, self.labels)
        return Tally(now[0], now[1], gold), Tally(tried[0], tried[1], gold)
