"""Activations: ReLU in its spellings, and what is none."""

from torch import Tensor, nn

from polyrhythm.sw.training.ann.chain import Chain, argument
from polyrhythm.sw.training.ann.constants import constant
from polyrhythm.sw.training.ann.parts import Value
from polyrhythm.sw.training.ann.refuse import Refused, missing
from polyrhythm.sw.training.ann.step import Step

CLIPS = ": the clip range of a spiking neuron is learned"


def relu(chain: Chain, step: Step, given: list[Value]) -> Value:
    (value,) = given
    part = value.part
    if value.fired:
        if bool((value.gain < 0).any() or (value.shift < 0).any()):
            raise Refused("a ReLU must follow weights or their normalization; take it out")
        return value  # counts are not below 0
    assert part is not None
    chain.append(part)
    part.fires = True
    return value


def clamp(chain: Chain, step: Step, given: list[Value]) -> Value:
    low, high = argument(step, 1, "min", None), argument(step, 2, "max", None)
    if (
        len(given) > 1
        or low is None
        or float(low) != 0
        or not (high is None or float(high) == float("inf"))
    ):
        raise Refused(f"clamps to {low}..{high}; use ReLU (min=0 alone){CLIPS}", certain=True)
    return relu(chain, step, given)


def clamp_min(chain: Chain, step: Step, given: list[Value]) -> Value:
    if len(given) > 1 or float(argument(step, 1, "min", 0)) != 0:
        raise Refused("must clamp at 0, as ReLU does", certain=True)
    return relu(chain, step, given)


def maximum(chain: Chain, step: Step, given: list[Value]) -> Value:
    if bool((constant(step, given) != 0).any()):
        raise Refused("must be the maximum with 0, as ReLU is", certain=True)
    return relu(chain, step, given)


def max(chain: Chain, step: Step, given: list[Value]) -> Value:
    if len(step.args) + len(step.kwargs) != 2 or not any(
        isinstance(v, Tensor) for v in (*step.args[1:], step.kwargs.get("other"))
    ):
        raise missing(step)
    return maximum(chain, step, given)


def threshold(chain: Chain, step: Step, given: list[Value]) -> Value:
    if (float(argument(step, 1, "threshold", 0)), float(argument(step, 2, "value", 0))) != (0, 0):
        raise Refused("must have threshold 0 and value 0, as ReLU has; use ReLU", certain=True)
    return relu(chain, step, given)


def hardtanh(chain: Chain, step: Step, given: list[Value]) -> Value:
    low, high = argument(step, 1, "min_val", -1.0), argument(step, 2, "max_val", 1.0)
    if float(low) != 0 or float(high) != float("inf"):
        name = type(step.module).__name__ if isinstance(step.module, nn.Hardtanh) else step.word
        raise Refused(f"{name} clips at {low:g} and {high:g}; use ReLU{CLIPS}", certain=True)
    return relu(chain, step, given)


def relu6(chain: Chain, step: Step, given: list[Value]) -> Value:
    raise Refused(f"relu6 clips at 0 and 6; use ReLU{CLIPS}", certain=True)
