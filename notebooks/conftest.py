"""After the tests, print the seconds that each notebook states and the seconds that it took.

Also print the largest memory of a process. Two notebooks that run at the same time
take longer than each alone.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
STATED = re.compile(r"about (\d+) seconds to run")


def pytest_terminal_summary(terminalreporter) -> None:
    """Print a line for each notebook that ran."""
    taken: defaultdict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            name = getattr(report, "nodeid", "").split("::")[0]
            if name.endswith(".ipynb"):
                taken[Path(name).name] += getattr(report, "duration", 0)
    if not taken:
        return
    terminalreporter.section("seconds of each notebook: stated, taken")
    for name, seconds in sorted(taken.items()):
        stated = STATED.search((HERE / name).read_text(encoding="utf-8"))
        terminalreporter.write_line(
            f"{name:32} {stated[1] if stated else '?':>5} {seconds:5.0f}"
        )
    terminalreporter.write_line(f"{'all':32} {'':>5} {sum(taken.values()):5.0f}")
    if sys.platform == "linux":
        import resource  # Windows does not have it, and other systems count in other units

        largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1 << 20)
        terminalreporter.write_line(
            f"The largest process that the tests started used {largest:.1f} GB."
        )
