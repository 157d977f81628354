"""What all measurements share: rounds, child processes, a broker, the machine's description, the page."""
