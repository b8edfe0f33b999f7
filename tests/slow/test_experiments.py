"""Two arms of each experiment, trained again: the committed tables still follow from the code."""

import pandas as pd
import pytest
from train_experiments import run_experiments

from cxrlib.course.experiments import EXPERIMENTS, TABLES
from cxrlib.model.network import has_bfloat16

SAME_PROCESSOR, OTHER_PROCESSOR = 1e-4, 0.06
"""Largest difference of an AUC or a Brier score.

The first holds with the arithmetic and the versions that made the tables. On another processor, rounding leads to
another training, which differs as much as one with another seed does.
"""

SEED = 5
SHORT_FORM = 1  # experiment: 2 trainings

# joblib replaces a worker that has grown large, and warns of it in a thread. As an error, the warning would end this
# thread, and the test would wait for ever.
pytestmark = pytest.mark.filterwarnings("ignore:A worker stopped while some jobs")


@pytest.fixture(scope="module")
def retrained(tmp_path_factory, short):
    """The tables of the first and the last arm of each experiment, with one seed."""
    names = list(EXPERIMENTS)[:SHORT_FORM] if short else list(EXPERIMENTS)
    out = tmp_path_factory.mktemp("retrained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_CACHE", str(tmp_path_factory.mktemp("cache")))
        for name, make_arms in list(EXPERIMENTS.items()):
            arms = list(make_arms().items())
            patch.setitem(EXPERIMENTS, name, lambda arms=dict([arms[0], arms[-1]]): arms)
        run_experiments(names, seeds=[SEED], out=out)
    return out


def test_trainings_give_the_committed_rows(retrained, short):
    keys = ["arm", "test", "seed"]
    tables = sorted(retrained.glob("*.csv"))
    assert len(tables) == (SHORT_FORM if short else len(EXPERIMENTS))
    for path in tables:
        old, new = (pd.read_csv(folder / path.name).set_index(keys) for folder in (TABLES, retrained))
        assert len(new) >= 2, path.stem
        old = old.loc[new.index]
        is_same = has_bfloat16() and (new["versions"] == old["versions"]).all()
        tolerance = SAME_PROCESSOR if is_same else OTHER_PROCESSOR
        for column in ("auc", "brier"):
            difference = (new[column] - old[column]).abs().max()
            assert difference <= tolerance, f"{path.stem}: {column} differs by {difference:.4f}"
