"""Episodes are run with a pipe as somebody would by hand, and leave it as it was."""

import warnings

import pytest
import spacy
from spacy.tokens import Doc

from spacy_contrastive_ner.evaluation.episodes import Episode, Request, draw_episodes
from spacy_contrastive_ner.evaluation.evaluate import Annotation
from spacy_contrastive_ner.evaluation.few_shot import FewShots, Outcome, describe_outcome, summarise
from spacy_contrastive_ner.evaluation.gold import Gold, Source, gold_of
from spacy_contrastive_ner.evaluation.predictor import choose_pipe
from spacy_contrastive_ner.evaluation.scores import Score

from ..util import TOK2VEC, make_examples, make_pipeline, train

WORDS = {
    "DRINK": ("red wine", "beer"),
    "TOOL": ("saw", "big hammer"),
    "BIRD": ("owl", "grey heron"),
}
FRAMES = ("she saw {} there", "they have {}", "{} is in London", "a {} and no more")
# A label that is in each text, and no part of most episodes.
THERE = ("London", "GPE")


def texts():
    for label, words in WORDS.items():
        for word in words:
            for frame in FRAMES:
                before = frame[: frame.index("{")].split()
                text = frame.format(word)
                start = len(before)
                spans = [(start, start + len(word.split()), label)]
                if THERE[0] in text:
                    last = len(text.split()) - 1
                    spans.append((last, last + 1, THERE[1]))
                yield text, spans


def golds_of(nlp, some):
    docs = [example.reference for example in make_examples(nlp, some)]
    return [gold_of(doc, Source(), str(i)) for i, doc in enumerate(docs)]


@pytest.fixture(scope="module")
def saved():
    nlp = make_pipeline()
    train(nlp, steps=30)
    return nlp.to_bytes()


@pytest.fixture
def nlp(saved):
    return make_pipeline().from_bytes(saved)


def bi_encoder(steps=20):
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    model = {"@architectures": "spacy-contrastive-ner.BiEncoder.v1", "tok2vec": TOK2VEC}
    nlp.add_pipe("contrastive_ner", config={"model": model})
    train(nlp, steps=steps)
    return nlp


def runner_of(nlp, some=None, **how):
    golds = golds_of(nlp, texts() if some is None else some)
    return FewShots(nlp, choose_pipe(nlp), golds, use_tokens=True, **how)


def by_hand(nlp, episode, decoder):
    """Counts of the episode with a pipe that sees nothing else."""
    pipe, all_texts = nlp.get_pipe("contrastive_ner"), list(texts())
    picked = [
        (text, [span for span in spans if span[2] in episode.labels]) for text, spans in all_texts
    ]
    pipe.remember(make_examples(nlp, [picked[i] for i in episode.support]), labels=episode.labels)
    pipe.cfg["decoder"] = decoder
    scores = {label: Score() for label in episode.labels}
    for i in episode.queries:
        doc = nlp(Doc(nlp.vocab, words=picked[i][0].split()))
        found = {(span.start, span.end, span.label_) for span in doc.spans["sc"]}
        for label, score in scores.items():
            gold = {span for span in picked[i][1] if span[2] == label}
            mine = {span for span in found if span[2] == label}
            score.add(Score(len(gold), len(mine), len(gold & mine), len(gold & mine)))
    return scores


@pytest.mark.parametrize("with_heads", [False, True])
def test_episodes_are_run_as_by_hand(saved, with_heads):
    nlp = make_pipeline().from_bytes(saved)
    runner = runner_of(nlp, with_heads=with_heads)
    assert runner.decoder == ("posterior" if with_heads else "nearest")
    counts, unfit = runner.count()
    assert unfit == 0 and counts[2] == {"DRINK": 1, "GPE": 1}
    episodes = draw_episodes(counts, 4, Request(2, 2, 3))
    outcomes = [runner.run(episode) for episode in episodes]
    for episode, outcome in zip(episodes, outcomes):
        fresh = make_pipeline().from_bytes(saved)
        assert outcome.labels == by_hand(fresh, episode, runner.decoder)
    # What came before does not matter.
    assert runner.run(episodes[-1]) == outcomes[-1]
    assert any(score.found for outcome in outcomes for score in outcome.labels.values())
    assert "GPE" in {label for episode in episodes for label in episode.labels}


def joint_heads(steps=10):
    nlp = make_pipeline(model={"heads": "joint"}, decoder="viterbi")
    with warnings.catch_warnings():
        # Of nested entities one track holds one.
        warnings.simplefilter("ignore", UserWarning)
        train(nlp, steps=steps)
    return nlp


def joint_tagger(steps=10):
    nlp = make_pipeline()
    tagger = nlp.get_pipe_config("contrastive_ner")["model"]
    nlp.remove_pipe("contrastive_ner")
    objective = {
        "@architectures": "spacy-contrastive-ner.ContrastiveObjective.v1",
        "loss": {"@losses": "spacy-contrastive-ner.InfoNCE.v1"},
        "projection": None,
    }
    joint = "spacy-contrastive-ner.JointTagger.v1"
    model = {"@architectures": joint, "tagger": tagger, "objective": objective}
    nlp.add_pipe("contrastive_ner", config={"model": model})
    train(nlp, steps=steps)
    return nlp


@pytest.mark.parametrize("make", [joint_heads, joint_tagger])
@pytest.mark.parametrize("with_heads", [False, True])
def test_other_taggers(make, with_heads):
    nlp = make()
    runner = runner_of(nlp, with_heads=with_heads)
    episode = Episode(["BIRD", "GPE"], [2, 16, 20], [6, 17, 22])
    outcome = runner.run(episode)
    assert outcome.labels == by_hand(nlp, episode, runner.decoder)
    assert outcome.labels["BIRD"].predicted


@pytest.mark.parametrize("make", [None, bi_encoder])
def test_the_pipe_is_as_it_was(make, nlp):
    nlp = nlp if make is None else make()
    pipe = nlp.get_pipe("contrastive_ner")
    if make is None:
        pipe.remember(make_examples(nlp, [("cold tea", [(0, 2, "TEA")])]))
    model, cfg = pipe.model, dict(pipe.cfg)
    before = pipe.to_bytes(exclude=["vocab"])
    runner = runner_of(nlp)
    assert runner.trained_labels() == ["GPE", "ORG", "PER"]
    runner.run(Episode(["BIRD", "DRINK"], [0, 16], [1, 5, 17]))
    assert pipe.to_bytes(exclude=["vocab"]) == before and pipe.model is model and pipe.cfg == cfg
    # Also if something goes wrong.
    pipe.set_annotations = None
    with pytest.raises(TypeError):
        runner.run(Episode(["DRINK"], [0], [1]))
    assert pipe.to_bytes(exclude=["vocab"]) == before and pipe.model is model and pipe.cfg == cfg


def test_bi_encoder():
    nlp = bi_encoder()
    runner = runner_of(nlp)
    assert runner.way == "vectors"
    episode = Episode(["BIRD", "DRINK"], [0, 4, 16, 20], [1, 5, 17, 21])
    outcome = runner.run(episode)
    pipe, all_texts = nlp.get_pipe("contrastive_ner"), list(texts())
    for label, numbers in (("BIRD", (16, 20)), ("DRINK", (0, 4))):
        docs = [Doc(nlp.vocab, words=all_texts[i][0].split()) for i in numbers]
        spans = [
            doc[all_texts[i][1][0][0] : all_texts[i][1][0][1]] for i, doc in zip(numbers, docs)
        ]
        pipe.add_label(label, examples=spans)
    for label in episode.labels:
        found = gold = right = 0
        for i in episode.queries:
            doc = nlp(Doc(nlp.vocab, words=all_texts[i][0].split()))
            mine = {(s.start, s.end, s.label_) for s in doc.spans["sc"] if s.label_ == label}
            own = {span for span in all_texts[i][1] if span[2] == label}
            found, gold, right = found + len(mine), gold + len(own), right + len(mine & own)
        assert outcome.labels[label] == Score(gold, found, right, right)
    # Wider than any span that it knows.
    wide = " ".join(["w"] * 40)
    counts, unfit = runner_of(nlp, [(wide, [(0, 40, "A"), (0, 1, "A")])]).count()
    assert counts == [{"A": 1}] and unfit == 1
    with pytest.raises(ValueError, match="a bi-encoder is given vectors"):
        runner_of(nlp, with_heads=True)


def test_a_bi_encoder_that_asks_its_memory_alone():
    """It remembers, as a tagger does."""
    nlp = bi_encoder()
    pipe = nlp.get_pipe("contrastive_ner")
    pipe.cfg["decoder"] = "nearest"
    runner = runner_of(nlp)
    assert (runner.way, runner.decoder) == ("memory", "nearest")
    episode = Episode(["BIRD", "DRINK"], [0, 4, 16, 20], [1, 5, 17, 21])
    outcome = runner.run(episode)
    assert outcome.labels == by_hand(nlp, episode, "nearest")
    assert outcome.labels["DRINK"].found and runner.trained_labels() == ["GPE", "ORG", "PER"]
    # Vectors are given to one whose memory is empty.
    pipe.cfg["decoder"] = "posterior"
    runner = runner_of(nlp)
    before = pipe.to_bytes(exclude=["vocab"])
    with_memory = runner.run(episode)
    assert pipe.to_bytes(exclude=["vocab"]) == before and pipe.memory["tokens"]
    pipe.forget()
    assert runner_of(nlp).run(episode) == with_memory


def test_what_cuts_a_token_and_what_is_unknown(nlp):
    """Mentions that cannot be shown are unknown, and so is what is marked so; neither is no entity."""
    entities = [(((0, 2),), "A"), (((4, 6),), "A")]
    # Unknown for the label, for one that is nowhere and so for all, and for another one.
    missing = [(8, 9, "A"), (10, 11, "X"), (4, 5, "GPE")]
    gold = Gold("1", "abc de fg h", Annotation(entities, missing))
    runner = FewShots(nlp, choose_pipe(nlp), [gold, gold])
    assert runner.count() == ([{"A": 1}, {"A": 1}], 2)
    doc = nlp.make_doc(gold.text)
    example = runner._example(0, doc, runner._shown(0, doc, ["A"]), ["A"])
    assert [span.text for span in example.reference.spans["sc"]] == ["de"]
    unknown = [(s.start, s.end, s.label_) for s in example.reference.spans["missing"]]
    assert sorted(unknown) == [(0, 1, "A"), (2, 3, "A"), (3, 4, "")]
    # That it is done: of the four tokens one is remembered.
    told = []
    remember = runner.pipe.remember
    runner.pipe.remember = lambda *args, **kwargs: told.append(remember(*args, **kwargs)) or told[0]
    assert runner.run(Episode(["A"], [0], [1])).labels["A"].support == 2
    assert (told[0].tokens, told[0].unknown) == (1, 3)


def test_a_query_may_be_unknown(nlp):
    some = list(texts())
    runner = runner_of(nlp, some)
    episode = Episode(["DRINK"], [0], [0])
    whole = runner.run(episode)
    assert whole.labels["DRINK"] == Score(1, 1, 1, 1) and whole.unjudged == 0
    gold = runner.golds[0]
    unknown = Annotation([], [(0, len(gold.text), "")])
    runner.golds = [*runner.golds, gold._replace(annotation=unknown)]
    outcome = runner.run(episode._replace(queries=[len(some)]))
    assert outcome.labels["DRINK"] == Score() and outcome.unjudged == 1


def test_what_the_pipe_has_no_room_for_is_counted(nlp):
    # Three of a label over each other; two layers there are.
    stack = ("a b c d", [(0, 4, "A"), (0, 3, "A"), (0, 2, "A")])
    runner = runner_of(nlp, [stack, ("a b", [(0, 2, "A")])])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = runner.run(Episode(["A"], [0], [1]))
    assert outcome.lost == 1 and outcome.left_out == 0
    nlp.get_pipe("contrastive_ner").model.get_ref("memory").attrs["max_tokens"] = 3
    assert runner.run(Episode(["A"], [0], [1])).left_out == 1


def test_pipes_before_it_see_the_documents():
    nlp = make_pipeline()
    nlp.remove_pipe("contrastive_ner")
    nlp.add_pipe("tok2vec")
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96, "upstream": "tok2vec"}
    nlp.add_pipe("contrastive_ner", config={"model": {"tok2vec": listener}})
    nlp.add_pipe("sentencizer")
    train(nlp, steps=5)
    names = nlp.pipe_names
    outcome = runner_of(nlp).run(Episode(["DRINK"], [0], [1]))
    assert outcome.labels["DRINK"].support == 1 and nlp.pipe_names == names


def test_pipes_that_cannot_be_shown_labels():
    nlp = spacy.blank("en")
    nlp.add_pipe("span_ruler", config={"spans_key": "sc"})
    with pytest.raises(
        ValueError, match=r"'span_ruler' .* cannot be shown labels without training"
    ):
        FewShots(nlp, choose_pipe(nlp), [])
    nlp = make_pipeline(decoder="nearest")
    with pytest.raises(ValueError, match="its decoder is 'nearest'"):
        FewShots(nlp, choose_pipe(nlp), [], with_heads=True)


def test_the_summary():
    def outcome(**labels):
        episode = Episode(sorted(labels), [0], [1])
        scores = {
            name: Score(2, right + wrong, right, right) for name, (right, wrong) in labels.items()
        }
        return Outcome(episode, scores, 1, 0, 2)

    some = [outcome(A=(2, 0), B=(0, 0)), outcome(A=(1, 1), C=(2, 2))]
    found = summarise(some)
    # Micro F: 4 / 6 and 6 / 10; macro: (1 + 0) / 2 and (1 / 2 + 2 / 3) / 2.
    assert found["micro"]["mean"] == pytest.approx((4 / 6 + 6 / 10) / 2)
    assert found["macro"]["mean"] == pytest.approx((1 / 2 + 7 / 12) / 2)
    assert (found["micro"]["min"], found["micro"]["max"]) == pytest.approx((0.6, 4 / 6))
    # Two values: 12.7062 times half of their difference, cut to 0 and 1.
    assert found["micro"]["low"] == pytest.approx(0.63333 - 12.7062 / 30, abs=1e-4)
    assert found["micro"]["high"] == 1
    assert found["labels"]["A"]["mean"] == 0.75 and found["labels"]["A"]["episodes"] == 2
    only = {"episodes": 1, "mean": 0, "low": None, "high": None, "min": 0, "max": 0}
    assert found["labels"]["B"] == only
    assert found["pooled"]["micro"]["right"] == 5 and found["pooled"]["labels"]["A"]["support"] == 4
    assert (found["lost"], found["left_out"], found["unjudged"]) == (2, 0, 4)
    each = describe_outcome(some[0], [{"A": 3, "D": 1}, {"B": 1, "A": 1}])
    assert each["support"] == {"documents": [0], "mentions": {"A": 3, "B": 0}}
    assert each["queries"] == {"documents": [1], "mentions": {"A": 1, "B": 1}}
    assert each["micro"]["f"] == pytest.approx(4 / 6)
