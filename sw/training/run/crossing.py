"""What accuracy the way from one stage of training to the next costs: no loss goes unseen."""

from dataclasses import dataclass

LOST = 0.05  # of the accuracy before: a boundary that loses more is reported


@dataclass(frozen=True)
class Crossing:
    """A boundary between stages, and the accuracy (0..1) of the same samples on both sides."""

    what: str
    before: float
    after: float

    @property
    def loses(self) -> bool:
        return self.after < (1 - LOST) * self.before

    def __str__(self) -> str:
        return (
            f"ACCURACY LOST, {self.what}: {100 * self.before:.2f} % before, "
            f"{100 * self.after:.2f} % after (more than {100 * LOST:.0f} % of it)"
        )
