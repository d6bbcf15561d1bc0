"""How people come in: bytes to lines to commands."""
