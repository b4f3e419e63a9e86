"""Inside the process of a trial: its start, and the pipe on which it reports."""
