"""The board that the tests of this folder are run on."""

import pytest
from onboard import Linked


@pytest.fixture(scope="module")
def linked(request: pytest.FixtureRequest) -> Linked:
    """What `--port` names, with the network that it holds: digits where it is simulated."""
    return Linked.on(request.config.getoption("--port"))


@pytest.fixture(autouse=True)
def quick_simulators() -> None:
    """A board is clocked millions of times, and is compiled once for all of these tests, as users
    have it: with optimisation."""
