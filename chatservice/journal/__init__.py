"""What happened, in order: stores of events behind one interface."""
