import typer
from spacy.cli._util import app as spacy_app

HELP = """Contrastive pretraining and nested entities: the commands of spacy-contrastive-ner."""

app = typer.Typer(name="contrastive", help=HELP, no_args_is_help=True, add_completion=False)
spacy_app.add_typer(app)

# Importing a command adds it.
from . import (  # noqa: E402, F401
    annotate,
    compare,
    convert,
    evaluate,
    info,
    init_config,
    pretrain,
    remember,
    report,
    tune,
    vectors,
)
