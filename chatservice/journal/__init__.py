"""Stores of events, in the order in which they happened, behind one interface."""
