"""The network contract: what a network is, its checks, its file, and the arithmetic that all sides
agree on."""

from polyrhythm.sw.network.network import (
    Exit,
    Input,
    Layer,
    MarginExit,
    Network,
    NetworkError,
    Profile,
    SafeExit,
    Skip,
    SoftmaxExit,
)

__all__ = [
    "Exit",
    "Input",
    "Layer",
    "MarginExit",
    "Network",
    "NetworkError",
    "Profile",
    "SafeExit",
    "Skip",
    "SoftmaxExit",
]
