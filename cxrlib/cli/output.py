"""Results as tables and JSON on stdout; warnings and errors on stderr."""

import json
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cxrlib.errors import InputError, printable

if TYPE_CHECKING:
    from cxrlib.evaluation.rates import Evaluation, Performance
    from cxrlib.training.comparison import Comparison
    from cxrlib.training.run import Prediction, Run

RED, YELLOW = typer.colors.RED, typer.colors.YELLOW
"""The colours of errors and of a finding, and of warnings. The words say the same."""


def show(*parts: str | tuple[str, str], err: bool = False) -> None:
    """Print one line on stdout or stderr. All that `cxr` prints goes through here, except the help.

    Characters that could forge other lines are escaped, and those that the console
    cannot show.

    Parameters
    ----------
    *parts : str or (str, str)
        The line is these texts, one after the other. A text with the name of a colour gets
        that colour in a terminal, unless the environment variable NO_COLOR is set.
    err : bool
        Print on stderr.
    """
    stream = sys.stderr if err else sys.stdout  # None, if it is closed
    encoding = getattr(stream, "encoding", None) or "utf-8"
    has_color = stream is not None and stream.isatty() and not os.environ.get("NO_COLOR")
    line = ""
    for part in parts:
        text, color = (part, None) if isinstance(part, str) else part
        text = printable(text).encode(encoding, "backslashreplace").decode(encoding)
        line += typer.style(text, fg=color, bold=True) if has_color and color else text
    typer.echo(line, err=err, color=has_color)


@contextmanager
def show_library_warnings() -> Iterator[None]:
    """Show the library's own warnings as one line on stderr, without the place in the code."""
    show_as_python_does = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **options: Any) -> None:
        if category.__module__.startswith("cxrlib."):  # the class is not imported: --help would wait for it
            print_warnings([str(message)])
        else:
            show_as_python_does(message, category, *place, **options)

    with warnings.catch_warnings():
        warnings.filterwarnings("always", module="cxrlib")
        warnings.showwarning = show
        yield


def print_warnings(messages: Iterable[str]) -> None:
    """Print warnings on stderr, one line each."""
    for message in messages:
        show(("warning: ", YELLOW), message, err=True)


def print_error(message: str) -> None:
    """Print an error on stderr, in one line."""
    show(("cxr: ", RED), message, err=True)


def print_evaluation(evaluation: "Evaluation", *, as_json: bool = False) -> None:
    """Print an evaluation as a table, or as JSON."""
    if as_json:
        show(json.dumps(evaluation.as_dict()))
        return
    result = evaluation.performance
    show(f"{evaluation.split}: {_describe_films(result)}")
    print_warnings(evaluation.warnings)
    at_threshold, at_prevalence = f" at threshold {result.threshold:.4f}", f" at prevalence {result.prevalence:.3f}"
    suffixes = {"sensitivity": at_threshold, "specificity": at_threshold}
    suffixes |= {"PPV": at_prevalence, "NPV": at_prevalence}
    for title, text in evaluation.as_text().items():
        show(f"{title + suffixes.get(title, ''):36} {text}")
    if evaluation.groups:
        _print_groups(evaluation)


def _print_groups(evaluation: "Evaluation") -> None:
    from cxrlib.evaluation.groups import FIGURES, MIN_FILMS, describe_differences

    row = "{:20} {:>7} {:>8}  {:20}  {:20}  {}"
    for column, groups in evaluation.groups.items():
        show("")
        unknown = evaluation.performance.n - sum(group.n for group in groups)
        show(f"by {column}" + (f" (not known for {unknown:,} films)" if unknown else ""))
        show(row.format("group", "films", "finding", *FIGURES.values()))
        for group in groups:
            figures = [getattr(group, name) for name in FIGURES]
            texts = [f"under {MIN_FILMS} films" if figure is None else f"{figure:.2f}" for figure in figures]
            show(row.format(group.name, f"{group.n:,}", f"{group.n_finding:,}", *texts))
    show("")
    show(describe_differences(evaluation.groups))


def print_operating_point(run: "Run", *, as_json: bool = False) -> None:
    """Print the operating point that a run uses, its rates and what is not known of them, as text or as JSON."""
    point = run.operating_point
    if as_json:
        show(json.dumps({"run": str(run.folder)} | point.as_dict()))
        return
    show(f"{run.folder}: operating point {point.name}, threshold {point.threshold:.4f}")
    print_warnings(point.warnings)
    show(point.describe())
    for name, text in point.rates_as_text().items():
        show(f"{name:12} {text}")
    if point.confidence is not None:
        show(f"{'confidence':12} {point.confidence:.3f} that the sensitivity on new films is at least {point.floor:g}")


def print_comparison(comparison: "Comparison", *, as_json: bool = False) -> None:
    """Print the AUCs of two runs on the same films and their difference, as a table or as JSON."""
    if as_json:
        flat: dict[str, Any] = {name: getattr(comparison, name) for name in ("n", "n_finding", "n_patients")}
        for name in ("auc_a", "auc_b", "difference"):
            flat |= getattr(comparison, name).as_dict(name)
        show(json.dumps(flat | {"warnings": list(comparison.warnings)}))
        return
    show(_describe_films(comparison))
    print_warnings(comparison.warnings)
    figures = {"AUC of A": comparison.auc_a, "AUC of B": comparison.auc_b, "A - B": comparison.difference}
    for title, estimate in figures.items():
        show(f"{title:12} {estimate}")


def _describe_films(result: "Performance | Comparison") -> str:
    return f"{result.n:,} films of {result.n_patients:,} patients, {result.n_finding:,} with the finding"


def print_prediction(
    path: str,
    prediction: "Prediction | InputError",
    *,
    finding: str,
    point: str | None,
    picture: Path | None,
    as_json: bool = False,
) -> None:
    """Print one film's score, or why it has none, as text or as JSON.

    Parameters
    ----------
    path : str
    prediction : Prediction or InputError
        The score, or why there is none.
    finding : str
        The name of the positive class.
    point : str or None
        The name of the operating point, if its threshold is used.
    picture : Path or None
        The picture of the film, if there is one.
    as_json : bool
    """
    if isinstance(prediction, InputError):
        if as_json:
            show(json.dumps({"path": path, "error": str(prediction)}))
        else:
            print_error(str(prediction))
    elif as_json:
        result = {"path": path, "score": prediction.score, "threshold": prediction.threshold}
        result |= {"finding": prediction.finding, "operating_point": point, "warnings": list(prediction.warnings)}
        show(json.dumps(result | ({"picture": str(picture)} if picture else {})))
    else:
        decision = (finding, RED) if prediction.finding else "nofinding"
        show(f"{path}: ", decision, f" (score {prediction.score:.4f}, threshold {prediction.threshold:.4f})")
        for warning in prediction.warnings:
            show(("  warning: ", YELLOW), warning, err=True)  # indented: it belongs to the film above
        if picture:
            show(f"  picture: {picture}")
