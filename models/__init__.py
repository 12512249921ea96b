"""Pure modelling: text, tensors, numbers. No storage, no registry, no orchestrator."""
