"""The lab of lesson 7."""
