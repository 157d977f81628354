"""The runtime's Kafka clients: the group consumer and the transactional result producer."""
