"""The error for input that this library cannot use, and how text from outside is shown."""

import unicodedata


class InputError(ValueError):
    """The input cannot be used. The message says what was found, what is needed, and where."""


def printable(text: object) -> str:
    r"""Return a text on one line, with an escape for each character that is not seen or that moves others.

    File names may hold such characters. A line break could forge a line of a result. A
    character that turns the direction of writing could hide the end of a name. A byte
    that is not UTF-8 cannot be printed.

    Parameters
    ----------
    text : object
        Its ``str`` is shown.

    Returns
    -------
    str
        Spaces, letters, signs and back slashes are unchanged.

    Examples
    --------
    >>> print(printable("film.png\nother.png: nofinding"), printable("film\u202egnp.exe"))
    film.png\nother.png: nofinding film\u202egnp.exe
    """
    shown = str(text)
    if shown.isprintable():  # as nearly all texts are, of which there may be 100,000: no copy is made
        return shown
    return "".join(
        letter if letter.isprintable() or unicodedata.category(letter) == "Zs" else ascii(letter)[1:-1]
        for letter in shown
    )
