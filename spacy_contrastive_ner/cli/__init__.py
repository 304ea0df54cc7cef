"""The commands of `python -m spacy contrastive`, one a file."""
