"""The server: its process, its address, and what it refuses."""
