"""The notebooks run as they stand: each from a fresh kernel, in this folder."""

collect_ignore = ["walkthrough.py"]
