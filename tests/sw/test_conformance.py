"""Files that another program wrote from the format's page: they load, and every array of theirs
agrees."""

from pathlib import Path

import numpy as np
import pytest

from polyrhythm.sw import golden
from polyrhythm.sw.network import Network

FOLDER = Path(__file__).parents[1] / "conformance"
NAMES = sorted(path.name.removesuffix(".safetensors") for path in FOLDER.glob("*.safetensors"))


def test_all_twelve_files_are_there() -> None:
    assert len(NAMES) == 12


@pytest.mark.parametrize("name", NAMES)
def test_every_expected_array_agrees(name: str) -> None:
    network = Network.load(FOLDER / f"{name}.safetensors")
    found = golden.run(network, np.load(FOLDER / f"{name}.input.npy"), spikes=True).arrays()
    with np.load(FOLDER / f"{name}.expected.npz") as expected:
        assert {"class", "logits"} <= set(expected.files) <= set(found)
        for array in expected.files:
            np.testing.assert_array_equal(found[array], expected[array], err_msg=f"{name}: {array}")


@pytest.mark.parametrize("name", [name for name in NAMES if "event_driven" in name])
def test_event_order_does_not_matter_to_signed_networks_and_two_phase_agrees(name: str) -> None:
    network = Network.load(FOLDER / f"{name}.safetensors")
    inputs = np.load(FOLDER / f"{name}.input.npy")
    clockless = golden.run(network, inputs, potentials=True)
    twin = Network(network.name, "two_phase", network.input, network.layers)
    assert golden.run(twin, inputs, potentials=True).first_difference(clockless) is None


@pytest.mark.parametrize("name", NAMES)
def test_saving_gives_the_same_network_again(name: str, tmp_path: Path) -> None:
    network = Network.load(FOLDER / f"{name}.safetensors")
    network.save(tmp_path / "again.safetensors")
    assert Network.load(tmp_path / "again.safetensors").digest == network.digest
