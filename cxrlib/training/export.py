"""Write a run as one ONNX file, which scores images without this library."""

import json
from pathlib import Path

from cxrlib.cohorts.cohort import NOFINDING, refuse_inside_cohort
from cxrlib.errors import InputError
from cxrlib.files import atomic
from cxrlib.images.pixels import PERCENTILES
from cxrlib.training.run import Run

NO_ONNX = 'an export needs the package onnx, which is not installed: pip install "onnx~=1.23"'

USE = "For teaching and research. This is no medical device, and it must not decide about a patient."

_START = b"\x12\x06cxrlib"
"""Bytes 2 to 9 of a file that was exported. In Protocol Buffers they say that field 2, the producer, has 6 letters."""

_RANGES = {
    "minmax": "its smallest gray level becomes 0 and its largest 1",
    "percentile": "the {} and {} percentiles of its gray levels become 0 and 1, and the rest is clipped".format(
        *PERCENTILES
    ),
}


def export_onnx(run: Run, out: str | Path) -> Path:
    """Write the network, the operating point and what goes with them as one ONNX file.

    The file's input "image" is (N, S, S, 1), float32 in [0, 1], where S is the size of the
    run's recipe. Its output "score" is (N,), float32 in [0, 1]: the score that `Run.predict`
    gives. So the standardisation, the mean with the mirror image and the correction for
    the loss weight are inside. Reading a film, normalising and resizing it are not.

    The metadata of the file are texts: finding, names, size, normalize, preprocessing,
    score, threshold, operating_point, rule, use and license. The same run gives the same
    bytes.

    Parameters
    ----------
    run : Run
    out : path-like
        A name that ends in .onnx. An older file that was exported is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        The package onnx is missing. The name does not end in .onnx, the file exists
        and was not exported by this library, or it would lie in a class folder of a cohort.

    Examples
    --------
    >>> export_onnx(open_run("run"), "effusion.onnx")  # doctest: +SKIP
    """
    out = Path(out)
    if out.suffix.lower() != ".onnx":
        raise InputError(f"{out}: the export is an ONNX file; its name must end in .onnx")
    if out.exists() and not _is_export(out):
        raise InputError(f"{out}: exists, and is not a file that `cxr export` wrote; choose another name")
    refuse_inside_cohort(out.parent)
    try:
        from cxrlib.model.onnx_graph import to_onnx
    except ModuleNotFoundError:
        raise InputError(NO_ONNX) from None
    model = to_onnx(run.model, mirror=run.recipe.mirror, weight=run.weight)
    facts = _facts(run)
    model.doc_string = f"Scores chest films for {run.finding}. {facts['use']}"
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=value)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic(out) as partial:
        partial.write_bytes(model.SerializeToString(deterministic=True))
    return out


def _is_export(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(2 + len(_START))[2:] == _START


def _facts(run: Run) -> dict[str, str]:
    """Return the metadata of a run's file. ONNX has only texts, so numbers are texts that Python and JSON read."""
    recipe, point = run.recipe, run.operating_point
    return {
        "finding": run.finding,
        "names": json.dumps([NOFINDING, run.finding]),
        "size": str(recipe.size),
        "normalize": recipe.normalize,
        "preprocessing": f"One channel, dense is bright. In each film at full resolution, {_RANGES[recipe.normalize]}. "
        f"Pad with 0 to a square, the film in the middle. Resize to {recipe.size} x {recipe.size} pixels by averaging "
        "areas, or bilinearly where the square is smaller. Do not crop or stretch.",
        "score": f"The probability of {run.finding} at the prevalence of the training films, as far as the network has "
        f"learned it. A film is called {run.finding} if score >= threshold.",
        "threshold": repr(run.threshold),
        "operating_point": point.name,
        "rule": point.rule,
        "use": f"{USE} Trained on simulated films alone." if run.is_simulated else USE,
        "license": "Apache-2.0"
        if run.is_simulated
        else "The run does not record the terms of its training films. "
        "The design of the network is from cxrlib, Apache-2.0.",
    }
