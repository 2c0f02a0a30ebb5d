"""Measurements of the gate beside the alternatives."""
