"""The slow tests have a short form, for CI: fewer kills, inputs and repetitions of the same kind."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--short", action="store_true", help="a short form of the slow tests")


@pytest.fixture(scope="session")
def short(request) -> bool:
    return request.config.getoption("--short")
