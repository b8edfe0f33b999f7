"""The README's command for a cohort of one's own, as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

from cxrlib.phantom.simulation import simulate

ROOT = Path(__file__).parents[2]
QUICK = ("notebooks/01_frame_the_problem.ipynb", "notebooks/03_prepare_the_data.ipynb")


def test_the_lessons_run_on_a_cohort_of_ones_own(tmp_path, short):
    said = re.search(r"`CXR_COHORT=\$PWD/my/cohort (pytest --nbval-lax notebooks)`", (ROOT / "README.md").read_text())
    words = said[1].replace("notebooks", " ".join(QUICK)).split() if short else said[1].split()
    cohort = simulate(tmp_path / "my" / "cohort", films=600, prevalence=0.4, size=128, seed=5)
    own = os.environ | {"CXR_COHORT": str(cohort), "CXR_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
