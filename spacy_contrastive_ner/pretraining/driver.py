"""A run of pretraining, with all that `spacy pretrain` lacks: judgement, patience, resumption."""

import re
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import srsly
from spacy.schemas import ConfigSchemaPretrain
from spacy.tokens import Doc
from spacy.training.pretrain import (
    create_pretraining_model,
    ensure_docs,
    make_update,
)
from spacy.util import load_model_from_config, registry
from thinc.api import Config, Optimizer, fix_random_seed, set_gpu_allocator

from ..corpora.reader import Corpus
from ..encoders import require_encoder, require_no_source
from ..files import write_atomically
from .blocks import has_path, read_block, require_blocks, require_epochs
from .checkpoint import (
    check_same_config,
    clean_up,
    count_schedules,
    get_random_state,
    is_finite,
    load_checkpoint,
    relevant_config,
    restore,
    same_chance,
    save_checkpoint,
    set_random_state,
)
from .judge import SELECT, JudgeEachEpoch, Verdict, judge, read_dev, require_pairs
from .model import PretrainModel
from .objective import Objective
from .survey import (
    Survey,
    require_judgeable,
    require_same_documents,
    tell_of_lone_labels,
    tell_of_unknown_labels,
    tell_of_unknown_merges,
)
from .watch import Watch

# The names of weights besides the last ones, those of `spacy pretrain` included.
OTHERS = r"model(-best|\d+|\d+\.temp)\.bin"


@dataclass
class Progress:
    """How far a run has come. All of it is kept in the checkpoint.

    epoch (int): The epoch that is under way, from 0.
    batch (int): How many of its batches are done.
    words (int): How many words were seen in all.
    loss (float): The sum of the losses of this epoch's batches.
    best (int): The best epoch so far, from 0; -1 if there is none.
    log (List[Dict[str, Any]]): What is known of each finished epoch.
    at_epoch_start (Optional[Dict[str, Any]]): The sources of chance when this epoch began.
    sizes (List[int]): How far each schedule of the batcher was when this epoch began.
    config (Dict[str, Any]): The settings that must not change when the run goes on.
    patience, select: Those of the run.
    facts (Dict[str, Any]): What stands for the documents that are learned and judged by.
    """

    epoch: int = 0
    batch: int = 0
    words: int = 0
    loss: float = 0.0
    best: int = -1
    log: List[Dict[str, Any]] = field(default_factory=list)
    at_epoch_start: Optional[Dict[str, Any]] = None
    sizes: List[int] = field(default_factory=list)
    config: Dict[str, Any] = field(default_factory=dict)
    patience: int = 0
    select: str = SELECT[0]
    facts: Dict[str, Any] = field(default_factory=dict)


class Run:
    """A run of pretraining: make it, `survey` the corpus, `resume` if it is not new, and go through
    `epochs`.

    config (Config): The whole config, interpolated.
    output (Path): The folder for weights and log.
    dev (Optional[str]): The block of the config with the corpus to judge by. If None, the dev of
        the objective's judge, or else the block corpora.dev, if it has a path.
    patience (Optional[int]): Stop when so many epochs brought nothing better, 0 for never. If None,
        as before the run was interrupted, or else as in the objective's judge.
    select (Optional[str]): What is better: the lower "loss" or the higher "accuracy". If None, as
        before, or as in the objective's judge, or else "loss".
    use_gpu (int): The GPU, -1 for none.
    """

    def __init__(
        self,
        config: Config,
        output: Path,
        *,
        dev: Optional[str] = None,
        patience: Optional[int] = None,
        select: Optional[str] = None,
        use_gpu: int = -1,
    ) -> None:
        self.output = output
        require_blocks(config)
        seed = config["training"].get("seed")
        if seed is not None:
            fix_random_seed(seed)
        allocator = config["training"].get("gpu_allocator")
        if use_gpu >= 0 and allocator:
            set_gpu_allocator(allocator)
        config["initialize"]["init_tok2vec"] = None
        self.nlp = load_model_from_config(config)
        plain = self.nlp.config.interpolate()
        self.settings = registry.resolve(plain["pretraining"], schema=ConfigSchemaPretrain)
        require_epochs(self.settings["max_epochs"])
        self.schedules = count_schedules(self.settings["batcher"])
        given = self._take_judge()
        self.asked = {"patience": patience, "select": select}
        if select not in (None, *SELECT):
            raise ValueError(f"select is {select!r}, but must be {' or '.join(SELECT)}.")
        require_encoder(self.nlp, self.settings)
        require_no_source(self.nlp, self.settings, config["components"])
        self.corpus = read_block(plain, self.settings["corpus"])
        with same_chance():
            self.dev = self._read_dev(plain, dev, given)
        if not self.dev and (patience or select):
            raise ValueError(
                f"{'--patience' if patience else '--select'} needs documents to judge by, but there "
                "are none: give a path to the block [corpora.dev], or name another block by --dev."
            )
        self.model: PretrainModel = create_pretraining_model(self.nlp, self.settings)
        self.model.heeds_marks = False
        self.optimizer: Optimizer = self.settings["optimizer"]
        self.progress = Progress(config={**relevant_config(plain), "--dev": dev})
        self._take_over({"patience": given.patience, "select": given.select} if given else {})
        # The signal that asked to stop, or 0.
        self.stopped = 0
        # The sources of chance as they were when the run was interrupted, until it has gone on.
        self.random_state: Optional[Dict[str, Any]] = None
        # How many words the first epoch has, to tell the time that is left.
        self.words_of_epoch = 0

    def _take_judge(self) -> Optional[JudgeEachEpoch]:
        """The judge of the objective, taken away from it: it is this run that judges."""
        objective = self.settings["objective"]
        if not isinstance(objective, Objective):
            raise ValueError(
                "[pretraining.objective] is none of this package, such as "
                "spacy-contrastive-ner.ContrastiveObjective.v1. For others use `spacy pretrain`."
            )
        given, objective.judge = objective.judge, None
        return given

    def _take_over(self, known: Dict[str, Any]) -> None:
        """Use settings that were made elsewhere, but for those that were asked for."""
        for name, asked in self.asked.items():
            value = known.get(name, getattr(self.progress, name)) if asked is None else asked
            setattr(self.progress, name, value)

    def _read_dev(
        self, plain: Config, dev: Optional[str], given: Optional[JudgeEachEpoch]
    ) -> List[Doc]:
        """The documents to judge by, none if nobody names any."""
        if dev is None and given is not None:
            return read_dev(given.dev, self.nlp.vocab, given.space)
        if dev is None and not has_path(plain, "corpora.dev"):
            return []
        docs = ensure_docs(read_block(plain, dev or "corpora.dev")(self.nlp))
        if not docs:
            raise ValueError(f"There are no documents to judge by in [{dev or 'corpora.dev'}].")
        return docs

    @property
    def finished(self) -> bool:
        """RETURNS (bool): Whether no epoch is left, or no patience."""
        return self.progress.epoch >= self.settings["max_epochs"] or self.out_of_patience()

    def out_of_patience(self) -> bool:
        """RETURNS (bool): Whether too many epochs brought nothing better."""
        progress = self.progress
        waited = progress.epoch - 1 - progress.best
        patience = progress.patience
        return bool(patience and self.dev and progress.log and waited >= patience)

    def survey(self) -> None:
        """Read the corpus once, whatever its weights, to know its size, and stop if nothing can be
        learned from it, or nothing can be judged."""
        watch, survey = Watch(self.model.terms), Survey(self.model.terms)
        reader, weights = self.corpus, {}
        if isinstance(self.corpus, Corpus):
            reader, weights = self.corpus.whole(), self.corpus.weights
        with same_chance():
            for example in reader(self.nlp):
                docs = ensure_docs([example])
                watch.see(docs)
                survey.see(docs)
        watch.end_epoch()
        # The rest of an epoch that goes on may well hold no pairs.
        self.model.watch.satisfied = True
        self.words_of_epoch = survey.words_of_epoch(weights)
        dev = Survey(self.model.terms).see(self.dev)
        tell_of_lone_labels(survey)
        tell_of_unknown_merges(survey, dev)
        if self.dev:
            require_judgeable(self.model.term_names, survey, dev)
            require_pairs(self.model.terms, self.dev)
            tell_of_unknown_labels(survey, dev)
        facts = {"training documents": survey.facts(), "documents to judge by": dev.facts()}
        require_same_documents(self.progress.facts, facts)
        self.progress.facts = facts

    def resume(self) -> None:
        """Go on from the checkpoint in the output folder. If the run was killed while it saved,
        the other files are brought up to it."""
        state = load_checkpoint(self.output)
        check_same_config(state, self.progress.config, self.output)
        require_same_documents(state["progress"]["facts"], self.progress.facts)
        restore(state, self.model, self.optimizer, self.output)
        clean_up(self.output)
        # Some settings may be others now.
        self.progress = Progress(**{**state["progress"], "config": self.progress.config})
        self._take_over(state["progress"])
        before, select = state["progress"]["select"], self.progress.select
        if select != before and self.progress.best >= 0:
            raise ValueError(
                f"The best weights in {self.output} were selected by {before!r}, and those of other "
                f"epochs are not kept: resume with --select {before}, or start anew in another folder."
            )
        self.model.n_epochs = self.progress.epoch
        for schedule, n in zip(self.schedules, self.progress.sizes):
            schedule.advance(n)
        self.random_state = state["random"]
        self._publish()

    def epochs(self) -> Iterator[int]:
        """Run, epoch by epoch. Save, judge, and stop when it is time.

        YIELDS (int): The number of an epoch that is finished, from 0.
        """
        clean_up(self.output)
        while not self.finished and not self.stopped:
            ended = self._epoch()
            self.random_state = None
            if ended:
                self._end_epoch()
                yield self.progress.epoch - 1

    def _epoch(self) -> bool:
        """Learn from the batches of one epoch, apart from those that were done before. Tells
        whether it came to its end."""
        progress, model = self.progress, self.model
        skip = progress.batch
        self._begin_epoch()
        number = -1
        for number, batch in enumerate(self.settings["batcher"](self.corpus(self.nlp))):
            if number < skip:
                if number == skip - 1:
                    # Go on where the run was when these batches were done.
                    set_random_state(self.random_state)
                continue
            docs = ensure_docs(batch)
            progress.loss += make_update(model, docs, self.optimizer, model.attrs["loss"])
            progress.batch += 1
            progress.words += sum(len(doc) for doc in docs)
            self.on_batch(docs)
            if model.n_batches == 0 and model.n_epochs == progress.epoch:
                every = self.settings["n_save_every"]
                if self.stopped or (every and progress.batch % every == 0):
                    self.save()
                if self.stopped:
                    return False
        if number + 1 < skip:
            raise ValueError(
                f"The run was interrupted after {skip} batches of epoch {progress.epoch + 1}, which "
                f"has only {number + 1} now: the corpus has changed. Start anew in another folder."
            )
        return True

    def _begin_epoch(self) -> None:
        """Bring reader and sources of chance to where the epoch begins, or began."""
        progress = self.progress
        for part in (self.corpus, self.settings["batcher"]):
            # Those of this package; others begin each epoch by Python's and NumPy's sources of chance.
            if hasattr(part, "epoch"):
                part.epoch = progress.epoch
        if progress.batch:
            set_random_state(progress.at_epoch_start)
        else:
            set_random_state(self.random_state)
            progress.at_epoch_start = get_random_state()
            progress.sizes = [schedule.n for schedule in self.schedules]

    def on_batch(self, docs: List[Doc]) -> None:
        """Called after each batch, for whoever shows progress."""

    def _end_epoch(self) -> None:
        """Judge and save."""
        progress, model = self.progress, self.model
        if model.n_epochs == progress.epoch:
            # The reader did not say that the epoch ended.
            model.end_epoch(self.optimizer)
        self._require_finite()
        entry: Dict[str, Any] = {
            "epoch": progress.epoch,
            "words": progress.words,
            "loss": progress.loss / max(1, progress.batch),
            "updates": model.n_updates,
        }
        is_best = not self.dev
        if self.dev:
            with model.use_params(self.optimizer.averages):
                verdict = judge(model, self.dev)
            entry.update(verdict.to_dict())
            is_best = verdict.better_than(self._best_verdict(), progress.select)
        if is_best:
            progress.best = progress.epoch
        entry["best"] = is_best
        progress.log.append(entry)
        progress.epoch += 1
        progress.batch, progress.loss = 0, 0.0
        progress.sizes = [schedule.n for schedule in self.schedules]
        self.save()

    def _best_verdict(self) -> Optional[Verdict]:
        """What was found in the best epoch."""
        best = self.progress.best
        return None if best < 0 else Verdict.from_dict(self.progress.log[best])

    def _require_finite(self) -> None:
        """Stop rather than save weights from which nothing can be learned any more."""
        if not is_finite(self.model):
            raise ValueError(
                "[pretraining] The weights are not finite (NaN or infinite) any more: training "
                "diverged. Nothing of this is saved. Lower the learning rate or clip gradients, "
                "and start anew in another folder."
            )

    def save(self) -> None:
        """Write what is needed to go on, and then all that follows from it."""
        self._require_finite()
        save_checkpoint(self.output, self.model, self.optimizer, self.progress.__dict__)
        self._publish()

    def _publish(self) -> None:
        """Write the weights and the log as they are at the checkpoint."""
        progress = self.progress
        names = ["model-last.bin"]
        if progress.log and not progress.batch:
            epoch, every = progress.epoch - 1, self.settings["n_save_epoch"]
            if progress.best == epoch:
                names.insert(0, "model-best.bin")
            if every and epoch % every == 0:
                names.append(f"model{epoch}.bin")
        if progress.epoch + bool(progress.batch) <= 1:
            # Whatever else there is, is of a run in whose place this one was begun.
            for path in self.output.glob("model*.bin"):
                if path.name not in names and re.fullmatch(OTHERS, path.name):
                    path.unlink()
        with self.model.use_params(self.optimizer.averages):
            weights = self.model.get_ref("tok2vec").to_bytes()
        for name in names:
            write_atomically(self.output / name, weights)
        lines = "".join(srsly.json_dumps(entry) + "\n" for entry in progress.log)
        write_atomically(self.output / "log.jsonl", lines.encode("utf8"))

    @contextmanager
    def stop_on_signals(self) -> Iterator[None]:
        """Let Ctrl-C, being asked to end, and a terminal that hangs up, save and stop; to be asked
        again stops at once."""

        def stop(number: int, frame: Any) -> None:
            if self.stopped:
                raise KeyboardInterrupt
            self.stopped = number

        kinds = [signal.SIGINT, signal.SIGTERM]
        hangup = getattr(signal, "SIGHUP", None)  # there is none on Windows
        if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:  # as by nohup
            kinds.append(hangup)
        try:
            before = [signal.signal(kind, stop) for kind in kinds]
        except ValueError:  # not in the main thread
            yield
            return
        try:
            yield
        finally:
            for kind, handler in zip(kinds, before):
                signal.signal(kind, handler)
