"""Draw twelve simulated films beside twelve real ones, to find what gives the simulation away.

    python benchmarks/contact_sheet.py build/contact_sheet.png [--seed 0]

The real half is drawn if the environment variable CXR_REAL_DATA names a folder in
NIH's layout. It is never committed. The upper two rows of each half have an
effusion. Real films of the group ``one-per-patient`` are left out, because no
setting of the simulator is chosen on them.
"""

import os
from pathlib import Path

import matplotlib
import pandas as pd
import typer

from cxrlib.cohorts.nih import find_label_file, open_source
from cxrlib.images.pixels import minmax, resize_to_square
from cxrlib.images.radiograph import read_image
from cxrlib.phantom.film import take_film
from cxrlib.phantom.roster import draw_roster, order_of

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HELD_OUT_GROUP, SIDE, ROWS, COLUMNS = "one-per-patient", 256, 4, 3


def main(out: Path, seed: int = 0) -> None:
    """Draw the contact sheet."""
    halves = {"simulated": simulated(seed)}
    if source := os.environ.get("CXR_REAL_DATA"):
        halves["real (NIH ChestX-ray14)"] = real(Path(source), seed)
    figure = plt.figure(figsize=(6.4 * len(halves), 8.8), layout="constrained")
    for part, (name, images) in zip(figure.subfigures(1, len(halves), squeeze=False)[0], halves.items(), strict=True):
        part.suptitle(name)
        for ax, image in zip(part.subplots(ROWS, COLUMNS).flat, images, strict=True):
            ax.imshow(image, cmap="gray", vmin=0, vmax=1)
            ax.set_axis_off()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=100)
    typer.echo(str(out))


def simulated(seed: int) -> list:
    """Return six films with an effusion and six without."""
    table = draw_roster(ROWS * COLUMNS, prevalence=0.5, seed=seed).sort_values("label", ascending=False)
    return [minmax(take_film(order_of(row, seed=seed), size=SIDE).pixels) for row in table.to_dict("records")]


def real(source: Path, seed: int) -> list:
    """Return six films labelled Effusion and six labelled No Finding."""
    table = open_source(source, find_label_file(source)).table
    if (source / "sources.csv").is_file():
        groups = pd.read_csv(source / "sources.csv").set_index("image")["group"]
        table = table[table["source"].map(lambda path: groups.get(Path(path).name)) != HELD_OUT_GROUP]
    half = ROWS * COLUMNS // 2
    chosen = [table[table["label"] == label].sample(half, random_state=seed) for label in (1, 0)]
    return [resize_to_square(read_image(source / path), SIDE) for part in chosen for path in part["source"]]


if __name__ == "__main__":
    typer.run(main)
