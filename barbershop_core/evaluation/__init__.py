"""What :mod:`barbershop_core.evaluate` needs: rendered triples, the baselines, Frechet distances."""
