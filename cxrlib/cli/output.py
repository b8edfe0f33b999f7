"""What the command line shows: progress, notes and tables."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from cxrlib.cli.progress import _state


@contextmanager
def show_library_warnings() -> Iterator[None]:
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
        try:
            yield
        finally:
            for bar in _state["bars"]:  # one that an error left open, whose line would go on in the message
                bar.close()


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


def print_comparison(result, as_json: bool) -> None:
    """Print two runs' AUCs on the same films, and their difference."""
    estimates = {"auc_a": "AUC of A", "auc_b": "AUC of B", "difference": "A - B"}
    if as_json:
        flat = {"n": result.n, "n_finding": result.n_finding, "n_patients": result.n_patients}
        for name in estimates:
            estimate = getattr(result, name)
            flat |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        typer.echo(json.dumps(flat | {"warnings": list(result.warnings)}))
        return
    typer.echo(f"{result.n:,} films of {result.n_patients:,} patients, {result.n_finding:,} with the finding")
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)
    for name, title in estimates.items():
        typer.echo(f"{title:12} {getattr(result, name)}")
