"""Published files and their formats, read without running code of theirs."""
