"""What fails: order by order, schema by schema, and the alarms that say so."""
