"""The contract: what goes over the wire, and nothing about who sends or reads it.

Topics (`topics`), messages (`commands`, `facts`, `control`), their Avro schemas (`avro/*.avsc`), the two
framings (`codec`), the headers (`envelope`) and every error that the program can name (`errors`).
Nothing here imports another room of this project.
"""
