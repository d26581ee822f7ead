"""MTT: mixed time-step training ("Temporal Flexibility in Spiking Neural Networks", ICLR 2025,
arXiv 2503.17394).

Every batch is learned at several vectors of time steps, one T for each layer, drawn uniformly; the
gradients add up and one step follows. Between layers the aligner's rule holds: ticks are added up
or held. One set of weights and thresholds then works at many T, uniform or mixed; which ones a file
names is the recipe's choice. The published method deploys uniform T alone.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from polyrhythm.sw.network import Profile
from polyrhythm.sw.training.cost.measure import trained_accuracy
from polyrhythm.sw.training.data.samples import batches
from polyrhythm.sw.training.layers.network import TrainableNetwork
from polyrhythm.sw.training.methods.method import Method, Run
from polyrhythm.sw.training.recipe import Mixture, Stage

REESTIMATED = 10  # batches whose statistics normalization keeps


class Mixing(Method):
    """The vectors of time steps of a run."""

    def __init__(self, mixture: Mixture, net: TrainableNetwork, generator: torch.Generator) -> None:
        if net.schedule != "time_stepped":
            raise ValueError(
                "mixture: time steps are mixed in time_stepped networks, "
                f"not in {net.schedule} ones; see conversion"
            )
        depth = len(net.layers)
        for name, T in mixture.profiles:
            if len(T) != depth:
                raise ValueError(
                    f"mixture: profile {name!r} must give T of {depth} layers, not {len(T)}: {T}"
                )
        if not 1 <= mixture.min_T <= mixture.max_T or mixture.draws < 1:
            raise ValueError(
                f"mixture: must draw at least one vector of 1 <= min_T <= max_T, not {mixture}"
            )
        self.mixture, self.net, self.generator = mixture, net, generator
        self.own = net.steps()

    def draw(self) -> list[tuple[int, ...]]:
        """The vectors of one batch."""
        mixture, shape = self.mixture, (self.mixture.draws, len(self.own))
        T = torch.randint(mixture.min_T, mixture.max_T + 1, shape, generator=self.generator)
        return [tuple(row[:1] * len(row)) if mixture.uniform else tuple(row) for row in T.tolist()]

    def passes(self) -> Iterator[int]:
        """A forward pass at each vector; behind the last one T are the network's own again."""
        vectors = self.draw()
        for vector in vectors:
            self.net.set_steps(vector)
            yield len(vectors)
        self.net.set_steps(self.own)

    def enter(self, run: Run, stage: Stage) -> None:
        """Behind the float stage, score the float network at its working points.

        Each has normalization estimated there; at its own T it stays so.
        """
        if stage.name != "quantized":
            return
        order = torch.randperm(len(run.train.labels), generator=run.generator)
        rows = order.to(run.train.labels.device)
        chosen = batches(rows, run.recipe.batch)[:REESTIMATED]
        counts = [run.train.counts(run.train.images[batch]) for batch in chosen]
        found = {}
        for name, T in self.mixture.profiles:
            self.reestimate(counts, T)
            run.share_norms()
            found[name] = trained_accuracy(self.net, run.test)
        run.report["float_profiles"] = found
        self.reestimate(counts, self.own)

    @torch.no_grad()
    def reestimate(self, batches: list[Tensor], T: tuple[int, ...]) -> None:
        """Estimate normalization's statistics anew at T of each layer, which stays set.

        They are the mean over batches (T_in, B, *map).
        """
        norms = [layer.norm for layer in self.net.stack() if layer.norm is not None]
        self.net.set_steps(T)
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a mean over all batches alike
        self.net.train()
        for n in batches:
            self.net(n)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

    def profiles(self) -> dict[str, Profile]:
        """T alone changes: thresholds and biases serve every T."""
        return {name: Profile(T) for name, T in self.mixture.profiles}
