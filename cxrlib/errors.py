"""The error that this library raises for input that it cannot use."""


class InputError(ValueError):
    """What the user gave cannot be used; the message says what was found and what is needed."""
