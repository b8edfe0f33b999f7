"""Lesson 4: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

ANSWERS = {
    "augmentation zoom": {
        "right": """\
def look_closer(x, y, s, size):
    centre = (size - 1) / 2
    return np.array([[1 / s, 0, x - centre / s], [0, 1 / s, y - centre / s], [0, 0, 1]])
""",
        "wrong": [
            (
                """\
def look_closer(x, y, s, size):
    centre = (size - 1) / 2
    return np.array([[s, 0, centre - s * x], [0, s, centre - s * y], [0, 0, 1]])
""",
                "from the old film to the new one",
            ),
            (
                """\
def look_closer(x, y, s, size):
    centre = (size - 1) / 2
    return np.array([[s, 0, x - centre * s], [0, s, y - centre * s], [0, 0, 1]])
""",
                "times smaller",
            ),
            (
                """\
def look_closer(x, y, s, size):
    centre = (size - 1) / 2
    return np.array([[1 / s, 0, y - centre / s], [0, 1 / s, x - centre / s], [0, 0, 1]])
""",
                "swapped",
            ),
            (
                """\
def look_closer(x, y, s, size):
    return np.array([[1 / s, 0, x], [0, 1 / s, y], [0, 0, 1]])
""",
                "top-left corner",
            ),
            (
                """\
def look_closer(x, y, s, size):
    centre = (size - 1) / 2
    return np.array([[1 / s, 0, x - centre], [0, 1 / s, y - centre], [0, 0, 1]])
""",
                "only without scaling",
            ),
            (
                """\
def look_closer(x, y, s, size):
    centre = (size - 1) / 2
    return np.array([[1 / s, 0, centre - centre / s], [0, 1 / s, centre - centre / s], [0, 0, 1]])
""",
                "about its own centre",
            ),
            (
                """\
def look_closer(x, y, s, size):
    return np.array([[1 / s, 0, x - size / 2 / s], [0, 1 / s, y - size / 2 / s], [0, 0, 1]])
""",
                "not size / 2",
            ),
            (
                """\
def look_closer(x, y, s, size):
    return np.array([[1 / s, 0, x], [0, 1 / s, y]])
""",
                "the shape (2, 3)",
            ),
            (
                """\
def look_closer(x, y, s, size):
    c = (size - 1) / 2
    return np.array([[1 / s, 0, c - (c + c - x) / s], [0, 1 / s, c - (c + c - y) / s], [0, 0, 1]])
""",
                "enlarge first and shift afterwards",
            ),
            (
                """\
def look_closer(x, y, s, size):
    c = (size - 1) / 2
    return np.array([[1 / s, 0, (x - c) / s], [0, 1 / s, (y - c) / s], [0, 0, 1]])
""",
                "enlarge about the top-left corner",
            ),
            (
                """\
def look_closer(x, y, s, size):
    c = (size - 1) / 2
    return np.array([[1 / s, 0, c / s - x], [0, 1 / s, c / s - y], [0, 0, 1]])
""",
                "in the wrong direction",
            ),
            (
                """\
def look_closer(x, y, s, size):
    c = (size - 1) / 2
    return np.array([[1 / s, 0, c - x / s], [0, 1 / s, c - y / s], [0, 0, 1]])
""",
                "divide the old point by s",
            ),
            (
                """\
def look_closer(x, y, s, size):
    c = (size - 1) / 2
    return np.array([[1, 0, x - c], [0, 1, y - c], [0, 0, 1]])
""",
                "the diagonal should be",
            ),
        ],
    },
    "augmentation shift": {
        "right": """\
from cxrlib.images import Augmentation

mine = Augmentation(shift=0.06, scale=0.05, rotate=5.0)
""",
        "wrong": [
            (
                """\
from cxrlib.images import Augmentation

mine = Augmentation(shift=0.1, scale=0.05, rotate=5.0)
""",
                "Use a smaller shift",
            ),
            (
                """\
from cxrlib.images import Augmentation

mine = Augmentation(shift=0.02, scale=0.05, rotate=5.0)
""",
                "not the largest shift",
            ),
            (
                """\
from cxrlib.images import Augmentation

mine = Augmentation(shift=0.06)
""",
                "scale is 0, and the exercise fixes it at 0.05",
            ),
            (
                """\
from cxrlib.images import Augmentation

mine = Augmentation(shift=0.06, scale=0.05, rotate=5.0, vertical_flip=True)
""",
                "upside down",
            ),
            (
                """\
from cxrlib.images import Augmentation

mine = Augmentation(shift=0.3, scale=0.05, rotate=5.0, probability=0.1)
""",
                "probability of 0.1",
            ),
            ("mine = 0.06\n", "of the type float"),
        ],
    },
    "augmentation mirror": {
        "right": """\
def mirror(size):
    return np.array([[-1, 0, size - 1], [0, 1, 0], [0, 0, 1]])
""",
        "wrong": [
            ("def mirror(size):\n    return np.diag([-1, 1, 1])\n", "outside the film"),
            ("def mirror(size):\n    return np.array([[-1, 0, size], [0, 1, 0], [0, 0, 1]])\n", "one pixel off"),
            ("def mirror(size):\n    return np.array([[1, 0, 0], [0, -1, size - 1], [0, 0, 1]])\n", "upside down"),
            (
                "def mirror(size):\n    return np.array([[-1, 0, size - 1], [0, -1, size - 1], [0, 0, 1]])\n",
                "half a turn",
            ),
            ("def mirror(size):\n    return np.array([[-1, 0, 0], [0, 1, 0], [size - 1, 0, 1]])\n", "last row"),
            ("def mirror(size):\n    return np.array([[-1, 0, 1 - size], [0, 1, 0], [0, 0, 1]])\n", "wrong sign"),
            (
                "def mirror(size):\n    return np.array([[-1, 0, (size - 1) / 2], [0, 1, 0], [0, 0, 1]])\n",
                "is the centre",
            ),
            ("def mirror(size):\n    return np.array([[-1, 0, 0], [0, 1, size - 1], [0, 0, 1]])\n", "in the row of y"),
            ("def mirror(size):\n    return np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])\n", "swaps x and y"),
        ],
    },
}
