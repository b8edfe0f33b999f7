"""After the tests: the seconds that each notebook names, beside those that it took, and the most memory of any.

Two side by side take longer than each would alone.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
NAMED = re.compile(r"about (\d+) seconds to run")


def pytest_terminal_summary(terminalreporter):
    """Print a line for each notebook that ran."""
    taken = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            name = getattr(report, "nodeid", "").split("::")[0]
            if name.endswith(".ipynb"):
                taken[Path(name).name] += getattr(report, "duration", 0)
    if not taken:
        return
    terminalreporter.section("seconds of each notebook: named, taken")
    for name, seconds in sorted(taken.items()):
        named = NAMED.search((HERE / name).read_text(encoding="utf-8"))
        terminalreporter.write_line(f"{name:32} {named[1] if named else '?':>5} {seconds:5.0f}")
    terminalreporter.write_line(f"{'all':32} {'':>5} {sum(taken.values()):5.0f}")
    if sys.platform == "linux":
        import resource  # there is none on Windows; elsewhere it counts in other units

        largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1 << 20)
        terminalreporter.write_line(f"the largest process of all that the tests started held {largest:.1f} GB")
