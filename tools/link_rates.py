"""Frames a second over the link, by arithmetic: the bytes of a test split's frames and of their
answers, at 10 bits a byte, both directions at once and no pause.

    python tools/link_rates.py models/digits.safetensors models/mnist-mlp.safetensors --baud 3000000

Nothing is simulated; `polyrhythm compare --executor board` measures what a board really gives.
"""

import argparse

import numpy as np

from polyrhythm.boards.driver.encode import Encoder
from polyrhythm.boards.link.framing import frame
from polyrhythm.boards.link.layout import layout
from polyrhythm.boards.link.packets import BODY_BYTES, CRC_BYTES, PACKETS, Kind, encode
from polyrhythm.cli.report import table
from polyrhythm.sw import data
from polyrhythm.sw.network import Network
from polyrhythm.sw.plan.network import plan

BITS = 10  # of a byte: start, eight, stop


def sent_bytes(encoder: Encoder, counts: np.ndarray) -> int:
    """Bytes of one frame (T, N) to the board."""
    one = encoder.frame(counts)
    head = {"seq": 1, "frame": 0x0101, "chunk": 1, "flags": 1}
    return sum(len(frame(encode(one.kind, chunk, **head))) for chunk in one.chunks)


def answer_bytes(classes: int, logit_bytes: int, packets: int) -> int:
    """Bytes of an answer, and of DONE for each of the frame's packets."""
    done = len(frame(encode(Kind.DONE, seq=1)))
    each = (BODY_BYTES - CRC_BYTES - 1 - PACKETS[Kind.RESULT].head) // logit_bytes
    parts = [min(each, classes - first) for first in range(0, classes, each)]
    own = 1 + PACKETS[Kind.RESULT].head + CRC_BYTES + 2  # kind, head, CRC, COBS and the delimiter
    return packets * done + sum(own + part * logit_bytes for part in parts)


def row(path: str, baud: int, root: str | None, limit: int) -> tuple[object, ...]:
    """What the table says of one network."""
    network = Network.load(path)
    link = layout(plan(network))
    encoder = Encoder(link)
    inputs, _ = data.inputs_for(network, network.provenance["dataset"], "test", root)
    counts = inputs[:limit].reshape(-1, encoder.ticks, encoder.places)
    sent = np.array([sent_bytes(encoder, one) for one in counts])
    packets = np.array([len(encoder.frame(one).chunks) for one in counts])
    back = np.array([answer_bytes(link["classes"], link["logit_bytes"], int(n)) for n in packets])
    most = max(sent.mean(), back.mean())
    return (
        network.name, len(counts), f"{packets.mean():.2f}", f"{sent.mean():.1f}",
        f"{back.mean():.1f}", f"{baud / BITS / most:,.0f}",
    )  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="+", metavar="NETWORK")
    parser.add_argument("--baud", type=int, default=3_000_000)
    parser.add_argument("--data", metavar="DIR")
    parser.add_argument("--limit", type=int, default=1000, help="test frames that are laid out")
    args = parser.parse_args()
    rows = [row(path, args.baud, args.data, args.limit) for path in args.networks]
    title = f"frames a second at {args.baud / 1e6:g} Mbaud"
    print(table(rows, ("network", "frames", "packets", "bytes to the board", "back", title)))


if __name__ == "__main__":
    main()
