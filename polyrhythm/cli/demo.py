"""demo: the whole flow on real handwritten digits, from training to bits that agree."""

import argparse
import time

from polyrhythm.cli.compare import Comparison, answer
from polyrhythm.cli.files import export_verilog
from polyrhythm.cli.progress import Stage
from polyrhythm.cli.report import Answer, paced, percent, say
from polyrhythm.sw.lib.folders import build_root

RECIPE = "digits"


def demo(args: argparse.Namespace) -> Answer:
    """Train, quantize, write Verilog, simulate every test image, compare."""
    from polyrhythm.sw import data
    from polyrhythm.sw.training.recipes import RECIPES
    from polyrhythm.sw.training.train import train

    start = time.monotonic()
    recipe = RECIPES[RECIPE]
    say(f"[1/4] training {recipe.name} on scikit-learn's handwritten digits, then quantizing it")
    path = build_root() / "demo" / f"{recipe.name}.safetensors"
    network, report = train(recipe, out=path, progress=paced(say))
    say(
        f"      float {percent(report['float_accuracy'])}, quantized "
        f"{percent(report['accuracy'])}: {path}"
    )
    folder = build_root() / network.digest[:16] / "verilog"
    say(f"[2/4] writing Verilog and weight ROMs: {folder}")
    with Stage(f"writing the Verilog of {network.name}"):
        export_verilog(network, folder, None)
    inputs, labels = data.inputs_for(network, recipe.dataset, "test", None)
    say(f"[3/4] {len(labels)} test images through torch, golden model and Verilog")
    result = answer(Comparison(network, inputs, labels, True), recipe.dataset)
    seconds = time.monotonic() - start
    say(f"[4/4] comparing; the whole took {seconds:.0f} s\n")
    data_out = result.data | {
        "verilog": str(folder),
        "network_file": str(path),
        "seconds_total": round(seconds, 1),
    }
    text = result.text.rsplit("\n", 1)[0]
    return Answer(data_out, f"{text}\nNetwork: {path}\nVerilog: {folder}", result.code)
