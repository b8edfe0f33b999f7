"""Lesson 2: for each exercise a right answer, and typical wrong ones with words of the reply that each must get."""

ANSWERS = {
    "fluid on a ray": {
        "right": """\
def fluid_cm(passed, mu_fluid, mu_lung):
    return -np.log(passed) / (mu_fluid - mu_lung)
""",
        "wrong": [
            ("def f(passed, mu_fluid, mu_lung):\n    return -np.log(passed) / mu_fluid\n", "takes the place of lung"),
            ("def f(passed, mu_fluid, mu_lung):\n    return (1 - passed) / (mu_fluid - mu_lung)\n", "a straight line"),
            ("def f(passed, mu_fluid, mu_lung):\n    return -np.log10(passed) / (mu_fluid - mu_lung)\n", "base 10"),
            ("def f(passed, mu_fluid, mu_lung):\n    return np.log(passed) / (mu_fluid - mu_lung)\n", "the sign"),
            ("def f(passed, mu_fluid, mu_lung):\n    return -np.log(passed) / (mu_fluid + mu_lung)\n", "You add"),
            (
                "def f(passed, mu_fluid, mu_lung):\n    return -np.log(1 - passed) / (mu_fluid - mu_lung)\n",
                "the fraction that is lost",
            ),
            ("def f(passed, mu_fluid, mu_lung):\n    return np.exp(-passed * (mu_fluid - mu_lung))\n", "other way"),
        ],
    },
    "tilted bed": {
        "right": """\
def fill_bed(inside, y, z, degrees, count):
    angle = np.radians(degrees)
    height = z * np.cos(angle) - y * np.sin(angle)
    places = np.flatnonzero(inside)
    lowest = places[np.argsort(height.ravel()[places])[:count]]
    filled = np.zeros(inside.shape, bool)
    filled.ravel()[lowest] = True
    return filled
""",
        "wrong": [
            (
                """\
def fill_bed(inside, y, z, degrees, count):
    height = z * np.cos(degrees) - y * np.sin(degrees)
    places = np.flatnonzero(inside)
    filled = np.zeros(inside.shape, bool)
    filled.ravel()[places[np.argsort(height.ravel()[places])[:count]]] = True
    return filled
""",
                "take radians",
            ),
            (
                """\
def fill_bed(inside, y, z, degrees, count):
    places = np.flatnonzero(inside)
    filled = np.zeros(inside.shape, bool)
    filled.ravel()[places[np.argsort(z.ravel()[places])[:count]]] = True
    return filled
""",
                "as if the patient stood",
            ),
            (
                """\
def fill_bed(inside, y, z, degrees, count):
    angle = np.radians(degrees)
    height = z * np.cos(angle) + y * np.sin(angle)
    places = np.flatnonzero(inside)
    filled = np.zeros(inside.shape, bool)
    filled.ravel()[places[np.argsort(height.ravel()[places])[:count]]] = True
    return filled
""",
                "at the front of the chest",
            ),
            (
                """\
def fill_bed(inside, y, z, degrees, count):
    angle = np.radians(degrees)
    height = z * np.sin(angle) - y * np.cos(angle)
    places = np.flatnonzero(inside)
    filled = np.zeros(inside.shape, bool)
    filled.ravel()[places[np.argsort(height.ravel()[places])[:count]]] = True
    return filled
""",
                "swapped",
            ),
            (
                """\
def fill_bed(inside, y, z, degrees, count):
    angle = np.radians(degrees)
    height = z * np.cos(angle) - y * np.sin(angle)
    filled = np.zeros(inside.shape, bool)
    filled.ravel()[np.argsort(height.ravel())[:count]] = True
    return filled
""",
                "outside the pleural space",
            ),
            (
                """\
def fill_bed(inside, y, z, degrees, count):
    angle = np.radians(degrees)
    height = z * np.cos(angle) - y * np.sin(angle)
    places = np.flatnonzero(inside)
    filled = np.zeros(inside.shape, bool)
    filled.ravel()[places[np.argsort(height.ravel()[places])[-count:]]] = True
    return filled
""",
                "where gas goes",
            ),
            (
                """\
def fill_bed(inside, y, z, degrees, count):
    height = z * (1 - degrees / 90) - y * degrees / 90
    places = np.flatnonzero(inside)
    filled = np.zeros(inside.shape, bool)
    filled.ravel()[places[np.argsort(height.ravel()[places])[:count]]] = True
    return filled
""",
                "with the cosine and the sine",
            ),
            (
                """\
def fill_bed(inside, y, z, degrees, count):
    angle = np.radians(degrees)
    height = np.where(inside, z * np.cos(angle) - y * np.sin(angle), np.inf)
    return height <= np.sort(height.ravel())[count - 1]
""",
                "equally high",
            ),
            (
                """\
def fill_bed(inside, y, z, degrees, count):
    filled = np.zeros((48, 64, 88), bool)
    filled[inside] = True
    return filled
""",
                "The check brings a space",
            ),
        ],
    },
    "effusion side": {
        "right": """\
from cxrlib.course.labs.lesson_02 import quiz_orders

sides = [order.side if order.amount else "none" for order in quiz_orders()]
""",
        "wrong": [
            (
                """\
from cxrlib.course.labs.lesson_02 import quiz_orders

swap = {"right": "left", "left": "right"}
sides = [swap[order.side] if order.amount else "none" for order in quiz_orders()]
""",
                "every side is swapped",
            ),
            ("""sides = ["none"] * 6\n""", "you call none"),
            (
                """\
from cxrlib.course.labs.lesson_02 import quiz_orders

sides = [order.side for order in quiz_orders()]
""",
                "It shows no effusion",
            ),
            ("""sides = ["R", "L", "R", "L", "R", "L"]\n""", "a list of 6 words"),
            (
                """\
from cxrlib.course.labs.lesson_02 import quiz_orders

sides = [order.side if order.amount else "none" for order in quiz_orders()]
first = sides.index("left")
changed = sides[:first] + ["right"] + sides[first + 1 :]
""",
                "on the other side",
            ),
        ],
    },
    "first blunted angle": {
        "right": """\
from cxrlib.phantom import Order, blunting, take_film

def first_blunted(patient, side):
    for ml in range(25, 501, 25):
        film = take_film(Order(patient=patient, amount=float(ml), side=side), size=96)
        if blunting(film, side) > 0.5:
            return ml
""",
        "wrong": [
            (
                """\
from cxrlib.phantom import Order, blunting, take_film

def first_blunted(patient, side):
    for ml in range(25, 501, 25):
        film = take_film(Order(patient=patient, amount=float(ml), side=side), size=96)
        if blunting(film, side) > 0:
            return ml
""",
                "Some fluid is not enough",
            ),
            (
                """\
from cxrlib.phantom import Order, blunting, take_film

def first_blunted(patient, side):
    for ml in range(25, 501, 25):
        film = take_film(Order(patient=patient, amount=float(ml)), size=96)
        if blunting(film, side) > 0.5:
            return ml
""",
                "on the side whose angle you measure",
            ),
            (
                """\
from cxrlib.phantom import Order, blunting, take_film

def first_blunted(patient, side):
    for ml in range(500, 24, -25):
        film = take_film(Order(patient=patient, amount=float(ml), side=side), size=96)
        if blunting(film, side) > 0.5:
            return ml
""",
                "Start with the smallest volume",
            ),
            (
                """\
from cxrlib.phantom import Order, blunting, take_film

def first_blunted(patient, side):
    film = take_film(Order(patient=patient, amount=500.0, side=side), size=96)
    return blunting(film, side)
""",
                "not the fraction",
            ),
        ],
    },
}
