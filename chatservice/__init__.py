"""A chat service that anything with a TCP connection can join."""

__version__ = "0.1.0"
