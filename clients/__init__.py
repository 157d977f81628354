"""What every Kafka user here shares: configuration, errors, questions, readers, transactions."""
