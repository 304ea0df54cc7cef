"""Trained pipelines that a command changes without training: annotated data for them, and where they go."""

from pathlib import Path
from typing import Any, List, Optional, Tuple

from spacy.language import Language
from spacy.training import Example

from ..component import ContrastiveNER
from ..corpora.reader import make_corpus
from ..corpora.sources import find_files
from ..evaluation.predictor import choose_pipe
from ..files import require_free
from .model_scores import load_model


def open_pipeline(model: str, pipe: Optional[str], what: str) -> Tuple[Language, str, Any]:
    """Load a pipeline, and find the pipe that is to be changed.

    model (str): Its name or path.
    pipe (Optional[str]): The name of the pipe, if it is not the only one.
    what (str): What is to be changed.
    RETURNS (Tuple[Language, str, Any]): The pipeline, the name of the pipe, and the pipe.
    """
    nlp = load_model(model)
    name = choose_pipe(nlp, pipe).name
    component = nlp.get_pipe(name)
    if not isinstance(component, ContrastiveNER):
        raise ValueError(f"The pipe {name!r} has no {what}: it is none of this package.")
    return nlp, name, component


def check_folder(output: Path) -> None:
    """Stop before the work is done if its result cannot be written."""
    require_free(output, "to write the pipeline to")


def check_data(path: Path, what: str) -> None:
    """Stop before the work is done if there are no documents to do it with.

    path (Path): A file of documents, or a folder of such.
    what (str): The argument or option that names it.
    """
    find_files(path, what, "it is given on the command line")


def read_examples(nlp: Language, name: str, path: Path) -> List[Example]:
    """Read annotated documents, and have the pipes before this one see them.

    nlp (Language): The pipeline.
    name (str): The name of the pipe.
    path (Path): A file of documents, or a folder of such.
    RETURNS (List[Example]): The examples.
    """
    examples = list(make_corpus(path, shuffle=False)(nlp))
    before = nlp.pipe_names[: nlp.pipe_names.index(name)]
    with nlp.select_pipes(enable=before):
        for _ in nlp.pipe([example.predicted for example in examples]):
            pass
    return examples


def configure(nlp: Language, name: str, setting: str, value: Any) -> None:
    """Change a setting, and have the config of the pipeline say so, by which another value that is given
    where it is loaded is known to be another.

    nlp (Language): The pipeline.
    name (str): The name of the pipe.
    setting (str): The name of the setting.
    value (Any): What it is set to.
    """
    component: Any = nlp.get_pipe(name)
    nlp.get_pipe_config(name)[setting] = value
    component.cfg[setting] = component.cfg["configured"][setting] = value
