"""What :mod:`barbershop_core.evaluation.hair` needs: rendered triples, the baselines, Frechet distances."""
