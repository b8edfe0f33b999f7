"""Time one training in a process of its own. `side_by_side.py` calls this script.

    python clocked.py SPEC.json

SPEC holds:

- recipe: the name of a recipe, and changes: its changed fields
- cohort: the training cohort, and run: the folder of the run
- fresh: null, or a cohort on which the network of each epoch is scored afterwards
- fold: null, or the fold of NIH films that is left out of the training for that
- each: whether every epoch is scored, or only the kept one
- distributed: whether the training joins others

The environment variable STARTED holds the time at which the process was started.
The script prints a JSON list with a row for each epoch: the seconds since STARTED,
the loss, and the AUC on the fresh films.
"""

import json
import os
import sys
import time
from pathlib import Path

from cxrlib.model.session import start_session

spec = json.loads(Path(sys.argv[1]).read_text())
start_session(0, distributed=spec["distributed"])

from cxrlib.cohorts.cohort import read_cohort  # noqa: E402
from cxrlib.evaluation.roc_auc import auc  # noqa: E402
from cxrlib.model.backend import keras  # noqa: E402  (after the session has chosen the backend)
from cxrlib.model.network import build_network, predict_logits  # noqa: E402
from cxrlib.model.recipe import find_recipe  # noqa: E402
from cxrlib.training.batches import load_images  # noqa: E402
from cxrlib.training.fitting import train  # noqa: E402


class Clock(keras.callbacks.Callback):
    """Record when each epoch ends, and its weights."""

    def __init__(self):
        super().__init__()
        self.rows, self.weights = [], []

    def on_epoch_begin(self, epoch, logs=None):
        """Record when the epoch begins."""
        self.epoch_start = time.time()

    def on_train_batch_end(self, batch, logs=None):
        """Record when the latest batch is done."""
        self.batch_end = time.time()

    def on_epoch_end(self, epoch, logs=None):
        """Record the time, the loss and the weights of the epoch."""
        seconds = time.time() - float(os.environ["STARTED"])
        self.rows.append({"seconds": seconds, "training": self.batch_end - self.epoch_start, "loss": logs["loss"]})
        self.weights.append(self.model.get_weights())


def main() -> None:
    """Train, then score the network of each epoch."""
    recipe, cohort = find_recipe(spec["recipe"], **spec["changes"]), read_cohort(spec["cohort"])
    if spec["fold"] is not None:
        from cross_validate import draw_folds, split_fold

        cohort = split_fold(cohort, draw_folds(cohort, 5, 0)[spec["fold"]])
        fresh = cohort.part("test")
    else:
        fresh = spec["fresh"] and read_cohort(spec["fresh"])
    clock = Clock()
    run = train(cohort, spec["run"], recipe, callbacks=(clock,))
    if fresh:
        images = load_images(fresh.files, size=recipe.size)
        model = build_network(recipe)
        for row, weights in zip(clock.rows, clock.weights, strict=True) if spec["each"] else ():
            model.set_weights(weights)
            row["auc"] = auc(fresh.labels, predict_logits(model, images, mirror=recipe.mirror))
        clock.rows[-1]["kept_auc"] = auc(fresh.labels, run.score_images(images))
    sys.stdout.write(json.dumps(clock.rows))


main()
