"""What a model folder may hold."""

# Weights as safetensors, and text: nothing that could run code when it is read.
ALLOWED = {".safetensors", ".json", ".jsonl", ".txt", ".model", ".md"}
