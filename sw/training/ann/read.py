"""From the steps of a model to its layers.

[pool] weights [norm] ReLU, again and again, and weights without a ReLU at the end.

What stands between two layers folds into the weights of the next: pooling, constants,
normalization, another order of elements. To the sums of a Conv2d the map of an earlier layer may be
added, as it is or through a 1 x 1 Conv2d (residual blocks). A step that no layer can
stand for is reported, and reading goes on behind it, so that all problems are reported at once.
"""

from collections.abc import Callable
from dataclasses import replace

from polyrhythm.sw.training.ann import activations, constants, pool, weights
from polyrhythm.sw.training.ann.chain import Chain, argument
from polyrhythm.sw.training.ann.order import rearranged, unchanged
from polyrhythm.sw.training.ann.parts import Part, Problem, Value
from polyrhythm.sw.training.ann.refuse import Refused, missing
from polyrhythm.sw.training.ann.step import Ref, Step
from polyrhythm.sw.training.ann.trace import Trace, needed
from polyrhythm.sw.training.ann.words import ANSWERS, CASTS, DROPOUTS, REARRANGING, SAME

TWO = "use a Linear with two outputs, one for each class, for the largest of one is always class 0"
HANDLERS: dict[str, Callable[[Chain, Step, list[Value]], Value]] = {
    "linear": weights.linear, "matmul": weights.matmul, "addmm": weights.addmm,
    "conv2d": weights.conv2d, "batch_norm": constants.batch_norm, "mul": constants.mul,
    "div": constants.div, "neg": constants.neg, "add": constants.add, "sub": constants.sub,
    "rsub": constants.rsub, "relu": activations.relu, "clamp": activations.clamp,
    "clamp_min": activations.clamp_min, "maximum": activations.maximum, "max": activations.max,
    "threshold": activations.threshold, "hardtanh": activations.hardtanh,
    "relu6": activations.relu6, "avg_pool2d": pool.avg_pool2d,
    "adaptive_avg_pool2d": pool.adaptive_avg_pool2d, "mean": pool.mean, "sum": pool.sum,
    "pad": pool.pad,
}  # fmt: skip


class Reader:
    """Reads one trace: `parts` in their order, `problems`, and `notes` of what was left out."""

    def __init__(self, found: Trace) -> None:
        self.trace, self.chain = found, Chain(found)
        self.problems = list(found.problems)
        unused = [Problem(step.name, "", step.line).where for step in found.unused]
        self.notes = [f"{where} is computed and not returned; it is left out" for where in unused]
        # behind the logits: what was left out, and what stands behind it
        self.answers: list[Step] = []
        self.values: dict[Ref, Value] = {(-1, 0): Value.fresh(None, tuple(found.source.shape[1:]))}
        for k in needed(found):
            self._visit(k, found.steps[k])
        if found.output is not None:
            self._finish(self.values[found.output])
        if found.failure is not None:
            self._report(found.failure)

    @property
    def parts(self) -> list[Part]:
        return self.chain.parts

    def _visit(self, k: int, step: Step) -> None:
        """Read one step.

        Behind a problem, values are in doubt, and only what is certain is reported.
        """
        given = [self.values[ref] for ref in step.refs()]
        doubt = any(value.doubt for value in given)
        given = [Value.fresh(None, value.shape) if value.doubt else value for value in given]
        made: list[Value] = []
        try:
            made = self._step(step, given)
        except Refused as error:
            if error.certain or not doubt:
                self._report(Problem(error.name or step.name, str(error), step.line))
            doubt = True
        for i, tensor in enumerate(step.results):
            if doubt:
                self.values[(k, i)] = Value.fresh(None, tuple(tensor.shape[1:]), doubt=True)
                continue
            value = self.values[(k, i)] = made[i]
            if value.part is not None and value.plain:
                value.part.shown = k

    def _report(self, problem: Problem) -> None:
        if str(problem) not in map(str, self.problems):
            self.problems.append(problem)

    def _step(self, step: Step, given: list[Value]) -> list[Value]:
        """What a step makes of its values, one for each of its results."""
        word, first = SAME.get(step.word, step.word), given[0]
        if first.answered and word in REARRANGING | CASTS | DROPOUTS:
            self.answers.append(step)
        if word in REARRANGING:
            return [rearranged(step, first, k) for k in range(len(step.results))]
        if word in CASTS | DROPOUTS:
            return [unchanged(step, first)]
        if first.answered and word not in {*ANSWERS, "log"}:
            raise Refused("follows a softmax, which must be the last")
        if word in ANSWERS and not first.fired:
            _over_classes(step, first)
        if first.answered:
            self.answers.append(step)
            return [first]
        if word in ANSWERS and not first.fired:
            self.answers.append(step)
            self.notes.append(
                f"{step.name} at the end is left out: the largest logit stays the largest"
            )
            return [replace(first, answered=True)]
        if word not in HANDLERS:
            raise missing(step)
        return [HANDLERS[word](self.chain, step, given)]

    def _finish(self, value: Value) -> None:
        """The readout."""
        part = value.part
        if value.doubt:
            return
        if part is None or part.fires or part.weight.ndim != 2 or not value.in_order:
            self._report(
                Problem(
                    "the model",
                    "must end in a Linear layer without ReLU, the readout of the classes",
                )
            )
            return
        if not value.shape or len(part.weight) == 1:
            shape = f"(B, {', '.join(map(str, value.shape))})" if value.shape else "(B,)"
            self._report(
                Problem(
                    "the model",
                    f"must return logits (B, C), C at least 2, not {shape}; {TWO}",
                    part.line,
                )
            )
            return
        try:
            self.chain.append(part)
        except Refused as error:
            self._report(Problem(error.name, str(error), part.line))


def _over_classes(step: Step, value: Value) -> None:
    """A softmax leaves the largest logit where it is only over the classes."""
    axis = argument(step, 1, "dim", None)
    if "softmax" in step.word and (len(value.shape) != 1 or axis not in (None, 1, -1)):
        shape = f"(B, {', '.join(map(str, value.shape))})" if value.shape else "(B,)"
        text = "at the end it must work along the classes, axis 1 of logits (B, C), or be taken out"
        raise Refused(f"works along axis {axis} of {shape}; {text}")
