"""What a run tells: its summary as JSON, its lines and tables for a terminal.  Pure."""
