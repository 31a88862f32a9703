"""The wire formats that evidence comes in: bytes to commands, one module each, pure."""
