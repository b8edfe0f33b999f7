"""The lab of lesson 3."""
