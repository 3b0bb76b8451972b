"""Orders from a file: read, checked line by line, and made in short transactions."""
