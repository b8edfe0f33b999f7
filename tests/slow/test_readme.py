"""The command for the lessons on a cohort of your own: it runs as the documentation gives it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from cxrlib.phantom.simulation import simulate

ROOT = Path(__file__).parents[2]
SHORT_FORM = ("notebooks/01_frame_the_problem.ipynb", "notebooks/03_prepare_the_data.ipynb")


def test_the_lessons_run_on_a_cohort_of_your_own(tmp_path, short):
    pages = "".join(path.read_text() for path in (ROOT / "README.md", *(ROOT / "book").glob("*.md")))
    command = re.search(r"`CXR_COHORT=\$PWD/my/cohort (pytest --nbval-lax notebooks)`", pages)[1]
    words = command.replace("notebooks", " ".join(SHORT_FORM)).split() if short else command.split()
    cohort = simulate(tmp_path / "my" / "cohort", films=600, prevalence=0.4, size=128, seed=5)
    own = os.environ | {"CXR_COHORT": str(cohort), "CXR_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
