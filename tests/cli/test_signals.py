"""Commands that are asked to end in the middle of their work."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from spacy_contrastive_ner.cli.signals import NAMES, ending_cleanly

SIGNALS = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
COMMAND = [sys.executable, "-m", "spacy", "contrastive"]
# The command is asked to end while it makes its file safe: the file beside is there, and whole.
IN_THE_MIDDLE = """
import os, signal, sys
from spacy.cli import setup_cli
os.fsync = lambda handle: (print(os.listdir(), flush=True), os.kill(os.getpid(), signal.SIGTERM))
setup_cli()
"""


@pytest.fixture
def outcome(capsys):
    """Runs something as the body of a command: its exit code, and what is told."""

    def run(body):
        before = [signal.getsignal(number) for number in SIGNALS]
        with pytest.raises(SystemExit) as stopped, ending_cleanly("Told"):
            body()
        assert [signal.getsignal(number) for number in SIGNALS] == before
        assert "Told" in "".join(capsys.readouterr())
        return stopped.value.code

    return run


def send(number):
    """Send a signal to this process; Python sees to it at once."""
    os.kill(os.getpid(), number)
    time.sleep(0)


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_become_exceptions(outcome, number):
    cleaned = []

    def body():
        try:
            send(number)
        finally:
            # Asked again, it goes on with this.
            send(number)
            cleaned.append(True)
        cleaned.append("came after")

    assert outcome(body) == 128 + number
    assert cleaned == [True]


def test_interrupts_of_the_keyboard(outcome):
    def body():
        raise KeyboardInterrupt

    assert outcome(body) == 130


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_exceptions_that_get_lost(outcome):
    class Lost:
        def __del__(self):
            send(signal.SIGTERM)

    assert outcome(lambda: Lost() and None) == 143


def test_results_and_errors_pass():
    @ending_cleanly("Told")
    def command(value):
        return 1 / value

    assert command(2) == 0.5 and command.__name__ == "command"
    with pytest.raises(ZeroDivisionError):
        command(0)
    assert command(4) == 0.25


def test_ignored_signals_stay_so():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with ending_cleanly("Told"):
            send(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads():
    done = []

    def work():
        with ending_cleanly("Told"):
            done.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.getsignal(signal.SIGTERM)]


def test_convert_is_killed_in_the_middle(tmp_path):
    record = {"text": "Anna met Bob in Paris. " * 20, "spans": [[0, 4, "PER"]]}
    # Many seconds of work.
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(record)}\n" * 50_000)
    (tmp_path / "out").mkdir()
    process = subprocess.Popen(
        [*COMMAND, "convert", "a.jsonl", "out/new/o.spacy"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until = time.monotonic() + 120
        while not list(tmp_path.glob("out/new/.*.part")):
            assert process.poll() is None and time.monotonic() < until, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 143
    assert "Interrupted: nothing was written" in told and "Traceback" not in told
    assert not list((tmp_path / "out").iterdir())


def test_annotate_is_killed_in_the_middle(tmp_path):
    (tmp_path / "a.txt").write_text("Anna left.")
    (tmp_path / "g.tsv").write_text("Anna\tPER\n")
    (tmp_path / "o.spacy").write_bytes(b"old")
    (tmp_path / "run.py").write_text(IN_THE_MIDDLE)
    arguments = ["a.txt", "./o.spacy", "--gazetteer", "g.tsv"]
    process = subprocess.run(
        [sys.executable, "run.py", "contrastive", "annotate", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    told = process.stdout + process.stderr
    assert process.returncode == 143, told
    assert ".part" in told and "Interrupted: nothing was written" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "g.tsv", "o.spacy", "run.py"]  # fmt: skip
    assert (tmp_path / "o.spacy").read_bytes() == b"old"
