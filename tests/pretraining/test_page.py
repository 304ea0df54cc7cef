"""The examples of docs/pretraining.md work, and its commands lead from stage 1 to stage 2."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from confection import Config
from spacy.tokens import Doc, DocBin, Span
from spacy.util import registry

from spacy_contrastive_ner.pretraining.objective import Objective

from ..util import TEXTS

PAGE = (Path(__file__).parents[2] / "docs" / "pretraining.md").read_text(encoding="utf8")
BLOCKS = re.findall(r"```ini\n(.*?)```", PAGE, flags=re.DOTALL)
COMMANDS = re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize("commands", COMMANDS)
def test_the_commands(commands, tmp_path):
    """With a config that is written, and with one by hand."""
    vocab = spacy.blank("en").vocab
    docs = []
    for text, spans in TEXTS * 4:
        doc = Doc(vocab, words=text.split())
        doc.spans["sc"] = [Span(doc, *span) for span in spans]
        docs.append(doc)
    for name in ("train", "dev"):
        DocBin(docs=docs).to_disk(tmp_path / f"{name}.spacy")
    (tmp_path / "stage1.cfg").write_text(BLOCKS[0])
    outputs = []
    for line in commands.strip().splitlines():
        command = shlex.split(line)[1:]
        if command[3] == "pretrain":
            command += ["--pretraining.max_epochs", "2"]
        if command[2] == "train":
            command += ["--training.max_steps", "4", "--training.eval_frequency", "2"]
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        outputs.append(done.stdout)
    assert "model-best.bin" in outputs[1]
    nlp = spacy.load(tmp_path / "training" / "model-last")
    assert nlp.pipe_names == ["tok2vec", "contrastive_ner"]
    command = [sys.executable, "-m", "spacy", "contrastive", "evaluate"]
    command += ["training/model-last", "dev.spacy"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    assert "Encoder started from pretrained/model-best.bin (init_tok2vec)" in " ".join(told.split())


@pytest.mark.parametrize("block", range(1, len(BLOCKS)))
def test_each_block_resolves(block):
    config = Config().from_str(BLOCKS[block])
    if "corpora" in config:
        corpus = registry.resolve(config["corpora"])["pretrain"]
        assert corpus.names == ["mine", "biomedical", "tweets"]
    elif "components" in config:
        assert config["pretraining"]["component"] in config["components"]
        assert registry.resolve(config["pretraining"])["optimizer"].learn_rate == 0.00005
    elif "judge" in config["pretraining"]["objective"]:
        judge = registry.resolve(config["pretraining"]["objective"])["judge"]
        assert judge.patience == 5
    else:
        objective = registry.resolve(config["pretraining"])["objective"]
        assert isinstance(objective, Objective) and len(objective.terms) == 2


def test_the_table_of_objectives_is_right():
    """Each row names losses and settings that there are."""
    parameters = set()
    for name in ("ContrastiveObjective", "InfoNCE", "GaussianKL", "DistanceLogistic", "SupCon"):
        for kind in ("architectures", "losses"):
            full = f"spacy-contrastive-ner.{name}.v1"
            if registry.has(kind, full):
                make = getattr(registry, kind).get(full)
                parameters.update(make.__code__.co_varnames[: make.__code__.co_argcount])
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and ".v1" in line]
    named = {name for row in rows for name in re.findall(r"`(\w+) = ", row)}
    assert named and named <= parameters
