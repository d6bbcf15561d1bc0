"""A client for terminals and pipes; it knows the service by its words alone."""
