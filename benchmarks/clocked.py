"""One training with a clock, in a process of its own; `side_by_side.py` calls it.

    python clocked.py SPEC.json

SPEC holds: recipe (a name), changes (to it), cohort, run, fresh (a cohort whose
films the network of each epoch is scored on after the training, or null), fold
(null, or the fold of NIH films to leave out for that), each (whether each epoch is scored
so, or the kept one only), distributed. The environment
variable STARTED says when the process was started. Prints a JSON list with a row an
epoch: the seconds since STARTED, loss, and AUC on the fresh films.
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
    """Notes when each epoch ends, and its weights."""

    def __init__(self):
        super().__init__()
        self.rows, self.weights = [], []

    def on_epoch_begin(self, epoch, logs=None):
        """Note when its first batch is asked for."""
        self.begun = time.time()

    def on_train_batch_end(self, batch, logs=None):
        """Note when its last batch is done."""
        self.done = time.time()

    def on_epoch_end(self, epoch, logs=None):
        """Note the epoch."""
        seconds = time.time() - float(os.environ["STARTED"])
        self.rows.append({"seconds": seconds, "training": self.done - self.begun, "loss": logs["loss"]})
        self.weights.append(self.model.get_weights())


def main() -> None:
    """Train, then score what each epoch had reached."""
    recipe, cohort = find_recipe(spec["recipe"], **spec["changes"]), read_cohort(spec["cohort"])
    if spec["fold"] is not None:
        from cross_validate import deal, split_fold

        cohort = split_fold(cohort, deal(cohort, 5, 0)[spec["fold"]])
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
