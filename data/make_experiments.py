"""Run the experiments that the lessons show, and write a CSV for each: ``make experiments``.

With ``--gallery`` it runs the others, which only the page of experiments shows: ``make gallery``.
Trainings and films are cached, so an interrupted call continues where it stopped.
"""

import argparse
import sys
from collections.abc import Iterable

from tqdm import tqdm

from cxrlib.model.session import start_session

start_session(0)  # first, because the next import loads TensorFlow, which prints messages unless a session has started

from train_experiments import (  # noqa: E402
    make_course_scores,
    make_leak,
    make_lower_cut,
    make_training_aucs,
    run_experiments,
)

from cxrlib.course.experiments import EXPERIMENTS, GALLERY  # noqa: E402
from cxrlib.files import T  # noqa: E402


def training_bar(items: Iterable[T], total: int) -> Iterable[T]:
    """Show how many trainings are done, and the time that is left."""
    return tqdm(items, total=total, unit="training", desc="experiments")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gallery", action="store_true", help="run the experiments that no lesson shows")
    if parser.parse_args().gallery:
        run_experiments(GALLERY, progress=training_bar)
    else:
        run_experiments([name for name in EXPERIMENTS if name not in GALLERY], progress=training_bar)
        make_leak()
        make_lower_cut()
        make_training_aucs()
        make_course_scores()
    sys.stdout.write("The tables are in cxrlib/course/tables/.\n")
