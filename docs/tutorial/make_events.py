"""Writes bars/: recordings of a small event camera (16 x 16) that sees a bar move left, right, up
or down, among noise.

Each recording is an array of events (t in microseconds, x, y, p: 1 brighter, 0 darker), as event
cameras and tonic give them: bars/train/left/000.npy and so on. Every pixel that the bar enters says
ON and every pixel that it leaves OFF, but two of three events are lost, and as many come from
nowhere. Put your own recordings in their place.
"""

from pathlib import Path

import numpy as np

EVENT = np.dtype([("t", np.int64), ("x", np.int16), ("y", np.int16), ("p", np.int8)])
SIZE, STEPS, STEP_US = 16, 12, 8000
ONE_WAY = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


def recording(direction: str, rng: np.random.Generator) -> np.ndarray:
    dx, dy = ONE_WAY[direction]
    start, along = rng.integers(2, SIZE - 2), rng.integers(0, SIZE - 6)
    rows = []
    for step in range(STEPS):
        place = (start + (dx + dy) * step) % SIZE
        for p, across in ((1, place), (0, (place - dx - dy) % SIZE)):
            for k in range(along, along + 6):
                x, y = (across, k) if dx else (k, across)
                if rng.random() < 1 / 2:
                    rows.append((step * STEP_US + rng.integers(STEP_US), x, y, p))
        for _ in range(3):  # noise
            rows.append(
                (step * STEP_US + rng.integers(STEP_US), *rng.integers(0, SIZE, 2), rng.integers(2))
            )
    events = np.array(rows, EVENT)
    return events[np.argsort(events["t"], kind="stable")]


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    for split, count in (("train", 300), ("test", 60)):
        for direction in ONE_WAY:
            folder = Path("bars") / split / direction
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                np.save(folder / f"{number:03}.npy", recording(direction, rng))
    print("bars: 1200 recordings to train on, 240 to test with")
