import json
import re
from dataclasses import fields, replace

import pytest

from cxrlib.errors import InputError
from cxrlib.model.recipe import CLASSIC, DEFAULT, RULES, Recipe, find_recipe, read_recipe, recipe_text


def test_a_recipe_survives_its_file(tmp_path):
    for recipe in (DEFAULT, CLASSIC, Recipe(confidence=0.9, weight=2, blend=0.25)):
        (tmp_path / "recipe.json").write_text(recipe_text(recipe))
        assert read_recipe(tmp_path / "recipe.json") == recipe


def test_every_setting_has_a_rule():
    assert list(RULES) == [setting.name for setting in fields(Recipe)]


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
    old["augmentation"]["probability"] = 0.5
    (tmp_path / "recipe.json").write_text(json.dumps(old))
    with pytest.raises(InputError, match="unknown setting 'share'"):
        read_recipe(tmp_path / "recipe.json")


def test_changes_that_are_none_are_passed_over(tmp_path):
    assert find_recipe("default", epochs=3, size=None) == replace(DEFAULT, epochs=3)
    (tmp_path / "mine.json").write_text('{"name": "mine", "width": 16}')
    assert find_recipe(str(tmp_path / "mine.json"), seed=4) == Recipe(name="mine", width=16, seed=4)


def test_only_trained_weights_are_blended(tmp_path):
    """`default` blends half and half. A recipe file of an older version, or one for random weights, does not blend."""
    assert DEFAULT.blend == 0.5
    (tmp_path / "recipe.json").write_text('{"name": "default", "start": "simulated"}')
    assert read_recipe(tmp_path / "recipe.json").blend == 1
    assert (CLASSIC.blend, find_recipe("default", start="scratch").blend) == (1, 1)
    assert find_recipe("default", start="a run").blend == 0.5
    for make in (
        lambda: replace(DEFAULT, start="scratch"),
        lambda: find_recipe("default", start="scratch", blend=0.5),
    ):
        with pytest.raises(InputError, match=r"^recipe: blend is 0\.5, but .* start is 'scratch' .*; it must be 1, or"):
            make()


BAD_SETTINGS = [
    ({"depth": 20}, "depth is 20; it must be one of 18, 34, 50"),
    ({"depth": 18.0}, "depth is 18.0"),
    ({"optimizer": "adam"}, "optimizer is 'adam'; it must be one of sgd, adamw"),
    ({"epochs": 0}, "epochs is 0; it must be a whole number from 1 to 100,000"),
    ({"epochs": 2.5}, "epochs is 2.5"),
    ({"epochs": True}, "epochs is True"),
    ({"skip": 1}, "skip is 1; it must be true or false"),
    ({"name": 1}, "name is 1; it must be a text"),
    ({"batch": 15}, "batch is 15; it must be a whole number from 2 to 65,536, and even"),
    ({"batch": 0}, "batch is 0"),
    ({"learning_rate": -1.0}, "learning_rate is -1.0; it must be a number above 0"),
    ({"learning_rate": "fast"}, "learning_rate is 'fast'"),
    ({"learning_rate": float("inf")}, "Infinity is not a number that JSON has"),
    ({"weight": "heavy"}, "weight is 'heavy'; it must be a number from 1e-30 to 1e30, or 'balanced'"),
    ({"weight": 0.0}, "weight is 0.0"),
    ({"weight_decay": -0.1}, "weight_decay is -0.1; it must be a number from 0"),
    ({"width": 257}, "width is 257; it must be a whole number from 1 to 256"),
    ({"size": 16}, "size is 16; it must be a whole number from 32 to 4,096"),
    ({"sensitivity": 1.0}, "sensitivity is 1.0; it must be a number between 0 and 1"),
    ({"sensitivity": None}, "sensitivity is None"),
    ({"confidence": 0.0}, "confidence is 0.0; it must be a number between 0 and 1, or none"),
    ({"seed": -1}, "seed is -1"),
    ({"seed": 4_000_001}, "seed is 4000001"),
    ({"hold": -3}, "hold is -3"),
    ({"colour": "red"}, "unknown setting 'colour'"),
    ({"augmentation": {"upside_down": True}}, "unknown setting 'upside_down'"),
    ({"augmentation": 3}, "recipe.json"),
    ({"augmentation": {"shift": "a"}}, "shift is 'a'"),
    ({"augmentation": {"gamma": 0.5}}, "gamma is 0.5"),
    ({"augmentation": {"horizontal_flip": 1}}, "horizontal_flip is 1"),
    ({"blend": 0}, "blend is 0; it must be a number above 0 and at most 1"),
    ({"blend": 1.1}, "blend is 1.1"),
    ({"blend": True}, "blend is True"),
    ({"blend": None}, "blend is None"),
    ({"start": "scratch", "blend": 0.5}, "blend is 0.5, but there is nothing to blend with"),
    ({"format": 99}, "another version"),
]


def test_a_bad_setting_is_named_with_its_file(tmp_path):
    for change, message in BAD_SETTINGS:
        (tmp_path / "recipe.json").write_text(json.dumps(change))
        with pytest.raises(InputError, match=re.escape(message)) as caught:
            read_recipe(tmp_path / "recipe.json")
        assert str(caught.value).count(str(tmp_path / "recipe.json")) == 1


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
