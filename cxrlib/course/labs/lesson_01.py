"""The lab of lesson 1."""
