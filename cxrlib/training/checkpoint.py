"""The file from which an interrupted training goes on, written after each epoch."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrlib.errors import InputError
from cxrlib.evaluation.roc_auc import auc
from cxrlib.files import atomic, write_csv
from cxrlib.model.backend import keras
from cxrlib.model.network import predict_logits
from cxrlib.model.recipe import Recipe

CHECKPOINT = "checkpoint.npz"


class CheckpointCallback(keras.callbacks.Callback):
    """Score the validation films after each epoch, and save what a resumed training needs.

    One file holds the history, the weights of the epoch that is kept, and the weights
    and optimiser state of the last epoch. The file is written under a temporary name
    and then renamed, so all its parts are of the same epoch.

    Parameters
    ----------
    folder : Path
        The run folder.
    recipe : Recipe
    scorer : Keras model
        The network that scores and is saved. After each epoch it gets the weights
        of the network in training.
    images : ndarray, (N, S, S), uint16, or None
        The validation films. None in every process except process 0: only process
        0 scores and writes, and all processes restore the checkpoint.
    labels : ndarray, (N,), 1 = the finding

    Attributes
    ----------
    history : list of dict
        One row an epoch, as in history.csv.
    kept : list of ndarray
        The weights of the epoch that is kept.
    """

    def __init__(
        self, folder: Path, recipe: Recipe, scorer: keras.Model, images: np.ndarray | None, labels: np.ndarray
    ):
        super().__init__()
        self.folder, self.recipe, self.scorer, self.images, self.labels = folder, recipe, scorer, images, labels
        self.history: list[dict[str, float]] = []
        self.kept: list[np.ndarray] = []
        self.rate = float("nan")

    def _state(self) -> list[keras.Variable]:
        """Return all variables of the network and its optimiser, in the order in which they are saved."""
        return [*self.model.variables, *self.model.optimizer.variables]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the learning rate."""
        self.rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Score the validation films and write the checkpoint."""
        logs = {} if logs is None else logs  # Keras shows what is added to its own dict
        if not np.isfinite(logs["loss"]):
            raise InputError(f"epoch {epoch + 1}: the loss is {logs['loss']}; try a smaller learning rate")
        if self.images is None:
            return
        self.scorer.set_weights(self.model.get_weights())
        logits = predict_logits(self.scorer, self.images, mirror=self.recipe.mirror)
        if num_bad := int((~np.isfinite(logits)).sum()):
            raise InputError(
                f"epoch {epoch + 1}: {num_bad:,} of {len(logits):,} validation films have a score that is not a finite "
                "number; try a smaller learning rate"
            )
        value = auc(self.labels, logits)
        logs["val_auc"] = value
        is_best = not self.history or value > max(row["val_auc"] for row in self.history)
        self.history.append({"epoch": epoch + 1, "learning_rate": self.rate, "loss": logs["loss"], "val_auc": value})
        if is_best or self.recipe.keep == "last":
            self.kept = self.scorer.get_weights()
        arrays = {f"state_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(self._state())}
        arrays |= {f"kept_{i}": weights for i, weights in enumerate(self.kept)}
        with atomic(self.folder / CHECKPOINT) as partial:
            np.savez(partial, history=np.array(json.dumps(self.history)), **arrays)
        self.write_history()

    def write_history(self) -> None:
        """Write history.csv. The file holds no times, so that equal trainings write equal files."""
        write_csv(self.folder / "history.csv", pd.DataFrame(self.history))

    def restore(self) -> int:
        """Load the checkpoint, if there is one, and return how many epochs are done.

        Raises
        ------
        InputError
            The checkpoint is damaged.
        """
        path = self.folder / CHECKPOINT
        if not path.exists():
            return 0
        try:
            with path.open("rb") as file, np.load(file) as saved:  # NumPy refuses pickles
                self.history = json.loads(str(saved["history"]))
                for i, variable in enumerate(self._state()):
                    variable.assign(saved[f"state_{i}"])
                self.kept = [saved[f"kept_{i}"] for i in range(len(self.scorer.weights))]
        except Exception as error:  # zipfile, NumPy and Keras raise many kinds for broken files
            raise InputError(f"{path}: is damaged ({error}); remove the file, and the training begins anew") from None
        if self.images is not None:
            self.write_history()  # the process may have been killed between the checkpoint and the table
        return len(self.history)
