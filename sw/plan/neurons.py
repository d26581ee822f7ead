"""What the neurons of a layer do with their sums: constants, widths, and how they fire."""

from dataclasses import dataclass

from polyrhythm.sw.plan.table import Table


@dataclass(frozen=True, eq=False)
class Sums:
    """What a neuron adds up, and where it begins.

    bounds  least and greatest value, proved over all legal frames and profiles
    bits    of one sum
    start   what a sum begins with: row phase * rows + row (event_driven: one phase), a lane for
            each channel lane
    """

    bounds: tuple[int, int]
    bits: int
    start: Table


@dataclass(frozen=True, eq=False)
class CountingNeuron:
    """two_phase: a finished sum v - Th says whether the neuron fires, and how often: 1 + (v - Th)
    // Th, at most T.

    thresholds  a row for each channel, unsigned
    T           the most that a neuron emits, in any profile
    """

    thresholds: Table
    T: int

    @property
    def counts(self) -> bool:
        """Whether a neuron may fire more than once, so that its count has to be found."""
        return self.T > 1

    @property
    def tables(self) -> tuple[Table, ...]:
        """The memories that the neuron needs."""
        return (self.thresholds,) if self.counts else ()


@dataclass(frozen=True, eq=False)
class HeldCurrent:
    """A step's current is used in several ticks, so its bias is added in each of them.

    offset  b(t) - threshold (b(t) on the readout), row phase * rows + row; in a circuit of several
            profiles the first tick's has the potential, leaked once, that the frame begins with
    y_bits  proved width of current + offset
    """

    offset: Table
    y_bits: int


@dataclass(frozen=True, eq=False)
class TickingNeuron:
    """time_stepped: leak, current and bias in, compare, reset, in each tick.

    rows        of neuron constants in one profile
    thresholds  a row for each of these rows, unsigned; profile * rows + row where profiles differ
    initial     potential at the start of a frame, likewise; None where frames begin at 0, and what
                they begin with is in the first tick's offset
    held        None where every step has its own tick
    above_bits  proved width of v - threshold before the reset
    v_bits      proved width of v after it
    leak_shift  None: no leak
    reset       "subtract" or "zero"
    fires       False on the readout
    """

    rows: int
    thresholds: Table
    initial: Table | None
    held: HeldCurrent | None
    above_bits: int
    v_bits: int
    leak_shift: int | None
    reset: str
    fires: bool

    @property
    def tables(self) -> tuple[Table, ...]:
        """The memories that the neuron needs."""
        offset = (self.held.offset,) if self.held else ()
        initial = () if self.initial is None else (self.initial,)
        return (*offset, self.thresholds, *initial)


@dataclass(frozen=True, eq=False)
class ReactingNeuron:
    """event_driven: fires the moment an event reaches it; its potential is the layer's sum.

    thresholds  a row for each group of channels, unsigned (1 where a lane has no neuron, which
                never gets there)
    T           the most that a neuron has emitted, in any profile
    signed      whether it takes emissions back
    opens       whether some neuron can fire before its first event
    above_bits  of a potential with its event, less any number of thresholds tried
    """

    thresholds: Table
    T: int
    signed: bool
    opens: bool
    above_bits: int

    @property
    def tries(self) -> range:
        """Net emissions that one visit may find: one up or down (signed, the rest follows), or all
        that there is (unsigned)."""
        return range(-1, 2) if self.signed else range(self.T + 1)

    @property
    def tables(self) -> tuple[Table, ...]:
        """The memories that the neuron needs."""
        return (self.thresholds,)


@dataclass(frozen=True)
class SummingNeuron:
    """A readout without ticks: its sum is the logit."""

    tables: tuple[Table, ...] = ()


Neuron = CountingNeuron | TickingNeuron | ReactingNeuron | SummingNeuron
