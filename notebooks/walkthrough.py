"""Run every notebook from end to end, and print the results: ``make walkthrough``.

``make walkthrough LESSONS="00 08"`` runs only some of them.

The executed pages are saved in build/walkthrough/. What the notebooks simulate and
train is kept in the cache (data/cache, or CXR_CACHE), so a second call is quick.
"""

import sys
import time
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbconvert.preprocessors import ExecutePreprocessor
from nbformat import NotebookNode
from tqdm import tqdm

from cxrlib.cohorts.cohort import read_cohort
from cxrlib.course.folders import course_cohort
from cxrlib.course.lessons import course_run
from cxrlib.model.session import start_session

HERE = Path(__file__).resolve().parent
PAGES = HERE.parent / "build" / "walkthrough"


class Runner(ExecutePreprocessor):
    """Execute a notebook, and move a progress bar with each cell."""

    def __init__(self, bar: tqdm) -> None:
        quiet = [
            "--IPKernelApp.log_level=40"
        ]  # errors only, without the kernel's warning of its open ports
        super().__init__(timeout=1800, kernel_name="python3", extra_arguments=quiet)
        self.bar = bar

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict, index: int
    ) -> tuple[NotebookNode, dict]:
        """Execute one cell."""
        executed = super().preprocess_cell(cell, resources, index)
        self.bar.update()
        return executed


def execute(path: Path) -> tuple[Path, float]:
    """Execute one notebook. Return its page and the seconds that it took."""
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    with tqdm(total=len(notebook.cells), desc=path.stem, unit="cell") as bar:
        Runner(bar).preprocess(notebook, {"metadata": {"path": str(HERE)}})
    page = PAGES / f"{path.stem}.html"
    page.write_text(HTMLExporter().from_notebook_node(notebook)[0], encoding="utf-8")
    return page, time.perf_counter() - start


def find_notebooks(lessons: list[str]) -> list[Path]:
    """Return the notebooks of some lessons, such as 00 and 08; all of them if none is named."""
    notebooks = {
        path.name[:2]: path for path in sorted(HERE.glob("[0-9][0-9]_*.ipynb"))
    }
    unknown = [lesson for lesson in lessons if lesson not in notebooks]
    if unknown:
        sys.exit(
            f"there is no lesson {unknown[0]!r}; the lessons are {', '.join(notebooks)}"
        )
    return [
        path for number, path in notebooks.items() if number in (lessons or notebooks)
    ]


def main() -> None:
    """Run the notebooks, and print the test result of lesson 0's network if lesson 0 was run."""
    notebooks = find_notebooks(sys.argv[1:])
    start_session()
    PAGES.mkdir(parents=True, exist_ok=True)
    pages = [execute(path) for path in notebooks]
    rows: dict[str, object] = {}
    if notebooks[0].name.startswith("00"):
        cohort = read_cohort(course_cohort())
        run = course_run(cohort=cohort)
        result = run.evaluate(cohort)
        test = result.performance
        rows = {
            "films": f"{len(cohort.table):,}, of which {test.n:,} for the test ({test.n_finding} with the finding)",
            "AUC": result.auc,
            "operating point": f"score >= {run.threshold:.4f}",
            "  sensitivity": test.sensitivity,
            "  specificity": test.specificity,
        }
    rows |= {
        "minutes": f"{sum(seconds for _, seconds in pages) / 60:.1f}",
        "pages": ", ".join(str(page.relative_to(HERE.parent)) for page, _ in pages),
    }
    sys.stdout.write(
        "\n" + "\n".join(f"{name:16} {value}" for name, value in rows.items()) + "\n"
    )


if __name__ == "__main__":
    main()
