"""The lab of lesson 9."""
