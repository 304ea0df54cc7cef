"""Freed memory stays with the process."""

import platform
import subprocess
import sys

import pytest

# The pages that batches fetch: each takes 20 MB in arrays of 1 MB, and frees them.
BATCHES = """
import resource, numpy
from spacy_contrastive_ner.memory import keep_freed_memory
if {keep}:
    keep_freed_memory()
pages = []
for _ in range(5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [numpy.ones(2**17) for _ in range(20)]
    del arrays
    pages.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(pages[-1])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc")
def test_freed_memory_is_kept(monkeypatch):
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    pages = {}
    for keep in (False, True):
        code = BATCHES.format(keep=keep)
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        pages[keep] = int(run.stdout)
    assert pages[True] < 100 < pages[False]
