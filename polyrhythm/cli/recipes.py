"""The recipe that `train` was given: a row of ours by its name, or a user's own."""

from typing import TYPE_CHECKING

from polyrhythm.cli.report import one_of

if TYPE_CHECKING:
    from polyrhythm.sw.training.recipe import Recipe


def load_recipe(text: str) -> "Recipe":
    """NAME, or FILE.py:RECIPE, where RECIPE is a Recipe or a function that makes one. Runs the
    user's file."""
    from polyrhythm.sw.training.recipe import Recipe
    from polyrhythm.sw.training.recipes import RECIPES

    if ":" not in text and not text.endswith(".py"):
        return RECIPES[one_of("recipe", text, RECIPES)]
    from polyrhythm.cli.python_file import call_object, load_object

    found = load_object(text, "recipe")
    if callable(found) and not isinstance(found, Recipe):
        found = call_object(found, text, "recipe")
    if not isinstance(found, Recipe):
        raise ValueError(
            f"recipe: {text} must be a sw.training.recipe.Recipe, or a function that makes one, "
            f"not {type(found).__name__}"
        )
    return found
