import json
from pathlib import Path

import pytest

import cxrlib
from cxrlib.errors import InputError
from cxrlib.model.recipe import CLASSIC, DEFAULT, Recipe, find_recipe, read_recipe, recipe_text

LIBRARY_RUN = Path(cxrlib.__file__).parent / "weights"


@pytest.mark.parametrize("recipe", [DEFAULT, CLASSIC, Recipe(confidence=0.9, weight=2)])
def test_a_recipe_survives_its_file(tmp_path, recipe):
    (tmp_path / "recipe.json").write_text(recipe_text(recipe))
    assert read_recipe(tmp_path / "recipe.json") == recipe


def test_classic_is_the_tutorials():
    assert (CLASSIC.depth, CLASSIC.width, CLASSIC.size, CLASSIC.epochs, CLASSIC.batch) == (18, 64, 256, 10, 32)
    assert (CLASSIC.optimizer, CLASSIC.weight, CLASSIC.keep) == ("sgd", 10.0, "best")
    assert (CLASSIC.augmentation.rotate, CLASSIC.augmentation.probability) == (10.0, 0.5)


def test_a_recipe_of_an_older_version_is_read(tmp_path):
    """The `probability` of an augmentation was once called `share`."""
    old = json.loads(recipe_text(CLASSIC))
    old["augmentation"]["share"] = old["augmentation"].pop("probability")
    (tmp_path / "recipe.json").write_text(json.dumps(old))
    assert read_recipe(tmp_path / "recipe.json") == CLASSIC
    assert read_recipe(LIBRARY_RUN / "recipe.json").augmentation.probability == 1
    assert '"share": 1.0' in (LIBRARY_RUN / "recipe.json").read_text()
    old["augmentation"]["probability"] = 0.5
    (tmp_path / "recipe.json").write_text(json.dumps(old))
    with pytest.raises(InputError, match="unknown knob 'share'"):
        read_recipe(tmp_path / "recipe.json")


def test_changes_that_are_none_are_passed_over(tmp_path):
    assert find_recipe("default", epochs=3, size=None) == Recipe(epochs=3)
    (tmp_path / "mine.json").write_text('{"name": "mine", "width": 16}')
    assert find_recipe(str(tmp_path / "mine.json"), seed=4) == Recipe(name="mine", width=16, seed=4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 20}, "depth is 20"),
        ({"optimizer": "adam"}, "optimizer is 'adam'"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 2.5}, "epochs is 2.5"),
        ({"epochs": True}, "epochs is True"),
        ({"batch": 15}, "must be even"),
        ({"learning_rate": -1.0}, "above 0"),
        ({"weight": "heavy"}, "'heavy'"),
        ({"weight": 0.0}, "weight is 0.0"),
        ({"size": 16}, "at least 32"),
        ({"sensitivity": 1.0}, "between 0 and 1"),
        ({"colour": "red"}, "unknown knob 'colour'"),
        ({"augmentation": {"upside_down": True}}, "unknown knob 'upside_down'"),
        ({"augmentation": 3}, "recipe.json"),
        ({"augmentation": {"shift": "a"}}, "shift is 'a'"),
        ({"augmentation": {"gamma": 0.5}}, "gamma is 0.5"),
        ({"augmentation": {"horizontal_flip": 1}}, "horizontal_flip is 1"),
        ({"seed": -1}, "seed is -1"),
        ({"hold": -3}, "hold is -3"),
        ({"learning_rate": float("inf")}, "learning_rate is inf"),
        ({"format": 99}, "another version"),
    ],
)
def test_a_bad_knob_is_named(tmp_path, change, message):
    (tmp_path / "recipe.json").write_text(json.dumps(change))
    with pytest.raises(InputError, match=message):
        read_recipe(tmp_path / "recipe.json")


def test_bad_files(tmp_path):
    with pytest.raises(InputError, match="neither default nor classic"):
        find_recipe("modern")
    with pytest.raises(InputError, match="no such file"):
        find_recipe(str(tmp_path / "absent.json"))
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(InputError, match="a list"):
        find_recipe(str(tmp_path / "list.json"))
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(InputError, match="as JSON"):
        find_recipe(str(tmp_path / "broken.json"))
