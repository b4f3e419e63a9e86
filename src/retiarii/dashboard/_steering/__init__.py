"""What the dashboard does to experiments: it asks them to stop, resumes them and exports code, in other processes."""
