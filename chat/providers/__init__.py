"""Model providers behind one protocol, and the catalogue of the models they offer."""
