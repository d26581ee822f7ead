"""The board that the tests of this folder are run on."""

from pathlib import Path

import pytest
from linked import Linked

from polyrhythm.boards.driver.device import Device
from polyrhythm.sw.network import Network

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture(scope="module")
def linked(request: pytest.FixtureRequest) -> Linked:
    """What `--port` names, with the network that it holds: digits where it is simulated."""
    port = request.config.getoption("--port")
    if port == "sim":
        return Linked(port, Network.load(MODELS / "digits.safetensors"))
    with Device.open(port) as device:
        digest = device.identity.digest
    for path in sorted(MODELS.glob("*.safetensors")):
        network = Network.load(path)
        for profile in (None, *network.profiles):
            if network.profile(profile).digest == digest:
                return Linked(port, network.profile(profile))
    pytest.fail(f"the board on {port} must hold a network of models/, not {digest[:16]}")
