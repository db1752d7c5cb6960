"""What the page's controls do: their values in, steps of the core through, pictures and words out.

A module a concern: ``core`` (the one place that computes), ``history`` (the chain of edits of a visit),
``panel`` (the result panel all tabs share), ``photos``, ``hair``, ``words``, ``rig`` (the tabs' handlers) and
``layout`` (where things stand and what calls what).  No tensors here: that is ``barbershop_core``, imported
only when somebody presses a button, so that the first page appears at once.
"""
