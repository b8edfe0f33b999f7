"""The patient: chest, heart, bones, vessels, fluid, look-alikes and devices."""
