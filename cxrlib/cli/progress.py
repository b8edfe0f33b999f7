"""Progress bars and notes on stderr."""

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import typer

EVERY = 10.0
"""Seconds that pass without a terminal before long work is told of, and from one line to the next at least."""

_state = {"quiet": False, "bars": []}


def set_quiet(asked: bool) -> bool:
    """Say nothing more but results, warnings and errors: what --quiet calls."""
    _state["quiet"] = asked
    return asked


def note(*notes: str) -> None:
    """Say what was assumed, apart from the result."""
    for note in () if _state["quiet"] else notes:
        typer.echo(f"note: {note}", err=True)


def film_bar(what: str) -> Callable:
    """Return what shows progress over films: ``progress(items, total)``."""

    def progress(items: Iterable, total: int) -> Iterator:
        with _bar(what, total, unit=" films") as bar:
            for item in items:
                yield item
                bar.update()

    return progress


def byte_bar(what: str) -> Callable:
    """Return what shows progress over chunks of bytes, of which some may be done: ``progress(chunks, total, done)``."""

    def progress(chunks: Iterable[bytes], total: int | None, done: int) -> Iterator[bytes]:
        with _bar(what, total, initial=done, unit="B", unit_scale=True) as bar:
            for chunk in chunks:
                yield chunk
                bar.update(len(chunk))

    return progress


def epoch_bar(epochs: int):
    """Return a Keras callback that shows the progress of a training, batch by batch."""
    from cxrlib.model.backend import keras

    class Progress(keras.callbacks.Callback):
        bar = None

        def on_epoch_begin(self, epoch, logs=None):
            if self.bar is None:
                total, done = (count * self.params["steps"] for count in (epochs, epoch))
                # the mean of all batches, for the latest know nothing of the scoring after each epoch
                self.bar = _bar("training", total, initial=done, unit=" batches", smoothing=0)
                self.compiled = False
            self.bar.set_description_str(f"training, epoch {epoch + 1} of {epochs}", refresh=False)

        def on_train_batch_end(self, batch, logs=None):
            if not self.compiled:  # the clock starts after the first batch, which took as long as many
                self.compiled = True
                self.bar.unpause()
                self.bar.initial = self.bar.n + 1
            self.bar.update()

        def on_epoch_end(self, epoch, logs=None):
            self.bar.set_postfix_str(f"loss {logs['loss']:.3f}, AUC on val {logs['val_auc']:.3f}", refresh=False)

        def on_train_end(self, logs=None):
            self.bar.close()

    return Progress()


def _bar(what: str, total: int | None, **options):
    """Return tqdm's bar; without a terminal, one that is a line after `EVERY` seconds, and then at each tenth."""
    from tqdm import tqdm

    count = "{n_fmt}{unit} of {total_fmt}{unit}" if options.get("unit_scale") else "{n:,} of {total:,}{unit}"
    told = count + ", {remaining} left{postfix}"

    class Lines(tqdm):
        tenth = -1

        def display(self, msg=None, pos=None):
            now = 10 * self.n // self.total if self.total else self.tenth
            if msg is None and self.tenth < now < 10:
                self.tenth = now
                typer.echo(str(self), err=True)

    if _state["quiet"]:
        options["disable"] = True
    if sys.stderr.isatty():
        bar = tqdm(desc=what, total=total, bar_format="{l_bar}{bar}| " + told, **options)
    else:
        options |= dict(mininterval=EVERY, delay=EVERY, miniters=1, leave=False, file=io.StringIO())
        bar = Lines(desc=what, total=total, bar_format="{desc}: " + told, **options)
    _state["bars"].append(bar)
    return bar


def tensorboard_logs(run: Path):
    """Return the Keras callback that logs to RUN/tensorboard."""
    from importlib.util import find_spec

    from cxrlib.errors import InputError
    from cxrlib.model.backend import keras

    if find_spec("tensorboard") is None:
        raise InputError("--tensorboard needs the package tensorboard: pip install tensorboard")
    return keras.callbacks.TensorBoard(run / "tensorboard", write_graph=False)
