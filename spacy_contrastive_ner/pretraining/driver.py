"""A run of pretraining, with all that `spacy pretrain` lacks: judgement, patience, resumption."""

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
    get_tok2vec_ref,
    make_update,
)
from spacy.util import dot_to_object, load_model_from_config, registry
from thinc.api import Config, Optimizer, fix_random_seed, set_gpu_allocator

from ..files import write_atomically
from .checkpoint import (
    check_same_config,
    get_random_state,
    load_checkpoint,
    relevant_config,
    restore,
    save_checkpoint,
    set_random_state,
)
from .judge import Verdict, judge
from .model import PretrainModel
from .objective import Objective
from .watch import Watch, require_no_listener


@dataclass
class Progress:
    """How far a run has come. All of it is kept in the checkpoint.

    epoch (int): The epoch that is under way, from 0.
    batch (int): How many of its batches are done.
    words (int): How many words were seen in all.
    loss (float): The sum of the losses of this epoch's batches.
    best (int): The best epoch so far, from 0; -1 if there is none.
    log (List[Dict[str, Any]]): What is known of each finished epoch.
    """

    epoch: int = 0
    batch: int = 0
    words: int = 0
    loss: float = 0.0
    best: int = -1
    log: List[Dict[str, Any]] = field(default_factory=list)
    at_epoch_start: Optional[Dict[str, Any]] = None
    config: Dict[str, Any] = field(default_factory=dict)


class Run:
    """A run of pretraining. See `pretrain`.

    config (Config): The whole config, interpolated.
    output (Path): The folder for weights and log.
    dev (Optional[str]): The block of the config with the corpus to judge by, if any.
    patience (int): Stop when so many epochs brought nothing better, 0 for never.
    select (str): What is better: the lower "loss" or the higher "accuracy".
    use_gpu (int): The GPU, -1 for none.
    """

    def __init__(
        self,
        config: Config,
        output: Path,
        *,
        dev: Optional[str],
        patience: Optional[int],
        select: Optional[str],
        use_gpu: int,
    ) -> None:
        self.output = output
        seed = config["training"]["seed"]
        if seed is not None:
            fix_random_seed(seed)
        if use_gpu >= 0 and config["training"]["gpu_allocator"]:
            set_gpu_allocator(config["training"]["gpu_allocator"])
        config["initialize"]["init_tok2vec"] = None
        self.nlp = load_model_from_config(config)
        plain = self.nlp.config.interpolate()
        self.settings = registry.resolve(plain["pretraining"], schema=ConfigSchemaPretrain)
        objective = self.settings["objective"]
        if not isinstance(objective, Objective):
            raise ValueError(
                "[pretraining.objective] is none of this package, such as "
                "spacy-contrastive-ner.ContrastiveObjective.v1. For others use `spacy pretrain`."
            )
        given, objective.judge = objective.judge, None
        self.patience = patience if patience is not None else (given.patience if given else 0)
        self.select = select or (given.select if given else "loss")
        self.corpus = self._reader(plain, self.settings["corpus"])
        self.dev: List[Doc] = []
        if dev is not None:
            self.dev = ensure_docs(self._reader(plain, dev)(self.nlp))
        self._check_encoder()
        self.model: PretrainModel = create_pretraining_model(self.nlp, self.settings)
        self.optimizer: Optimizer = self.settings["optimizer"]
        self.progress = Progress(config=relevant_config(plain))
        self.stopped = False
        self.random_state: Optional[Dict[str, Any]] = None
        # How many words the last epoch had, to tell the time that is left.
        self.words_of_epoch = 0

    @staticmethod
    def _reader(plain: Config, name: str) -> Any:
        """The reader in a block of the config."""
        try:
            block = dot_to_object(plain, name)
        except KeyError as error:
            raise ValueError(
                f"The config has no block [{name}], which is to say how documents are read."
            ) from error
        return registry.resolve({"corpus": block})["corpus"]

    def _check_encoder(self) -> None:
        """Stop if the layer to pretrain only listens to the encoder: the weights would be those of
        the encoder, but `spacy train` would load them into the listener."""
        layer = get_tok2vec_ref(self.nlp, self.settings)
        require_no_listener([(type(layer).__name__, getattr(layer, "upstream_name", None))])

    def survey(self) -> None:
        """Read the corpus once, to know its size, and stop if nothing can be learned from it."""
        watch = Watch(self.model.terms)
        random_state = get_random_state()
        epoch = getattr(self.corpus, "epoch", None)
        for example in self.corpus(self.nlp):
            docs = ensure_docs([example])
            watch.see(docs)
            self.words_of_epoch += sum(len(doc) for doc in docs)
        watch.end_epoch()
        if epoch is not None:
            self.corpus.epoch = epoch
        set_random_state(random_state)

    def resume(self) -> None:
        """Go on from the checkpoint in the output folder."""
        state = load_checkpoint(self.output)
        check_same_config(state, self.progress.config, self.output)
        restore(state, self.model, self.optimizer)
        self.progress = Progress(**state["progress"])
        self.model.n_epochs = self.progress.epoch
        self.random_state = state["random"]

    def epochs(self) -> Iterator[int]:
        """Run, epoch by epoch. Save, judge, and stop when it is time."""
        progress = self.progress
        skip = progress.batch
        while progress.epoch < self.settings["max_epochs"] and not self.stopped:
            if self.out_of_patience():
                return
            if hasattr(self.corpus, "epoch"):
                self.corpus.epoch = progress.epoch
            if skip:
                set_random_state(progress.at_epoch_start)
            else:
                set_random_state(self.random_state)
                progress.at_epoch_start = get_random_state()
            self._epoch(skip)
            self.random_state = None
            skip = 0
            if not self.stopped:
                self._end_epoch()
                yield progress.epoch - 1

    def _epoch(self, skip: int) -> None:
        """Learn from the batches of one epoch, apart from those that were done before."""
        progress, model = self.progress, self.model
        objective = model.attrs["loss"]
        for number, batch in enumerate(self.settings["batcher"](self.corpus(self.nlp))):
            if number < skip:
                continue
            if number == skip and skip:
                # Reading drew from Python's own source; the others go on where they were.
                set_random_state(self.random_state, ("numpy", "torch"))
            docs = ensure_docs(batch)
            progress.loss += make_update(model, docs, self.optimizer, objective)
            progress.batch += 1
            progress.words += sum(len(doc) for doc in docs)
            self.on_batch(docs)
            if model.n_batches == 0 and model.n_epochs == progress.epoch:
                every = self.settings["n_save_every"]
                if self.stopped or (every and progress.batch % every == 0):
                    self.save()
                if self.stopped:
                    return

    def on_batch(self, docs: List[Doc]) -> None:
        """Called after each batch, for whoever shows progress."""

    def _end_epoch(self) -> None:
        """Judge and save."""
        progress, model = self.progress, self.model
        if model.n_epochs == progress.epoch:
            # The reader did not say that the epoch ended.
            model.end_epoch(self.optimizer)
        entry: Dict[str, Any] = {
            "epoch": progress.epoch,
            "words": progress.words,
            "loss": progress.loss / max(1, progress.batch),
            "updates": model.n_updates,
        }
        is_best = False
        with model.use_params(self.optimizer.averages):
            if self.dev:
                verdict = judge(model, self.dev)
                entry.update(verdict.to_dict())
                is_best = verdict.better_than(self._best_verdict(), self.select)
            weights = model.get_ref("tok2vec").to_bytes()
        if is_best or not self.dev:
            progress.best = progress.epoch
        entry["best"] = progress.best == progress.epoch
        progress.log.append(entry)
        progress.epoch += 1
        progress.batch, progress.loss = 0, 0.0
        if entry["best"]:
            write_atomically(self.output / "model-best.bin", weights)
        every = self.settings["n_save_epoch"]
        if every and (entry["epoch"] % every == 0):
            write_atomically(self.output / f"model{entry['epoch']}.bin", weights)
        self.save(weights)

    def _best_verdict(self) -> Optional[Verdict]:
        """What was found in the best epoch."""
        return (
            None
            if self.progress.best < 0
            else Verdict.from_dict(self.progress.log[self.progress.best])
        )

    def out_of_patience(self) -> bool:
        """RETURNS (bool): Whether too many epochs brought nothing better."""
        progress = self.progress
        waited = progress.epoch - 1 - progress.best
        return bool(self.patience and self.dev and progress.log and waited >= self.patience)

    def save(self, weights: Optional[bytes] = None) -> None:
        """Write the last weights, the log, and what is needed to go on."""
        if weights is None:
            with self.model.use_params(self.optimizer.averages):
                weights = self.model.get_ref("tok2vec").to_bytes()
        write_atomically(self.output / "model-last.bin", weights)
        save_checkpoint(self.output, self.model, self.optimizer, self.progress.__dict__)
        lines = "".join(srsly.json_dumps(entry) + "\n" for entry in self.progress.log)
        write_atomically(self.output / "log.jsonl", lines.encode("utf8"))

    @contextmanager
    def stop_on_signals(self) -> Iterator[None]:
        """Let Ctrl-C, and being asked to end, save and stop; a second Ctrl-C stops at once."""

        def stop(number: int, frame: Any) -> None:
            if self.stopped:
                raise KeyboardInterrupt
            self.stopped = True

        kinds = [signal.SIGINT, signal.SIGTERM]
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
