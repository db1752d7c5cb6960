"""The rehearsal: random weights of full size in the published layouts, and every edit run on them.

Random weights make no faces; they show what trained ones would not: wrong layouts, shapes, devices, memory
and time.
"""
