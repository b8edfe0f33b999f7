"""Measure one rate in a process of its own: `python rates.py NAME ARGS` prints films a second.

`side_by_side.py` calls this script. Our measures run in the course's Python. The
peers' measures run in their own Python, which sees the course's packages too.
Each measure does one untimed round first, so that start-up is not counted.
"""

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

SIDE, BATCH = 256, 32
MOVES = {"shift": 0.08, "scale": 0.10, "rotate": 7.0}
SECONDS = 6.0


def rate(work: Callable[[], int], *, seconds: float = SECONDS) -> float:
    """Return films a second of `work`, which is repeated for some seconds and returns how many films it did."""
    work()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        done += work()
    return done / (time.perf_counter() - start)


def files(folder: str) -> list[Path]:
    """Return 96 paths of the films in a folder. Each film is repeated as often as needed."""
    found = sorted(Path(folder).rglob("*.png"))
    return (found * (96 // len(found) + 1))[:96]


def cold_ours(folder: str, moved: str) -> float:
    """Time PNG to min-max batches with load_images and iterate_batches. `moved` is "moved" (augmented) or "still"."""
    from cxrlib.images.augmentation import Augmentation
    from cxrlib.training.batches import iterate_batches, load_images

    films = files(folder)
    options = dict(batch=BATCH, augmentation=Augmentation(**(MOVES if moved == "moved" else {})), seed=0, epochs=[0])

    def work() -> int:
        images = load_images(films, size=SIDE)
        return sum(len(x) for x, _ in iterate_batches(images, np.zeros(len(images)), **options))

    return rate(work)


def legacy_generator():
    """Return Keras' ImageDataGenerator with our ranges."""
    from cxrlib.images.augmentation import Augmentation
    from cxrlib.model.keras_augmentation import keras_generator

    return keras_generator(Augmentation(**MOVES))


def cold_original(folder: str) -> float:
    """Time the steps of the tutorial that the course grew from: skimage, min-max, rescale, random_transform."""
    import skimage.io
    import skimage.transform

    films, generator = files(folder)[:BATCH], legacy_generator()

    def read(path: Path) -> np.ndarray:
        image = skimage.io.imread(path, as_gray=True).astype(float)
        image = (image - image.min()) / (image.max() - image.min())
        image = skimage.transform.rescale(image, SIDE / image.shape[0])
        return generator.random_transform(image[..., None])

    return rate(lambda: len(np.stack([read(path) for path in films])))


def cold_torch(folder: str, reader: str) -> float:
    """Time PyTorch's DataLoader with two workers: Pillow or OpenCV, area resize, min-max, one affine."""
    import cv2
    import PIL.Image
    import torch

    films = files(folder)

    class FilmDataset(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(films)

        def __getitem__(self, index: int):
            if reader == "pillow":
                with PIL.Image.open(films[index]) as opened:
                    image = np.asarray(opened.convert("F").resize((SIDE, SIDE), PIL.Image.Resampling.BOX))
            else:
                image = cv2.resize(
                    cv2.imread(str(films[index]), cv2.IMREAD_ANYDEPTH), (SIDE, SIDE), interpolation=cv2.INTER_AREA
                ).astype(np.float32)
            low, high = image.min(), image.max()
            rng = np.random.default_rng(index)
            turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), rng.uniform(-7, 7), rng.uniform(0.9, 1.1))
            turn[:, 2] += rng.uniform(-0.08, 0.08, 2) * SIDE
            return torch.from_numpy(cv2.warpAffine((image - low) / (high - low), turn, (SIDE, SIDE))[None])

    loader = torch.utils.data.DataLoader(FilmDataset(), BATCH, num_workers=2, persistent_workers=True)
    return rate(lambda: sum(len(batch) for batch in loader))


def cold_decoder(folder: str) -> float:
    """Time what any reader with OpenCV must do: imdecode and an area resize, on two threads."""
    import cv2

    cv2.setNumThreads(1)
    films = files(folder)

    def read(path: Path) -> np.ndarray:
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        return cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)

    with ThreadPoolExecutor(2) as pool:
        return rate(lambda: len(list(pool.map(read, films))))


def noise(count: int = 256) -> np.ndarray:
    """Return random images with the shape of films. Their content does not change the time."""
    return np.random.default_rng(0).random((count, SIDE, SIDE), np.float32)


def warm_ours() -> float:
    """Time augmented epochs from the cache, as `train` reads them."""
    from cxrlib.images.augmentation import Augmentation
    from cxrlib.images.pixels import quantize
    from cxrlib.training.batches import make_dataset

    images = quantize(noise())
    options = dict(batch=BATCH, augmentation=Augmentation(**MOVES), seed=0, epochs=range(10**6))
    endless = iter(make_dataset(images, np.zeros(len(images)), **options))
    return rate(lambda: sum(len(next(endless)[0]) for _ in range(len(images) // BATCH)))


def warm_generator() -> float:
    """Time ImageDataGenerator.flow over an array."""
    flow = legacy_generator().flow(noise()[..., None], batch_size=BATCH)
    return rate(lambda: sum(len(next(flow)) for _ in range(len(flow))))


def warm_layers() -> float:
    """Time three Keras augmentation layers in a tf.data pipeline."""
    from cxrlib.model.backend import keras, tf

    moves = keras.Sequential(
        [
            keras.layers.RandomRotation(MOVES["rotate"] / 360, fill_mode="constant"),
            keras.layers.RandomTranslation(MOVES["shift"], MOVES["shift"], fill_mode="constant"),
            keras.layers.RandomZoom(MOVES["scale"], fill_mode="constant"),
        ]
    )
    data = tf.data.Dataset.from_tensor_slices(noise()[..., None]).batch(BATCH)
    data = data.map(lambda x: moves(x, training=True), num_parallel_calls=2).prefetch(2)
    return rate(lambda: sum(len(x) for x in data))


def step_ours(width: str, dtype: str) -> float:
    """Time a training step of our network at 128 px, as `train` runs it."""
    model = our_network(int(width), dtype)
    images = np.random.default_rng(0).random((BATCH, 128, 128, 1), np.float32)
    labels = (np.arange(BATCH) % 2)[:, None].astype(np.float32)
    return rate(lambda: (model.train_on_batch(images, labels), BATCH)[1], seconds=2 * SECONDS)


def our_network(width: int, dtype: str):
    """Return the network as `train` compiles it."""
    from cxrlib.model import loss
    from cxrlib.model.backend import keras
    from cxrlib.model.network import build_network
    from cxrlib.model.recipe import Recipe

    model = build_network(Recipe(width=width, size=128, standardize=False, precision=dtype), fast=True)
    model.compile(optimizer=keras.optimizers.AdamW(1e-3), loss=loss.weighted_cross_entropy(2.0))
    return model


def gigaflops_ours(width: str, dtype: str) -> float:
    """Return the billions of operations a second of the convolutions in our training step.

    A multiplication with its addition counts as two operations. A convolution is
    computed three times: forwards, backwards for its kernel, and backwards for its
    input. The stem needs no gradient of its input, so it counts twice.
    """
    from cxrlib.model.backend import keras

    forwards = 0
    for layer in our_network(int(width), dtype).layers:
        if isinstance(layer, keras.layers.Conv2D):
            times = 2 if layer.name == "stem" else 3
            forwards += times * 2 * np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape)
    return step_ours(width, dtype) * float(forwards) / 1e9


def gigaflops_sgemm(library: str) -> float:
    """Return the billions of operations a second of a float32 matrix product on all cores."""
    side = 2048
    a, b = (np.random.default_rng(i).random((side, side), np.float32) for i in (0, 1))
    if library == "torch":
        import torch

        torch.set_num_threads(os.cpu_count())
        a, b = torch.from_numpy(a), torch.from_numpy(b)
    return rate(lambda: (a @ b, 1)[1]) * 2 * side**3 / 1e9


def step_torch(width: str, dtype: str, layout: str) -> float:
    """Time the same network and step in PyTorch."""
    import torch
    from peer_resnet import ResNet18

    layout = {"last": torch.channels_last, "first": torch.contiguous_format}[layout]
    torch.set_num_threads(os.cpu_count())
    model = ResNet18(int(width)).to(memory_format=layout)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    images = torch.rand(BATCH, 1, 128, 128).to(memory_format=layout)
    labels = (torch.arange(BATCH) % 2)[:, None].float()
    loss = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor(2.0))

    def work() -> int:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
            logit = model(images)
        loss(logit.float(), labels).backward()
        optimizer.step()
        return BATCH

    return rate(work, seconds=2 * SECONDS)


if __name__ == "__main__":
    print(globals()[sys.argv[1]](*sys.argv[2:]))
