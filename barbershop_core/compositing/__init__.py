"""Edits of photographs at their own resolution: the photo is moved and changed, not painted anew.

Each pixel of an edited photograph comes from one of three places: the person's photo (moved by the edit), another
photo (carried onto this head), and the generator, which says how colours and light change.  Everything here works
on numpy arrays with OpenCV; what is the generator's comes as a picture.
"""
