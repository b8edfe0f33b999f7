"""Run every notebook end to end, and say what came of it: ``make walkthrough``.

The executed pages go to build/walkthrough/; what the notebooks make on the way
is kept in the cache (data/cache, or CXR_CACHE), so a second call is quick.
"""

import sys
import time
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbconvert.preprocessors import ExecutePreprocessor
from tqdm import tqdm

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.course.folders import cache_folder, course_cohort
from cxrlib.model.session import start_session
from cxrlib.training.run import open_run

HERE = Path(__file__).resolve().parent
PAGES = HERE.parent / "build" / "walkthrough"


class Runner(ExecutePreprocessor):
    """Executes a notebook and moves a bar with each cell."""

    def __init__(self, bar: tqdm):
        quiet = ["--IPKernelApp.log_level=40"]  # errors alone: the kernel warns of its own ports on this machine
        super().__init__(timeout=1800, kernel_name="python3", extra_arguments=quiet)
        self.bar = bar

    def preprocess_cell(self, cell, resources, index):
        """Execute one cell."""
        done = super().preprocess_cell(cell, resources, index)
        self.bar.update()
        return done


def execute(path: Path) -> tuple[Path, float]:
    """Execute one notebook; return its page and the seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    with tqdm(total=len(notebook.cells), desc=path.stem, unit="cell") as bar:
        Runner(bar).preprocess(notebook, {"metadata": {"path": str(HERE)}})
    page = PAGES / f"{path.stem}.html"
    page.write_text(HTMLExporter().from_notebook_node(notebook)[0], encoding="utf-8")
    return page, time.perf_counter() - start


def main() -> None:
    """Run the course and print its result."""
    start_session()
    PAGES.mkdir(parents=True, exist_ok=True)
    made = [execute(path) for path in sorted(HERE.glob("[0-9][0-9]_*.ipynb"))]
    cohort = read_cohort(course_cohort())
    run = open_run(cache_folder() / "runs" / f"walk-{cohort.folder.name}")
    result = run.evaluate(cohort)
    test = result.performance
    rows = {
        "films": f"{len(cohort.table):,}, of which {test.n:,} for the test ({test.n_finding} with the finding)",
        "AUC": result.auc,
        "operating point": f"score >= {run.threshold:.4f}",
        "  sensitivity": test.sensitivity,
        "  specificity": test.specificity,
        "minutes": f"{sum(seconds for _, seconds in made) / 60:.1f}",
        "pages": ", ".join(str(page.relative_to(HERE.parent)) for page, _ in made),
    }
    sys.stdout.write("\n" + "\n".join(f"{name:16} {value}" for name, value in rows.items()) + "\n")


if __name__ == "__main__":
    main()
