"""The lab of lesson 4."""
