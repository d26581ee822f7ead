"""Whether the layers that were read compute what the model computes.

They are compared layer by layer, on a sample of inputs.
"""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from polyrhythm.sw.training.ann.parts import Part, Problem, UnsupportedError
from polyrhythm.sw.training.ann.stale import tensors
from polyrhythm.sw.training.ann.step import Step
from polyrhythm.sw.training.ann.trace import Trace, needed, output, trace
from polyrhythm.sw.training.ann.words import REARRANGING
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.layers.seen import Seen

# of a layer's largest value
EXACT = {torch.float64: 1e-4, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 2e-2}
CHANGES = (
    "uses numbers that change from one run to the next (a counter, random numbers, or a function "
    "of the data that torch does not "
    "show); bake them into weights that stay"
)


@torch.no_grad()
def verify(
    module: nn.Module,
    found: Trace,
    parts: Sequence[Part],
    answers: Sequence[Step],
    net: TrainableNetwork,
    counts: Tensor,
) -> None:
    """UnsupportedError, naming the first layer that differs, unless `net` is as the model.

    net: the float stage of the layers that were read.

    answers: the model's steps behind the logits, which were left out. counts: (B, *shape), whole
    numbers. The model runs in evaluation, on counts / max_count.
    """
    x = counts / net.source.max_count
    again = trace(module, x, {part.shown for part in parts if part.shown is not None})
    if again.problems:
        raise UnsupportedError(again.problems)
    _same_steps(found, again)
    _finite(
        again,
        {k for k, step in enumerate(found.steps) if any(step is answer for answer in answers)},
    )
    seen = Seen()
    logits = net.eval()(counts.to(net.stack()[0].weight.dtype), seen)
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    try:
        for part, ours in zip(parts, [*seen.received[1:], logits], strict=True):
            if part.shown is not None and part.shown in again.seen:
                _compare(part, ours, again.seen[part.shown], EXACT.get(dtype, 1e-4))
    except UnsupportedError:
        _precise(again, dtype)
        raise
    plain, exact = output(module, x), EXACT.get(dtype, 1e-4)
    if (
        again.output is not None
        and not _equal(plain, result := again.result(again.output))
        and not _near(plain, result, exact)
    ):
        raise UnsupportedError(
            [
                Problem(
                    type(module).__name__,
                    "gives other outputs when it is called twice with the same inputs",
                )
            ]
        )
    _compare_returned(type(module).__name__, logits, answers, plain, exact)


def _compare_returned(
    name: str, logits: Tensor, answers: Sequence[Step], returned: Tensor, exact: float
) -> None:
    """What the model returns must be the logits, or what its last steps (softmax) make of them.

    Nothing may come in between.
    """
    expected = logits
    for step in answers:
        expected = _again(step, expected.to(returned.dtype))
    ours, theirs = (values.flatten(1).double().cpu() for values in (expected, returned))
    # a softmax is no steeper than its logits; below exp(-80) nothing is left of float32
    if answers:
        ours, theirs = ours.clamp(min=-80), theirs.clamp(min=-80)
    room = exact * float((logits if answers else returned).abs().max()) + (
        exact if answers else 1e-30
    )
    if (
        ours.shape == theirs.shape
        and bool((ours - theirs).abs().max() <= room)
        and _same_class(logits, returned, room)
    ):
        return
    text = f"their largest are {float(ours.max()):.3g} and {float(theirs.max()):.3g}"
    if ours.shape == theirs.shape:
        apart = (ours - theirs).abs().amax(0)  # of each output
        text = (
            f"output {int(apart.argmax())} is {float(apart.max()):.3g} apart, with values up to "
            f"{float(theirs.abs().max()):.3g}"
        )
    raise UnsupportedError([Problem(name,
        f"returns other numbers than its layers give: {text}; something changes them behind the "
        "last Linear (a write in place, a "
        "hook); let forward return what the Linear gives, and put what is added or scaled into "
        "its weights and bias"),
    ])  # fmt: skip


def _again(step: Step, value: Tensor) -> Tensor:
    """A step of the model behind its logits, with ours."""
    target = next(given for given in tensors((step.args, step.kwargs)) if id(given) in step.taken)
    value = value.reshape(-1, *target.shape[1:])
    put = {id(target): value}
    kwargs = {key: put.get(id(given), given) for key, given in step.kwargs.items()}
    result = step.function(*[put.get(id(given), given) for given in step.args], **kwargs)
    return next(tensors(result))


def _same_class(logits: Tensor, returned: Tensor, room: float) -> bool:
    """Whether the largest logit is the same, in samples whose two largest are clearly apart."""
    ours, theirs = logits.flatten(1).double().cpu(), returned.flatten(1).double().cpu()
    best, at = ours.topk(2)
    clear = best[:, 0] - best[:, 1] > 4 * room
    # where a softmax has saturated, several are the largest
    top = theirs.gather(1, at[:, :1])[:, 0]
    return bool((top >= theirs.amax(1))[clear].all())


def _compare(part: Part, ours: Tensor, theirs: Tensor, exact: float) -> None:
    if not _near(ours, theirs, exact):
        size, apart = (
            float(theirs.abs().max()),
            float((ours.flatten(1) - theirs.flatten(1).to(ours)).abs().max()),
        )
        raise UnsupportedError([
            Problem(part.path or part.name,
                f"the layer that was read off gives other numbers than the model: {apart:.3g} "
                f"apart, with values up to {size:.3g}; "
                "bake what the model does there into plain weights (torch.nn.utils.prune.remove, "
                "remove_parametrizations, "
                "remove_weight_norm), and take out hooks that change values", part.line),
        ])  # fmt: skip


def _near(ours: Tensor, theirs: Tensor, exact: float) -> bool:
    a, b = ours.flatten(1).double().cpu(), theirs.flatten(1).double().cpu()
    return a.shape == b.shape and bool((a - b).abs().max() <= exact * b.abs().max() + 1e-30)


def _finite(again: Trace, behind: Collection[int]) -> None:
    """The model's own numbers must stay within its floats.

    In steps `behind` the logits a log may give -inf.
    """
    for k in needed(again):
        step = again.steps[k]
        for result in step.results if k not in behind else ():
            if result.is_floating_point() and not bool(torch.isfinite(result).all()):
                kind = str(result.dtype).removeprefix("torch.")
                given = [
                    float(value.abs().max())
                    for value in tensors((step.args, step.kwargs))
                    if value.numel()
                ]
                text = (
                    f"overflows in the model itself: gives inf or nan in {kind}, from numbers up "
                    f"to {max(given):.3g}"
                )
                raise UnsupportedError(
                    [Problem(step.name, f"{text}; give weights of usual size", step.line)]
                )


def _precise(again: Trace, dtype: torch.dtype) -> None:
    """Where layers differ: a step in fewer bits than the parameters have is why."""
    for k in needed(again):
        step = again.steps[k]
        kind = step.results[0].dtype
        if kind in (torch.float16, torch.bfloat16) and torch.finfo(dtype).bits > 16:
            name, own = (str(one).removeprefix("torch.") for one in (kind, dtype))
            text = (
                f"computes in {name} (autocast, or a cast such as .half()), whose rounding no "
                "layer has"
            )
            raise UnsupportedError(
                [Problem(step.name, f"{text}; let forward stay in {own}", step.line)]
            )


def _same_steps(found: Trace, again: Trace) -> None:
    """The model must do the same with other inputs."""
    if [step.word for step in found.steps] != [step.word for step in again.steps]:
        text = (
            "does other things with other inputs, or from run to run; let forward be one chain of "
            "layers"
        )
        raise UnsupportedError([Problem("forward", text)])
    for k in needed(found):
        one, two = found.steps[k], again.steps[k]
        steady = _figures(one) == _figures(two) and len(one.numbers) == len(two.numbers)
        if not steady or not all(map(_equal, one.numbers, two.numbers)):
            raise UnsupportedError([Problem(one.name, CHANGES, one.line)])


def _equal(one: Tensor, two: Tensor) -> bool:
    return one.shape == two.shape and torch.equal(torch.nan_to_num(one), torch.nan_to_num(two))


def _figures(step: Step) -> list[float]:
    """Plain numbers that a step works with; sizes of a batch are none."""
    return (
        []
        if step.word in REARRANGING
        else [float(value) for value in step.args if isinstance(value, int | float)]
    )
