"""What the command line shows: progress, notes and tables."""

import json
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer


def tell(*notes: str) -> None:
    """Say what was assumed, apart from the result."""
    for note in notes:
        typer.echo(f"note: {note}", err=True)


@contextmanager
def aloud() -> Iterator[None]:
    """Show what the library itself warns of as one line on stderr, without the place in the code."""
    shown = warnings.showwarning

    def show(message, category, *rest, **options):
        if category.__module__.startswith("cxrlib."):  # not imported for this: --help would wait for it
            typer.echo(f"warning: {message}", err=True)
        else:
            shown(message, category, *rest, **options)

    with warnings.catch_warnings():
        warnings.filterwarnings("always", module="cxrlib")
        warnings.showwarning = show
        yield


def film_bar(what: str):
    """Return a progress bar over films, for a terminal only."""
    from tqdm import tqdm

    def progress(items: Iterable, total: int) -> Iterable:
        return tqdm(items, desc=what, total=total, unit="film", disable=None)

    return progress


def byte_bar(what: str):
    """Return a progress bar over chunks of bytes; without a terminal, a line at each tenth."""
    from tqdm import tqdm

    def progress(chunks: Iterable[bytes], total: int | None, done: int) -> Iterator[bytes]:
        with tqdm(desc=what, total=total, initial=done, unit="B", unit_scale=True, disable=None) as bar:
            for chunk in chunks:
                yield chunk
                before, done = done, done + len(chunk)
                bar.update(len(chunk))
                if bar.disable and total and 10 * done // total > 10 * before // total:
                    typer.echo(f"{what}: {100 * done // total} % of {total / 1e6:.1f} MB", err=True)

    return progress


def epoch_bar(epochs: int):
    """Return a Keras callback that shows the epochs, for a terminal only."""
    from tqdm import tqdm

    from cxrlib.backend import keras

    class Bar(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.bar = tqdm(total=epochs, desc="training", unit="epoch", disable=None)

        def on_epoch_end(self, epoch, logs=None):
            self.bar.n = epoch + 1
            self.bar.set_postfix(loss=f"{logs['loss']:.3f}", val_auc=f"{logs['val_auc']:.3f}")

        def on_train_end(self, logs=None):
            self.bar.close()

    return Bar()


def tensorboard_logs(run: Path):
    """Return the Keras callback that logs to RUN/tensorboard."""
    from importlib.util import find_spec

    from cxrlib.backend import keras
    from cxrlib.radiograph import InputError

    if find_spec("tensorboard") is None:
        raise InputError("--tensorboard needs the package tensorboard: pip install tensorboard")
    return keras.callbacks.TensorBoard(run / "tensorboard", write_graph=False)


def print_evaluation(result: dict) -> None:
    """Print an evaluation as a table."""
    typer.echo(
        f"{result['split']}: {result['n']:,} films of {result['n_patients']:,} patients, "
        f"{result['n_finding']:,} with the finding"
    )
    for warning in result["warnings"]:
        typer.echo(f"warning: {warning}", err=True)
    at = f"at threshold {result['threshold']:.4f}"
    for name, title in {
        "auc": "AUC",
        "sensitivity": f"sensitivity {at}",
        "specificity": f"specificity {at}",
        "ppv": f"PPV at prevalence {result['prevalence']:.3f}",
        "npv": f"NPV at prevalence {result['prevalence']:.3f}",
    }.items():
        value, low, high = (result[f"{name}{end}"] for end in ("", "_low", "_high"))
        told = "not defined" if value is None else f"{value:.3f} ({low:.3f} to {high:.3f})"
        typer.echo(f"{title:36} {told}")


def print_prediction(result: dict, as_json: bool, finding: str = "") -> None:
    """Print one film's score, or why it has none."""
    if as_json:
        typer.echo(json.dumps(result))
    elif "error" in result:
        typer.echo(f"cxr: {result['error']}", err=True)
    else:
        told = finding if result["finding"] else "nofinding"
        typer.echo(f"{result['path']}: {told} (score {result['score']:.4f}, threshold {result['threshold']:.4f})")
        for warning in result["warnings"]:
            typer.echo(f"  warning: {warning}", err=True)
        if "picture" in result:
            typer.echo(f"  picture: {result['picture']}")
