"""The project's own files: rooms, installation, Docker, tools."""
