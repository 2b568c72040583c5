"""What is spelled otherwise for classic accounts (API v2): requests, rows, answers, messages, stops."""
