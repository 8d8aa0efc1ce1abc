"""The one door to what PyTorch does not document: every private name of torch is used in here.

A private name begins with one underscore: in a path below `torch`, or as an attribute of a tensor,
module, operator or node. There is a file for each subject, and a function for each use, which says
what it is for. `tests/measure/torch_internals` has a test for each, and one that finds private
names elsewhere. All of it was checked with torch 2.6.0, 2.13.0 and 2.14.1, so the next release is
the work of this folder.
"""
