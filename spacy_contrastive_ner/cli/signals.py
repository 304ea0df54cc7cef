"""Ending a command that is asked to end, so that it cleans up behind itself."""

import signal
import threading
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Dict, Iterator, List, Optional

from wasabi import Printer

# What asks a process to end, besides Ctrl-C. There is no SIGHUP on Windows.
NAMES = ("SIGTERM", "SIGHUP")


@contextmanager
def ending_cleanly(told: str) -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does: raise `KeyboardInterrupt`, so that whatever
    cleans up after an exception does so. Then the message is printed, and the exit code is 128 and
    the number of the signal. Use it with `with`, or as the decorator of a command.

    Signals that are ignored (as by nohup) stay so. The handlers of before are there again at the
    end. In another thread than the main one, which gets all signals, nothing is changed.

    told (str): What to print after an interrupt.
    """
    caught: List[int] = []

    def interrupt(number: int, frame: Optional[FrameType]) -> None:
        caught.append(number)
        # Whoever asks twice must not stop the cleaning up.
        if len(caught) == 1:
            raise KeyboardInterrupt

    before = _handle(interrupt) if threading.current_thread() is threading.main_thread() else {}
    try:
        yield
    except KeyboardInterrupt:
        caught.append(signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    # Also if the exception got lost, as it does where Python cannot raise one.
    if caught:
        # The terminal may be gone.
        with suppress(OSError):
            Printer().fail(told)
        raise SystemExit(128 + caught[0])


def _handle(handler: Any) -> Dict[int, Any]:
    """Handle the signals that are not ignored.

    RETURNS (Dict[int, Any]): What handled them before.
    """
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    # Whatever was not set by Python (None) could not be set again.
    left_alone = (signal.SIG_IGN, None)
    return {
        number: signal.signal(number, handler)
        for number in numbers
        if signal.getsignal(number) not in left_alone
    }
