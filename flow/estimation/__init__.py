"""What a graph costs on a board: known before synthesis from closed forms, and measured by synthesis."""
