"""How any reaction runs: exactly one effect per effect key, whatever crashes (design §7).

    records -> decode -> react (pure) -> decide (pure) -> one store transaction -> one Kafka transaction

Nothing here knows a warehouse or a mail; nothing in a reaction knows Kafka or a database.
"""
