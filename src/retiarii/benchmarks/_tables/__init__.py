"""Tables in files: their folder, how they are built from published files, downloaded and verified."""
