"""The grammar that the sample corpus in `assets/sample` is made of; see `make_sample.py`."""
