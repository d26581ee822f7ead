"""Early exit in integers: the tables that the golden model and the hardware share.

docs/decisions/0002-softmax-table.md and 0003-safe-exit.md say why they are what they are.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, localcontext

import numpy as np
import numpy.typing as npt

from polyrhythm.sw.network import Network
from polyrhythm.sw.network.align import bias_at, source_ticks

ONE_BITS = 16  # the table's 1.0 is 2**16
ENTRIES = 256  # at most
MAX_SHIFT = 60
NEVER = (1 << 61) + 1  # a margin that no two sums reach


@dataclass(frozen=True)
class SoftmaxTable:
    """The rule "largest softmax of scale*Y above 1 - epsilon", in integers.

    With d_k = Y_leader - Y_k: leave where the sum over all k but the leader of
    entries[min(d_k >> shift, len(entries) - 1)] is below `limit`.
    """

    entries: tuple[int, ...]
    shift: int
    limit: int


def softmax_table(epsilon: float, scale: float) -> SoftmaxTable:
    """Give the table: entries[j] = ceil(2**16 * exp(-scale * j * 2**shift)), up to the first entry
    that is 1.

    `shift` is the least (at most 60) for which 256 entries get there; limit = ceil(2**16 * epsilon
    / (1 - epsilon)). Every rounding is upward, so no frame leaves that the exact softmax would
    keep. Decimal arithmetic: the same integers on every machine.
    """
    with localcontext() as context:
        context.prec = 60
        one = Decimal(1 << ONE_BITS)
        exact_scale, share = Decimal(scale), Decimal(epsilon)
        # The least step that reaches 1 in the last entry
        reach = one.ln() / (exact_scale * (ENTRIES - 1))
        shift = next((s for s in range(MAX_SHIFT) if Decimal(1 << s) >= reach), MAX_SHIFT)
        entries: list[int] = []
        while len(entries) < ENTRIES and (not entries or entries[-1] > 1):
            value = one * (-exact_scale * (len(entries) << shift)).exp()
            entries.append(max(1, int(value.to_integral_value(ROUND_CEILING))))
        limit = int((one * share / (1 - share)).to_integral_value(ROUND_CEILING))
    return SoftmaxTable(tuple(entries), shift, limit)


def safe_margins(network: Network) -> npt.NDArray[np.int64]:
    """Give need[t, m, k]: with leader m after readout tick t, the least Y_m - Y_k from which k
    cannot win any more.

    (T, C, C) int64. The frame may leave after tick t where every k != m keeps this margin. The
    inputs of the remaining ticks are taken as free, each count from 0 to its largest. A tie goes to
    the lower index, so need at the end is 0 against k > m and 1 against k < m.
    """
    i = len(network.layers) - 1
    layer = network.readout
    groups = [len(group) for group in source_ticks(network.t_in(i), layer.T)]
    shares = bias_at(layer.bias, layer.T, layer.bias_mode)  # (T, C)
    worst = _worst_change(network, i)  # (C, C)
    classes = np.arange(len(layer.bias))
    need = np.empty((layer.T, len(classes), len(classes)), dtype=np.int64)
    need[-1] = classes[None, :] < classes[:, None]
    for t in range(layer.T - 2, -1, -1):
        change = groups[t + 1] * worst + shares[t + 1][:, None] - shares[t + 1][None, :]
        wanted = np.where(need[t + 1] == NEVER, NEVER, np.clip(need[t + 1] - change, -NEVER, NEVER))
        need[t] = np.clip(_before_leak(wanted, layer.leak_shift), -NEVER, NEVER)
    return need


def _worst_change(network: Network, i: int) -> npt.NDArray[np.int64]:
    """Give the least that one source tick can add to Y_m - Y_k: (C, C)."""
    layer = network.layers[i]
    most = network.in_count(i) * layer.pool**2
    weight = layer.weight.astype(np.int64)
    return np.stack([most * np.minimum(row - weight, 0).sum(axis=1) for row in weight])


def _before_leak(wanted: npt.NDArray[np.int64], shift: int | None) -> npt.NDArray[np.int64]:
    """Give the least difference D that a leak of both sums cannot bring below `wanted`.

    leak(a) - leak(b) >= D - ceil(D / 2**shift) for D = a - b, of either sign; this inverts that
    bound.
    """
    if shift is None:
        return wanted
    if shift == 0:  # every sum is forgotten
        return np.where(wanted <= 0, -NEVER, NEVER)
    blocks, rest = np.divmod(wanted - 1, (1 << shift) - 1)
    return blocks * (1 << shift) + rest + 2
