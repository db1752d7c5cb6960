"""Tables of figures: edits against the portrait world's rendered truth, and reconstructions of photos.

``hair``            transfers, with two ``baselines``, on ``triples`` of portraits.
``words``           edits by a prompt, judged by the regressor.
``pose``            edits of pose, expression and light, with and without each term of PIE's energy.
``photos``          edits of photographs: their texture, colours and likeness.
``reconstruction``  photos from their codes; ``frechet`` has the FID.
``examples``        makes the page's example pictures.
"""
