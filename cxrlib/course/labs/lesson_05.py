"""The lab of lesson 5."""
