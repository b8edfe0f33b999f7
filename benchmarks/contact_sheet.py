"""Draw twelve simulated films beside twelve real ones, and measure what gives the simulation away.

    python benchmarks/contact_sheet.py build/contact_sheet.png [--seed 0] [--films 400]

The real half is drawn if the environment variable CXR_REAL_DATA names a folder in
NIH's layout. It is never committed. The upper two rows of each half have an
effusion. Real films of the group ``one-per-patient`` are left out, because no
setting of the simulator is chosen on them.

``volumes_256.png`` and ``volumes_512.png`` beside it show one patient in each row,
with more and more fluid, beside two real films of the same view. There, each film has
its own pixels; NIH's reduced copies of 320 pixels are enlarged to 512.

Then the script simulates films as the library's weights have them, and prints how
well two simple classifiers tell them from all these real films, and where the two
kinds differ (`realism.describe`).
"""

import os
import runpy
from dataclasses import replace
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pandas as pd
import typer
from realism import describe

from cxrlib.cohorts.nih import find_label_file, open_source
from cxrlib.images.pixels import minmax, resize_to_square
from cxrlib.images.radiograph import read_image
from cxrlib.phantom.film import Order, fit_volume, take_film
from cxrlib.phantom.roster import draw_roster, order_of

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HELD_OUT_GROUP, SIDE, ROWS, COLUMNS = "one-per-patient", 256, 4, 3

VOLUMES, SIZES = (0, 100, 300, 600, 1500), (256, 512)
"""Volumes in mL, and sides in pixels of the films on the sheets of volumes."""

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
    for size in SIZES:
        sheet = out.with_name(f"volumes_{size}.png")
        cv2.imwrite(str(sheet), draw_volumes(table, seed, size))
        typer.echo(str(sheet))
    if films and table is not None:
        typer.echo(measure(table, films, seed))


def draw_volumes(table: pd.DataFrame | None, seed: int, size: int) -> np.ndarray:
    """Return a sheet, uint8: four patients with each of the volumes, or with as much as fits, and real films."""
    names = [f"{volume:,} mL" for volume in VOLUMES] + ["real, no effusion", "real, effusion"] * (table is not None)
    rows = []
    for row, (view, posture) in enumerate((("PA", "upright"),) * 2 + (("AP", "semi-erect"),) * 2):
        order = Order(patient=row, seed=seed, view=view, posture=posture, side=("right", "left")[row % 2], site=row % 3)
        amounts = [fit_volume(replace(order, amount=float(volume))) for volume in VOLUMES]
        films = [minmax(take_film(replace(order, amount=amount), size=size).pixels) for amount in amounts]
        if table is not None:
            of_view = table[table["view"] == view]
            real = [of_view[of_view["label"] == label].sample(random_state=seed + row) for label in (0, 1)]
            films += read(pd.concat(real), size)
        rows.append(np.hstack(films))
    head = np.full((30, size * len(names)), 255, np.uint8)
    for column, name in enumerate(names):
        cv2.putText(head, name, (column * size + 8, 21), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 0, 1, cv2.LINE_AA)
    return np.vstack([head, np.rint(255 * np.vstack(rows)).astype(np.uint8)])


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
