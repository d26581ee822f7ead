"""The board that the tests of this folder are run on."""

import pytest
from onboard import Linked


@pytest.fixture(scope="module")
def linked(request: pytest.FixtureRequest) -> Linked:
    """What `--port` names, with the network that it holds: digits where it is simulated."""
    return Linked.on(request.config.getoption("--port"))
