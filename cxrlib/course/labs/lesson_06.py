"""The lab of lesson 6."""
