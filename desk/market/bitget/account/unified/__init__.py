"""What is spelled otherwise for unified accounts (API v3): requests, rows, answers, messages, stops."""
