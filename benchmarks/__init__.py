"""What is fast, and against what: each benchmark prints a ratio measured in one run."""
