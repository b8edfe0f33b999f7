"""Two rows of each experiment's file, trained again: the files cannot drift from the code."""

import pandas as pd
import pytest
from train_experiments import run_experiments

from cxrlib.course.experiments import EXPERIMENTS, FOLDER
from cxrlib.model.network import has_bfloat16

SAME, OTHER = 1e-4, 0.06
"""Of AUC and Brier score: on a processor with the arithmetic and the versions that made the files; and on another,
where rounding makes another training, which differs as much as another seed does."""

SEED = 5
FEW = 2  # experiments in the short form

# A worker that has grown large is replaced. joblib warns of that in a thread of its own, where an error would end
# the thread, and the test would wait for ever.
pytestmark = pytest.mark.filterwarnings("ignore:A worker stopped while some jobs")


@pytest.fixture(scope="module")
def again(tmp_path_factory, short):
    """The first and the last arm of each experiment, with one seed."""
    names = list(EXPERIMENTS)[:FEW] if short else list(EXPERIMENTS)
    out = tmp_path_factory.mktemp("again")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_CACHE", str(tmp_path_factory.mktemp("cache")))
        for name, make in list(EXPERIMENTS.items()):
            arms = list(make().items())
            patch.setitem(EXPERIMENTS, name, lambda arms=dict([arms[0], arms[-1]]): arms)
        run_experiments(names, seeds=[SEED], out=out)
    return out


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_rows_are_found_again(again, name):
    if not (again / f"{name}.csv").exists():
        pytest.skip("not in the short form")
    keys = ["arm", "test", "seed"]
    old, new = (pd.read_csv(folder / f"{name}.csv").set_index(keys) for folder in (FOLDER, again))
    assert len(new) >= 2
    old = old.loc[new.index]
    tolerance = SAME if has_bfloat16() and (new["versions"] == old["versions"]).all() else OTHER
    assert (new["auc"] - old["auc"]).abs().max() <= tolerance
    assert (new["brier"] - old["brier"]).abs().max() <= tolerance
