"""Who reacts to what: one small file per reaction, one explicit table (`registry`), one runtime for all."""
