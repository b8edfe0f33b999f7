"""Run the course's experiments and write a CSV for each: ``make experiments``.

About an hour and a quarter on two cores, alone; stopped, it goes on where it was.
What is trained and simulated on the way is kept in the cache.
"""

import sys

from tqdm import tqdm

from cxrlib.model.session import start_session

start_session(0)  # before what loads TensorFlow, which is noisy

from train_experiments import make_course_scores, run_experiments  # noqa: E402


def show(items, total):
    """Show progress with the time that is left."""
    return tqdm(items, total=total, unit="training", desc="experiments")


if __name__ == "__main__":
    run_experiments(progress=show)
    make_course_scores()
    sys.stdout.write("cxrlib/course/tables/ is written\n")
