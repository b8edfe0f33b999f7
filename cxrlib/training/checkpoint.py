"""What a training needs to go on after it was interrupted, in one file an epoch."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from cxrlib.errors import InputError
from cxrlib.evaluation.roc_auc import auc
from cxrlib.files import atomic, write_csv
from cxrlib.model.backend import keras
from cxrlib.model.network import predict_logits
from cxrlib.model.recipe import Recipe

CHECKPOINT = "checkpoint.npz"


class Keeper(keras.callbacks.Callback):
    """Scores each epoch on validation films, and keeps all that a resume needs.

    `scorer` is the network that scores and is saved; it is given the weights
    of the one that is trained.

    Of several processes that train together, those that are given no images
    neither score nor write, but all restore.

    One file holds it all and is renamed into place, so that it is never half
    an epoch old.
    """

    def __init__(
        self, folder: Path, recipe: Recipe, scorer: keras.Model, images: np.ndarray | None, labels: np.ndarray
    ):
        super().__init__()
        self.folder, self.recipe, self.scorer, self.images, self.labels = folder, recipe, scorer, images, labels
        self.history: list[dict] = []
        self.kept: list[np.ndarray] = []

    def _state(self) -> list:
        return [*self.model.variables, *self.model.optimizer.variables]

    def on_epoch_begin(self, epoch, logs=None):
        """Note the learning rate."""
        self.rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch, logs=None):
        """Score the validation films and write the checkpoint."""
        if not np.isfinite(logs["loss"]):
            raise InputError(f"epoch {epoch + 1}: the loss is {logs['loss']}; try a smaller learning rate")
        if self.images is None:
            return
        self.scorer.set_weights(self.model.get_weights())
        logits = predict_logits(self.scorer, self.images, mirror=self.recipe.mirror)
        if wrong := int((~np.isfinite(logits)).sum()):
            raise InputError(
                f"epoch {epoch + 1}: {wrong:,} of {len(logits):,} validation films have a score that is no finite "
                "number; try a smaller learning rate"
            )
        value = auc(self.labels, logits)
        logs["val_auc"] = value
        better = not self.history or value > max(row["val_auc"] for row in self.history)
        self.history.append({"epoch": epoch + 1, "learning_rate": self.rate, "loss": logs["loss"], "val_auc": value})
        if better or self.recipe.keep == "last":
            self.kept = self.scorer.get_weights()
        arrays = {f"state_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(self._state())}
        arrays |= {f"kept_{i}": value for i, value in enumerate(self.kept)}
        with atomic(self.folder / CHECKPOINT) as partial:
            np.savez(partial, history=np.array(json.dumps(self.history)), **arrays)
        self.write_history()

    def write_history(self) -> None:
        """Write history.csv, which holds no times."""
        write_csv(self.folder / "history.csv", pd.DataFrame(self.history))

    def restore(self) -> int:
        """Load the last whole epoch, if there is one; return how many are done.

        Raises
        ------
        InputError
            The checkpoint is damaged.
        """
        path = self.folder / CHECKPOINT
        if not path.exists():
            return 0
        try:
            with path.open("rb") as file, np.load(file) as saved:  # refuses pickles
                self.history = json.loads(str(saved["history"]))
                for i, variable in enumerate(self._state()):
                    variable.assign(saved[f"state_{i}"])
                self.kept = [saved[f"kept_{i}"] for i in range(len(self.scorer.weights))]
        except Exception as error:  # zipfile, NumPy and Keras raise many kinds for broken files
            raise InputError(f"{path}: is damaged ({error}); remove it, and the training begins anew") from None
        if self.images is not None:
            self.write_history()
        return len(self.history)

    def use_kept(self) -> None:
        """Give the scorer the weights of the epoch that is kept."""
        self.scorer.set_weights(self.kept)
