"""Journals: stores of events in the order of their commits, behind one interface."""
