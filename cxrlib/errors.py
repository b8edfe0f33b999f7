"""The error that this library raises for input that it cannot use."""


class InputError(ValueError):
    """The input cannot be used. The message says what was found, what is needed, and where."""
