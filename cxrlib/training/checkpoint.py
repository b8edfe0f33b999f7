"""The file from which an interrupted training goes on, written after each epoch."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrlib.errors import InputError
from cxrlib.evaluation.roc_auc import auc
from cxrlib.files import ArrayKind, atomic, read_bytes, read_npz, write_csv
from cxrlib.model.backend import keras
from cxrlib.model.network import predict_logits
from cxrlib.model.recipe import Recipe

CHECKPOINT = "checkpoint.npz"

MAX_BYTES = 8_000_000_000
"""A larger checkpoint is refused. The largest network of a recipe has 1.5 billion bytes of weights. The checkpoint
holds them twice, and the optimiser keeps up to two more numbers for each weight."""

HISTORY = ("epoch", "learning_rate", "loss", "val_auc")
"""The columns of history.csv."""

OWNERS = ("recipe.json", "split.csv")
"""The files of a run folder that a checkpoint belongs to. It holds a digest of each."""

START = "start"
"""The name under which a checkpoint holds a digest of the weights that the trained ones are blended with."""


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
    start : list of ndarray, optional
        The weights that the training started from.

    Attributes
    ----------
    history : list of dict
        One row an epoch, as in history.csv.
    kept : list of ndarray
        The weights of the epoch that is kept.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        scorer: keras.Model,
        images: np.ndarray | None,
        labels: np.ndarray,
        *,
        start: list[np.ndarray] | None = None,
    ):
        super().__init__()
        self.folder, self.recipe, self.scorer, self.images, self.labels = folder, recipe, scorer, images, labels
        self.history: list[dict[str, float]] = []
        self.kept: list[np.ndarray] = []
        self.rate = float("nan")
        self.start = start if recipe.blend < 1 else None  # else the start does not matter any more

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
        arrays |= self._digests()
        arrays["history"] = np.array([[row[column] for column in HISTORY] for row in self.history])
        with atomic(self.folder / CHECKPOINT) as partial:
            np.savez(partial, **arrays)
        self.write_history()

    def write_history(self) -> None:
        """Write history.csv. The file holds no times, so that equal trainings write equal files."""
        write_csv(self.folder / "history.csv", pd.DataFrame(self.history))

    def _digests(self) -> dict[str, np.ndarray]:
        """Return the SHA-256 of each of `OWNERS`, and of the weights to blend with: (32,), uint8, each.

        A file that does not exist counts as empty.
        """
        paths = {name: self.folder / name for name in OWNERS}
        contents = {name: read_bytes(path) if path.exists() else b"" for name, path in paths.items()}
        if self.start is not None:
            contents[START] = b"".join(weights.tobytes() for weights in self.start)
        return {
            _digest_name(name): np.frombuffer(hashlib.sha256(content).digest(), np.uint8)
            for name, content in contents.items()
        }

    def restore(self) -> int:
        """Load the checkpoint, if there is one, and return how many epochs are done.

        Raises
        ------
        InputError
            The checkpoint is damaged, or belongs to another recipe or other films.
        """
        path = self.folder / CHECKPOINT
        if not path.exists():
            return 0
        state, kept = self._state(), self.scorer.weights
        needed = {f"state_{i}": ArrayKind(tuple(v.shape), (np.dtype(v.dtype).name,)) for i, v in enumerate(state)}
        needed |= {f"kept_{i}": ArrayKind(tuple(v.shape), ("float32",)) for i, v in enumerate(kept)}
        digests = self._digests()
        needed |= {name: ArrayKind((32,), ("uint8",)) for name in digests}
        needed["history"] = ArrayKind((None, len(HISTORY)), ("float64",))
        try:
            saved = read_npz(path, needed, max_bytes=MAX_BYTES)
            if damaged := [name for name, array in saved.items() if not np.isfinite(array).all()]:
                raise ValueError(f"{damaged[0]} holds a number that is not finite")
            epochs = saved["history"][:, 0]
            if not 1 <= len(epochs) <= self.recipe.epochs or (epochs != np.arange(1, len(epochs) + 1)).any():
                raise ValueError(f"its history must have the epochs 1, 2, ... up to {self.recipe.epochs}")
        except ValueError as error:
            raise InputError(
                f"{path}: is damaged or of another version ({error}); remove the file to begin the training anew"
            ) from None
        for name in OWNERS:
            if (saved[_digest_name(name)] != digests[_digest_name(name)]).any():
                raise InputError(
                    f"{path}: belongs to another run, because it was written beside another {name}; "
                    "remove the file to begin the training anew"
                )
        if self.start is not None and (saved[_digest_name(START)] != digests[_digest_name(START)]).any():
            raise InputError(
                f"{path}: the training began with other weights than {self.recipe.start} holds now, and its result is "
                "to be blended with them; remove the file to begin the training anew"
            )
        self.history = [dict(zip(HISTORY, row, strict=True)) for row in saved["history"].tolist()]
        for row in self.history:
            row["epoch"] = int(row["epoch"])
        for i, variable in enumerate(state):
            variable.assign(saved[f"state_{i}"])
        self.kept = [saved[f"kept_{i}"] for i in range(len(kept))]
        if self.images is not None:
            self.write_history()  # the process may have been killed between the checkpoint and the table
        return len(self.history)


def _digest_name(file_name: str) -> str:
    """Return the name of the array that holds a file's digest, such as "recipe_digest"."""
    return f"{Path(file_name).stem}_digest"
