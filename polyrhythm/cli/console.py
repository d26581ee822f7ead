"""The streams of a command line whatever they are: closed, full, without a reader, of few letters.
No answer is lost on them."""

import os
import sys


def prepare() -> None:
    """Make the three streams safe to use, before anything is opened or printed.

    A descriptor that is closed would be given to the next file that is opened, and what a child
    process prints would go into it. What a stream's encoding lacks is written as an escape, such as
    \\xd7.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def tell(text: object, end: str = "\n") -> None:
    """One line on stderr, at once; that it cannot be written stops no work."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def deliver(text: str, end: str = "\n") -> bool:
    """Print an answer on stdout; where it cannot be written, say so on stderr and print it there.
    False when that happened.

    A reader that has gone, as in `polyrhythm info X | head -1`, has what it wanted.
    """
    if sys.stdout is None:
        return lost(text, "it is closed")
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        discard(sys.stdout)
    except OSError as error:
        discard(sys.stdout)
        return lost(text, reason(error))
    return True


def lost(text: str, reason: str) -> bool:
    """Give on stderr what stdout did not take."""
    tell(f"polyrhythm: the answer cannot be written to stdout: {reason}; here it is:\n{text}")
    return False


def discard(stream: object) -> None:
    """Let what is still in a stream's buffer go nowhere, so that the interpreter's last flush does
    not fail again."""
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, stream.fileno())  # type: ignore[attr-defined]
    finally:
        os.close(sink)


def reason(error: OSError) -> str:
    """Why the system said no, as the end of a sentence; paths in it stay as they are."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
