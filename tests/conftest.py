"""The option --short, and fixtures that several files use: a simulated cohort, a trained run, the site, films."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from built import build_site
from tiny import TINY

from cxrlib.phantom.simulation import simulate

os.environ["CXR_SALT"] = "salt of the tests"  # no test draws a salt in the data folder of the user who runs it


def pytest_addoption(parser):
    parser.addoption("--short", action="store_true", help="a short form of tests/slow and tests/browser, for CI")


@pytest.fixture(scope="session")
def short(request) -> bool:
    return request.config.getoption("--short")


@pytest.fixture(scope="session")
def sim_cohort(tmp_path_factory) -> Path:
    return simulate(tmp_path_factory.mktemp("sim") / "cohort", films=100, prevalence=0.4, size=64, seed=3)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, sim_cohort):
    from cxrlib.model.session import start_session
    from cxrlib.training.fitting import train

    start_session(0)
    return train(sim_cohort, tmp_path_factory.mktemp("runs") / "tiny", TINY)


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The site that CXR_SITE names, built by ``make book`` before; without a name, a site of the tests' own."""
    built = os.environ.get("CXR_SITE")
    return Path(built) if built else build_site(tmp_path_factory.mktemp("book"))


@pytest.fixture
def film() -> np.ndarray:
    """A smooth image like a film, (96, 80), uint8, from 10 to 240."""
    rows, columns = np.mgrid[0:96, 0:80]
    wave = np.sin(rows / 17) * np.cos(columns / 11)
    return (10 + 115 * (1 + wave)).astype(np.uint8)


@pytest.fixture
def two_folders(tmp_path):
    """A cohort without a table: six different films of clouds in each of the two class folders."""
    folder, rng = tmp_path / "bare", np.random.default_rng(0)
    for name in ("effusion", "nofinding"):
        (folder / name).mkdir(parents=True)
        for i in range(6):
            clouds = cv2.resize(rng.integers(10, 240, (8, 7), dtype=np.uint8), (80, 96), interpolation=cv2.INTER_LINEAR)
            cv2.imwrite(str(folder / name / f"{name[0]}{i}.png"), clouds)
    return folder
