"""Draw twelve simulated films beside twelve real ones, and measure what gives the simulation away.

    python benchmarks/contact_sheet.py build/contact_sheet.png [--seed 0] [--films 400]

The real half is drawn if the environment variable CXR_REAL_DATA names a folder in
NIH's layout. It is never committed. The upper two rows of each half have an
effusion. Real films of the group ``one-per-patient`` are left out, because no
setting of the simulator is chosen on them.

Then the script simulates films as the library's weights have them, and prints how
well two simple classifiers tell them from all these real films, and where the two
kinds differ (`realism.describe`).
"""

import os
import runpy
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import typer
from realism import describe

from cxrlib.cohorts.nih import find_label_file, open_source
from cxrlib.images.pixels import minmax, resize_to_square
from cxrlib.images.radiograph import read_image
from cxrlib.phantom.film import take_film
from cxrlib.phantom.roster import draw_roster, order_of

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HELD_OUT_GROUP, SIDE, ROWS, COLUMNS = "one-per-patient", 256, 4, 3

SETTINGS = runpy.run_path(str(Path(__file__).parents[1] / "data" / "make_weights.py"))["FILMS"]
"""Settings of the films from which the library's weights are made."""


def main(out: Path, seed: int = 0, films: int = 400) -> None:
    """Draw the contact sheet, and measure how well FILMS simulated films are told from real ones (0: do not)."""
    table = real_table(Path(source)) if (source := os.environ.get("CXR_REAL_DATA")) else None
    roster = draw_roster(ROWS * COLUMNS, prevalence=0.5, seed=seed).sort_values("label", ascending=False)
    halves = {"simulated": simulate(roster, seed, SIDE)}
    if table is not None:
        half = ROWS * COLUMNS // 2
        chosen = [table[table["label"] == label].sample(half, random_state=seed) for label in (1, 0)]
        halves["real (NIH ChestX-ray14)"] = read(pd.concat(chosen), SIDE)
    figure = plt.figure(figsize=(6.4 * len(halves), 8.8), layout="constrained")
    for part, (name, images) in zip(figure.subfigures(1, len(halves), squeeze=False)[0], halves.items(), strict=True):
        part.suptitle(name)
        for ax, image in zip(part.subplots(ROWS, COLUMNS).flat, images, strict=True):
            ax.imshow(image, cmap="gray", vmin=0, vmax=1)
            ax.set_axis_off()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=100)
    typer.echo(str(out))
    if films and table is not None:
        typer.echo(measure(table, films, seed))


def measure(table: pd.DataFrame, films: int, seed: int) -> str:
    """Return how well simulated films are told from the real ones of a table."""
    settings = {key: value for key, value in SETTINGS.items() if key not in ("films", "seed", "size")}
    roster, size = draw_roster(films, **settings, seed=seed), SETTINGS["size"]
    return describe(
        np.stack(read(table, size) + simulate(roster, seed, size)),
        np.repeat([True, False], [len(table), films]),
        np.concatenate([table["view"], roster["view"]]),
        np.concatenate(["real " + table["patient_id"], "simulated " + roster["patient_id"]]),
        seed=seed,
    )


def simulate(roster: pd.DataFrame, seed: int, size: int) -> list[np.ndarray]:
    """Return the films of a roster."""
    return [minmax(take_film(order_of(row, seed=seed), size=size).pixels) for row in roster.to_dict("records")]


def real_table(source: Path) -> pd.DataFrame:
    """Return the table of the real films that may be looked at."""
    table = open_source(source, find_label_file(source)).table
    if (source / "sources.csv").is_file():
        groups = pd.read_csv(source / "sources.csv").set_index("image")["group"]
        table = table[table["source"].map(lambda path: groups.get(Path(path).name)) != HELD_OUT_GROUP]
    return table.assign(source=[source / path for path in table["source"]])


def read(table: pd.DataFrame, size: int) -> list[np.ndarray]:
    """Return the real films of a table."""
    return [resize_to_square(read_image(path), size) for path in table["source"]]


if __name__ == "__main__":
    typer.run(main)
