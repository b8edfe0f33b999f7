"""A small simulated cohort and one trained run, made once for all tests."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny import TINY

from cxrlib.phantom import simulate


@pytest.fixture(scope="session")
def sim_cohort(tmp_path_factory) -> Path:
    return simulate(tmp_path_factory.mktemp("sim") / "cohort", films=100, prevalence=0.4, size=64, seed=3)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, sim_cohort):
    from cxrlib.session import start_session
    from cxrlib.training import train

    start_session(0)
    return train(sim_cohort, tmp_path_factory.mktemp("runs") / "tiny", TINY)


@pytest.fixture
def film() -> np.ndarray:
    """A film-like picture (96, 80), uint8: smooth, from 10 to 240."""
    rows, columns = np.mgrid[0:96, 0:80]
    wave = np.sin(rows / 17) * np.cos(columns / 11)
    return (10 + 115 * (1 + wave)).astype(np.uint8)


@pytest.fixture
def two_folders(tmp_path, film):
    """A bare two-folder cohort of six films a class."""
    folder = tmp_path / "bare"
    for name in ("effusion", "nofinding"):
        (folder / name).mkdir(parents=True)
        for i in range(6):
            cv2.imwrite(str(folder / name / f"{name[0]}{i}.png"), np.roll(film, 5 * i + (name == "effusion"), axis=0))
    return folder
