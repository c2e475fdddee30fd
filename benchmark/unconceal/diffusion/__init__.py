"""Model families and the handover sampler."""
