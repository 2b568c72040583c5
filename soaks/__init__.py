"""What survives: kills, faults, days of simulated trading, noise, and the harness that they share."""
