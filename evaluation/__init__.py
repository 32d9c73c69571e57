"""Numbers from embeddings and labels: pure functions of arrays; pairs are compared in blocks of rows."""
