"""Model providers behind one protocol, and the catalogue of their models."""
