"""Notes and progress bars on stderr."""

import io
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cxrlib.cli.output import show

if TYPE_CHECKING:  # nothing of the library is imported before a command needs it: --help would wait for it
    from tqdm import tqdm

    from cxrlib.cohorts.fetching import ByteProgress
    from cxrlib.files import Progress
    from cxrlib.model.backend import keras

T = TypeVar("T")

SECONDS_BETWEEN_LINES = 10.0
"""Without a terminal, progress is shown as lines of text. The first line comes after this time. Between two lines there
is at least this time (our choice)."""


class Console:
    """What one command shows on stderr beside its result: notes and progress bars, or nothing.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """

    def __init__(self, *, quiet: bool = False):
        self.quiet = quiet
        self._bars: list[tqdm] = []

    def note(self, *notes: str) -> None:
        """Show what was assumed, one line each."""
        for note in () if self.quiet else notes:
            show(f"note: {note}", err=True)

    def show_next(self, command: str, *words: object) -> None:
        """Show the command that one would call next."""
        if not self.quiet:
            show(f"next: cxr {shlex.join([command, *map(str, words)])}", err=True)

    def film_bar(self, title: str) -> "Progress":
        """Return a function that shows progress over films: ``progress(items, total)`` yields the items."""

        def progress(items: Iterable[T], total: int) -> Iterator[T]:
            with self.bar(title, total, unit=" films") as bar:
                for item in items:
                    yield item
                    bar.update()

        return progress

    def byte_bar(self, title: str) -> "ByteProgress":
        """Return a function that shows progress over bytes: ``progress(chunks, total, done)`` yields the chunks.

        ``done`` bytes were fetched by an earlier call.
        """

        def progress(chunks: Iterable[bytes], total: int | None, done: int) -> Iterator[bytes]:
            with self.bar(title, total, initial=done, unit="B", unit_scale=True) as bar:
                for chunk in chunks:
                    yield chunk
                    bar.update(len(chunk))

        return progress

    def epoch_bar(self, epochs: int) -> "keras.callbacks.Callback":
        """Return a Keras callback that shows the progress of a training over all its batches.

        tqdm's own callback starts a new bar for each epoch. So before the first epoch ends,
        it cannot tell how long the whole training will take.
        """
        from cxrlib.model.backend import keras

        console = self

        class EpochBar(keras.callbacks.Callback):
            bar: Any = None
            has_first_batch = False

            def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
                if self.bar is None:
                    total, done = (count * self.params["steps"] for count in (epochs, epoch))
                    # smoothing 0 is the mean speed of all batches, which includes the scoring after each epoch
                    self.bar = console.bar("training", total, initial=done, unit=" batches", smoothing=0)
                self.bar.set_description_str(f"training, epoch {epoch + 1} of {epochs}", refresh=False)

            def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
                if not self.has_first_batch:
                    # the first batch compiles and takes as long as many, so the clock starts after it
                    self.has_first_batch = True
                    self.bar.unpause()
                    self.bar.initial = self.bar.n + 1
                self.bar.update()

            def on_epoch_end(self, epoch: int, logs: dict) -> None:
                self.bar.set_postfix_str(f"loss {logs['loss']:.3f}, AUC on val {logs['val_auc']:.3f}", refresh=False)

            def on_train_end(self, logs: dict | None = None) -> None:
                self.bar.close()

        return EpochBar()

    def bar(self, title: str, total: int | None, **options: Any) -> "tqdm":
        """Return a tqdm bar. Without a terminal, it shows a line of text at most at each tenth of the work."""
        from tqdm import tqdm

        class Lines(tqdm):
            shown_tenths = -1

            def display(self, msg: str | None = None, pos: int | None = None) -> None:
                tenths = 10 * self.n // self.total if self.total else self.shown_tenths
                # a message is tqdm's own request to clear the line; after the last tenth comes the result
                if msg is None and self.shown_tenths < tenths < 10:
                    self.shown_tenths = tenths
                    show(str(self), err=True)

        count = "{n_fmt}{unit} of {total_fmt}{unit}" if options.get("unit_scale") else "{n:,} of {total:,}{unit}"
        count += ", {remaining} left{postfix}"
        if self.quiet:
            options["disable"] = True
        if sys.stderr.isatty():
            bar = tqdm(desc=title, total=total, bar_format="{l_bar}{bar}| " + count, **options)
        else:
            wait = SECONDS_BETWEEN_LINES
            options |= dict(mininterval=wait, delay=wait, miniters=1, leave=False, file=io.StringIO())
            bar = Lines(desc=title, total=total, bar_format="{desc}: " + count, **options)
        self._bars.append(bar)
        return bar

    def clear(self) -> None:
        """Remove the bars from a terminal, so that a line can be shown. They come back with their next step."""
        for bar in self._bars if sys.stderr.isatty() else ():
            bar.clear()

    def close(self) -> None:
        """Close the bars that an error left open, so that its message begins on a line of its own."""
        for bar in self._bars:
            bar.close()


def tensorboard_logs(run: Path) -> "keras.callbacks.Callback":
    """Return the Keras callback that logs to RUN/tensorboard.

    Raises
    ------
    InputError
        The package tensorboard is not installed.
    """
    from importlib.util import find_spec

    from cxrlib.errors import InputError
    from cxrlib.model.backend import keras

    if find_spec("tensorboard") is None:
        raise InputError("--tensorboard needs the package tensorboard: pip install tensorboard")
    return keras.callbacks.TensorBoard(run / "tensorboard", write_graph=False)
