import json
import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

import spacy
import typer
from jinja2 import Environment, StrictUndefined
from spacy.cli._util import Arg, Opt
from spacy.cli.init_config import RECOMMENDATIONS
from thinc.api import Config
from wasabi import Printer

from ..files import write_atomically
from .app import app
from .failing import failing

TEMPLATE = Path(__file__).parent / "templates" / "config.jinja"

SYSTEMS = ("default", "coner", "nerco", "gaussian", "binder", "sng")

# What stage 1 leaves, for stage 2.
WEIGHTS = "--paths.init_tok2vec pretrained/model-best.bin"

# Published without a stage 1. Their configs have one to be tried.
ONE_STAGE = ("binder", "sng")
OPTIMIZE = ("speed", "accuracy")
CNN, TRANSFORMER = "cnn", "transformer"

# Where spaCy recommends no transformer. The one for Russian is that of CoNER. spaCy's own choice for
# all other languages does not tell upper from lower case, by which names are known.
ENCODERS = {"ru": "DeepPavlov/rubert-base-cased"}
MULTILINGUAL = "xlm-roberta-base"

# What a model on the Hugging Face hub can be called.
HUB_NAME = re.compile(r"\w[\w.-]*(/[\w.-]+)?")

NEEDED = ("spacy_transformers", "transformers", "torch")


class Choice(NamedTuple):
    """What a config is written for.

    lang (str): The language.
    encoder (str): "cnn", or else the name or folder of a transformer.
    system (str): One of `SYSTEMS`.
    optimize (str): One of `OPTIMIZE`.
    pretraining (bool): Whether there is a stage 1.
    gpu (bool): Whether it will run on a GPU.
    options (str): The options of the command that ask for it.
    """

    lang: str = "en"
    encoder: str = CNN
    system: str = "default"
    optimize: str = OPTIMIZE[0]
    pretraining: bool = True
    gpu: bool = False
    options: str = ""


@app.command("init-config", no_args_is_help=True)
def init_config_cli(
    output_file: Path = Arg(
        ..., help="Config to write, or - for stdout (the config and nothing else)", allow_dash=True
    ),
    lang: str = Opt("en", "--lang", "-l", help="Language, by its code in spaCy; xx for any other"),
    encoder: str = Opt(
        CNN,
        "--encoder",
        "-e",
        help="cnn: small and fast on a CPU. transformer: one that suits the language, for a GPU. Or the name of a transformer on the Hugging Face hub, or a folder with one",
    ),
    system: str = Opt(
        "default",
        "--system",
        "-s",
        help="default, coner, nerco, gaussian, binder or sng; see above",
    ),
    optimize: str = Opt(
        OPTIMIZE[0],
        "--optimize",
        "-o",
        help="speed: a small encoder, short training. accuracy: a larger CNN or more context for a transformer, longer training",
    ),
    pretraining: bool = Opt(
        True,
        "--pretraining/--no-pretraining",
        help="With or without stage 1, the [pretraining] block",
    ),
    gpu: Optional[bool] = Opt(
        None,
        "--gpu/--no-gpu",
        "-G",
        help="For a GPU: larger batches for a CNN, and --gpu-id in the commands to run [default: with a transformer]",
        show_default=False,
    ),
    force: bool = Opt(False, "--force", "-F", help="Overwrite the file if it is there"),
) -> None:
    """
    Write a config for training, and for pretraining before it, that is complete
    and explains itself: read its comments.

    \b
    default    nested, overlapping and rare entities; where to start
    coner      after CoNER: segments, then a tagger for each label
    nerco      after NerCo: InfoNCE over tokens, then a CRF for flat entities
    gaussian   after LivingNER and CONTaiNER: Gaussian tokens, then a softmax for
               flat entities
    binder     after BINDER: labels and spans in one space, with thresholds that
               depend on the text
    sng        after SNG: spans typed one by one, by word vectors trained on your
               texts (contrastive vectors)

    The encoder is shared: stage 1 trains it alone, and other pipes may listen to
    it. spaCy's own `init config` cannot wire a pipe that it does not know.

    \b
    python -m spacy contrastive init-config config.cfg
    python -m spacy contrastive init-config config.cfg --encoder transformer
    python -m spacy contrastive init-config coner.cfg -s coner -l ru -e models/rubert
    """
    is_stdout = str(output_file) == "-"
    with failing("No config was written"):
        if not is_stdout:
            _check_output(output_file, force)
        choice = choose(lang, encoder, system, optimize, pretraining, gpu)
        text = render(choice)
        if not is_stdout:
            write_atomically(output_file, text.encode("utf8"))
    if is_stdout:
        typer.echo(text, nl=False)
    else:
        _tell(choice, output_file)


def _check_output(path: Path, force: bool) -> None:
    if path.is_dir():
        raise ValueError(
            f"{path} is a folder. Name a file for the config, such as {path / 'config.cfg'}."
        )
    if path.exists() and not force:
        raise ValueError(
            f"{path} is there already. Name another file, or overwrite it with --force."
        )


def choose(
    lang: str = "en",
    encoder: str = CNN,
    system: str = "default",
    optimize: str = OPTIMIZE[0],
    pretraining: bool = True,
    gpu: Optional[bool] = None,
) -> Choice:
    """Settle what is asked for, and stop if it cannot be had.

    lang (str): The code of the language.
    encoder (str): "cnn", "transformer", or the name or folder of one.
    system (str): One of `SYSTEMS`.
    optimize (str): One of `OPTIMIZE`.
    pretraining (bool): Whether there is a stage 1.
    gpu (Optional[bool]): Whether it will run on a GPU. If None, with a transformer.
    RETURNS (Choice): What the config is written for.
    """
    if system not in SYSTEMS:
        raise ValueError(
            f"There is no system {system!r} (--system). There are: {', '.join(SYSTEMS)}."
        )
    if optimize not in OPTIMIZE:
        raise ValueError(f"--optimize is {optimize!r}, but must be {' or '.join(OPTIMIZE)}.")
    _check_lang(lang)
    found = find_encoder(encoder, lang)
    options = ["--lang", lang, "--encoder", encoder, "--system", system, "--optimize", optimize]
    options += [] if pretraining else ["--no-pretraining"]
    options += [] if gpu is None else ["--gpu" if gpu else "--no-gpu"]
    on_gpu = found != CNN if gpu is None else gpu
    return Choice(lang, found, system, optimize, pretraining, on_gpu, shlex.join(options))


def _check_lang(lang: str) -> None:
    """Stop if spaCy does not know the language, or lacks what its tokenizer needs."""
    try:
        spacy.util.get_lang_class(lang)
    except ImportError:
        raise ValueError(
            f"spaCy has no language {lang!r} (--lang). Its languages have codes such as en, de or "
            "zh; xx stands for any other."
        ) from None
    try:
        spacy.blank(lang)
    except ImportError as error:
        message = " ".join(str(error).split()).rstrip(".")
        raise ValueError(f"The tokenizer for --lang {lang} cannot be made: {message}.") from error


def find_encoder(encoder: str, lang: str) -> str:
    """Find out which encoder is meant.

    encoder (str): "cnn", "transformer", or the name or folder of one.
    lang (str): The language.
    RETURNS (str): "cnn", or the name or folder of a transformer.
    """
    if encoder == CNN:
        return CNN
    missing = [module for module in NEEDED if find_spec(module) is None]
    if missing:
        raise ValueError(
            f"A transformer needs {' and '.join(missing)}, not installed here. Install the extra: "
            "pip install 'spacy-contrastive-ner[transformers]'. Or use --encoder cnn."
        )
    if encoder == TRANSFORMER:
        return recommended(lang)
    if not encoder or "$" in encoder or not encoder.isprintable():
        raise ValueError(
            f"--encoder {encoder!r} cannot stand in a config. Name a folder otherwise, or a transformer."
        )
    folder = Path(encoder).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ValueError(
                f"The folder {encoder} holds no config.json, so there is no transformer in it. Name "
                "one that save_pretrained or `contrastive pretrain --export` wrote."
            )
        # Somebody who typed ~ gets what the shell would have made of it.
        return encoder if folder == Path(encoder) else str(folder)
    if folder.exists() or not HUB_NAME.fullmatch(encoder):
        what = "a file" if folder.exists() else "no folder, and no name that the hub could have"
        raise ValueError(
            f"--encoder {encoder} is {what}. Give {CNN}, {TRANSFORMER}, a name on the Hugging Face "
            "hub such as roberta-base, or a folder with a transformer."
        )
    return encoder


def recommended(lang: str) -> str:
    """RETURNS (str): The transformer to begin with in a language: as spaCy has it, or one for all
    languages."""
    found = (RECOMMENDATIONS.get(lang) or {}).get("transformer") or {}
    name: str = found.get("accuracy", {}).get("name", MULTILINGUAL)
    return ENCODERS.get(lang, name)


def render(choice: Choice) -> str:
    """Write the config.

    choice (Choice): What it is for.
    RETURNS (str): The text of the config, with comments.
    """
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    environment.filters["tojson"] = _quote
    language = spacy.blank(choice.lang).config
    text = environment.from_string(TEMPLATE.read_text(encoding="utf8")).render(
        lang=choice.lang,
        system=choice.system,
        transformer=choice.encoder != CNN,
        name=choice.encoder,
        accuracy=choice.optimize == "accuracy",
        pretraining=choice.pretraining,
        gpu=choice.gpu,
        options=choice.options,
        tokenizer=_block(language, "nlp", "tokenizer"),
        initialize_tokenizer=_block(language, "initialize", "tokenizer"),
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _quote(value: str) -> str:
    """A string as a config has it."""
    return json.dumps(value, ensure_ascii=False)


def _block(config: Dict[str, Any], section: str, name: str) -> str:
    """A block of the language's own config, which differs for Chinese, for instance."""
    text = Config({section: {name: config[section][name]}}).to_str()
    return text[text.index(f"[{section}.{name}]") :]


def next_steps(choice: Choice, path: Path) -> List[str]:
    """RETURNS (List[str]): The commands to run with a config that was written."""
    config, gpu = shlex.quote(str(path)), " --gpu-id 0" if choice.gpu else ""
    data = _data(choice)
    before: List[str] = []
    if _needs_vectors(choice):
        before = [
            f"python -m spacy contrastive vectors vectors.floret train.spacy --lang {choice.lang}",
            f"python -m spacy init vectors {choice.lang} vectors.floret vectors --mode floret",
        ]
    first = stage_one(choice, path)
    second = f"python -m spacy train {config} --output training {data}{gpu}"
    third = f"python -m spacy contrastive evaluate training/model-best test.spacy{gpu}"
    if not choice.pretraining or choice.system in ONE_STAGE:
        return [*before, second, third]
    return [*before, first, f"{second} {WEIGHTS}", third]


def stage_one(choice: Choice, path: Path) -> str:
    """RETURNS (str): The command for stage 1 with a config that was written."""
    config, gpu = shlex.quote(str(path)), " --gpu-id 0" if choice.gpu else ""
    data = _data(choice)
    return f"python -m spacy contrastive pretrain {config} pretrained {data} --patience 5{gpu}"


def _data(choice: Choice) -> str:
    """The options that name data."""
    data = "--paths.train train.spacy --paths.dev dev.spacy"
    return f"{data} --paths.vectors vectors" if _needs_vectors(choice) else data


def _needs_vectors(choice: Choice) -> bool:
    return choice.system == "sng" and choice.encoder == CNN


def _tell(choice: Choice, path: Path) -> None:
    """Say what was written, and what to do with it."""
    msg = Printer()
    what = "spaCy's CNN" if choice.encoder == CNN else f"the transformer {choice.encoder}"
    msg.good(f"Saved the config: {path}", f"{choice.system}, on {what}, for {choice.lang}")
    if choice.encoder != CNN and not Path(choice.encoder).is_dir():
        msg.info(
            f"There is no folder {choice.encoder} here, so it is taken for a name on the Hugging Face "
            "hub, from where it is downloaded when training starts."
        )
    if choice.encoder != CNN and not choice.gpu:
        msg.warn("Without a GPU a transformer of the usual size takes seconds for each step.")
    # Not wrapped, to be copied.
    typer.echo("\nRead its comments. With your own files in place of train.spacy and so on, run:\n")
    commands = next_steps(choice, path)
    for command in commands:
        typer.echo(command)
    if choice.pretraining and choice.system in ONE_STAGE:
        typer.echo(f"\nIt was published without stage 1. To add one, train with {WEIGHTS} after:\n")
        typer.echo(stage_one(choice, path))
    elif choice.pretraining:
        what = "`contrastive pretrain`" if "--paths.vectors" in commands[-2] else "the first"
        typer.echo(f"\nTo leave out stage 1, skip {what} and drop --paths.init_tok2vec.")
