"""What is wrong with a recipe, collected, so that all of it is reported at once."""

from collections.abc import Callable
from typing import Any


class RecipeError(ValueError):
    """A recipe that cannot be trained; the text says all that is wrong with it, one line each."""


class Problems(list[str]):
    """What is wrong, collected from checks that raise."""

    def of(self, check_one: Callable[..., Any], *arguments: Any) -> bool:
        """Run one check; whether it passed."""
        try:
            check_one(*arguments)
        except (TypeError, ValueError) as error:
            self.append(str(error))
            return False
        return True

    def unless(self, good: bool, text: str) -> bool:
        if not good:
            self.append(text)
        return good
