"""The lab of lesson 2."""
