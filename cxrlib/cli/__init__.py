"""The command ``cxr``."""
