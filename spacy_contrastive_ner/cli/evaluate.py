from pathlib import Path
from typing import Any, Dict, List, Optional

from spacy.cli._util import Arg, Opt, import_code
from spacy.language import Language
from wasabi import Printer

from ..evaluation.console import oddities, render, render_short
from ..evaluation.evaluate import Settings
from ..evaluation.gold import Gold, Source, training_of
from ..evaluation.predictor import Pipe, choose_pipe, source_of
from . import options
from .app import app
from .episodes import (
    EPISODES_FORMAT,
    EPISODES_VERSION,
    plan_episodes,
    score_episodes,
    tell_episodes,
)
from .failing import failing
from .gpu import use_gpu_or_cpu
from .model_scores import (
    FORMAT,
    VERSION,
    Corpus,
    check_ents,
    check_inputs,
    check_output,
    describe_candidates,
    describe_model,
    load_model,
    read_corpora,
    read_training,
    score_model,
)
from .output import write_json
from .typing_protocols import (
    TYPING_FORMAT,
    TYPING_VERSION,
    Protocol,
    check_protocol,
    score_typing,
    tell_typing,
)


@app.command("evaluate")
def evaluate_cli(
    model: str = options.MODEL,
    data_path: Optional[Path] = Arg(
        None, help="A .spacy file with gold, or a folder of them; not needed with --against"
    ),
    output: Optional[Path] = Opt(None, "--output", "-o", help="JSON file to write all scores to"),
    against: Optional[Path] = Opt(
        None,
        "--against",
        "-a",
        help="Records of texts and character offsets (.jsonl), as gold that need not fit tokens",
    ),
    train: Optional[Path] = options.TRAIN,
    rare: Optional[int] = options.RARE,
    rare_labels: str = Opt("", "--rare-labels", help="Labels to score apart: A,B"),
    few_shot_labels: str = Opt(
        "", "--few-shot-labels", help="Few-shot labels, A,B, for the scores of RuNNE"
    ),
    protocol: Protocol = Opt(
        Protocol.detection,
        "--protocol",
        help="detection: entities are looked for in all texts. oracle-typing: gold spans are given and only their labels asked for, as some publish it. honest-typing: the same, beside baselines (needs --train)",
    ),
    episodes: Optional[int] = Opt(
        None,
        "--episodes",
        min=1,
        help="Few-shot episodes, drawn from DATA: so many are run and scored",
    ),
    ways: Optional[int] = Opt(None, "--ways", min=1, help="Labels in an episode [default: 5]"),
    shots: Optional[int] = Opt(
        None, "--shots", min=1, help="Mentions of each label that are shown [default: 5]"
    ),
    queries: Optional[int] = Opt(
        None, "--queries", min=1, help="Mentions of each label to be found [default: 5]"
    ),
    seed: Optional[int] = Opt(None, "--seed", help="Another one draws others [default: 0]"),
    with_heads: bool = Opt(
        False, "--with-heads", help="In episodes, trained heads have a say beside the memory"
    ),
    pipe: Optional[str] = Opt(
        None, "--pipe", "-p", help="Pipe to score [default: the contrastive_ner of the model]"
    ),
    spans_key: Optional[str] = options.GOLD_KEY,
    missing_key: Optional[str] = options.GOLD_MISSING_KEY,
    encoding: str = Opt("utf-8", "--encoding", help="Encoding of --against"),
    ents: bool = Opt(False, "--ents", "-e", help="Score doc.ents against doc.ents, nothing else"),
    gold_tokens: bool = Opt(
        False, "--gold-tokens", "-G", help="Predict on the tokens of DATA, not on the model's own"
    ),
    batch_size: Optional[int] = options.BATCH_SIZE,
    n_process: int = Opt(1, "--n-process", "-n", min=1, help="Number of processes"),
    code_path: Optional[Path] = options.CODE,
    use_gpu: int = options.GPU,
    silent: bool = options.SILENT,
) -> None:
    """
    Score the entities that a model finds, nested ones too.

    What counts is the exact match of start, end and label; discontinuous
    entities are scored as a whole besides. Tells how good the model is by label,
    on rare labels, on nested and discontinuous entities, by length and by what
    was seen in training, how nearly it missed, and how fast it is. With --output
    all of it, and the counts of each document, are written as JSON.

    With --protocol oracle-typing or honest-typing gold spans are given, and only
    their labels are asked for. What comes out is no F1 of recognised entities.

    With --episodes labels of DATA are shown to the pipe in a few documents and
    looked for in others, without training, again and again.
    """
    import_code(code_path)
    with failing("The model was not evaluated"):
        check_ents(ents, spans_key)
        rest = {"--rare": rare, "--rare-labels": rare_labels, "--few-shot-labels": few_shot_labels}
        check_protocol(protocol, train, rest)
        others = {
            **{"--protocol": protocol is not Protocol.detection, "--against": against},
            **{"--train": train, **rest, "--ents": ents, "--n-process": n_process > 1},
            "--batch-size": batch_size,
        }
        plan = plan_episodes(episodes, ways, shots, queries, seed, with_heads, others)
        check_inputs(data_path, against, train)
        check_output(output, [data_path, against, train])
        use_gpu_or_cpu(use_gpu, silent)
        nlp = load_model(model)
        target = choose_pipe(nlp, pipe, ents)
        source = source_of(target, spans_key, missing_key, ents)
        settings = Settings(
            rare, options.split_names(rare_labels), options.split_names(few_shot_labels)
        )
        corpora = read_corpora(data_path, against, encoding, nlp, source)
        known = None if train is None else read_training(train, nlp, source)
        if plan is not None:
            head = {"format": EPISODES_FORMAT, "version": EPISODES_VERSION, "protocol": "episodes"}
            scored = [score_episodes(nlp, corpora[0], target, plan, gold_tokens, silent)]
        elif protocol is Protocol.detection:
            how = {"batch_size": batch_size, "n_process": n_process, "use_tokens": gold_tokens}
            head = {"format": FORMAT, "version": VERSION, "protocol": protocol.value}
            scored = _detect(nlp, corpora, target, source, settings, known, how, silent)
        else:
            head = {"format": TYPING_FORMAT, "version": TYPING_VERSION, "protocol": protocol.value}
            known = known if protocol is Protocol.honest_typing else None
            scored = [
                score_typing(nlp, some, target, known, gold_tokens, silent) for some in corpora
            ]
        result = {**head, "model": describe_model(nlp, model, target), **scored[0]}
        if plan is None:
            result["against"] = scored[1] if len(scored) > 1 else None
        if output is not None:
            write_json(output, result)
    if not silent:
        _tell_protocol(result)
        if output is not None:
            Printer().good(f"All scores are in {output}")


def _detect(
    nlp: Language,
    corpora: List[Corpus],
    target: Pipe,
    source: Source,
    settings: Settings,
    known: Optional[List[Gold]],
    how: Dict[str, Any],
    silent: bool,
) -> List[Dict[str, Any]]:
    """Have entities found in each corpus, and score them; tell what was looked at."""
    if known is not None:
        settings = settings._replace(training=training_of(known))
    found: List[Dict[str, Any]] = []
    for some in corpora:
        scores = score_model(nlp, some, target, source, settings, how, silent)
        found.append({**scores, **describe_candidates(nlp, some, target, how["use_tokens"])})
    return found


def _tell_protocol(result: Dict[str, Any]) -> None:
    """Print what there is of this protocol."""
    if result["format"] == EPISODES_FORMAT:
        tell_episodes(result)
    elif result["format"] == FORMAT:
        _tell(result)
    else:
        tell_typing(result)
        if result["against"] is not None:
            protocol = f"{result['protocol']}, character offsets"
            tell_typing({**result["against"], "protocol": protocol})


def _tell(result: Dict[str, Any]) -> None:
    """Print all, and what is out of the ordinary."""
    print(render(result))
    _tell_oddities(result)
    against = result["against"]
    if against is not None:
        print(render_short(against, "Against character offsets"))
        _tell_oddities(against)


def _tell_oddities(found: Dict[str, Any]) -> None:
    msg = Printer()
    for is_bad, text, examples in oddities(found):
        (msg.warn if is_bad else msg.info)(text, "\n".join(examples) or None)
