"""The MAELSTROM bootcamp: machine learning for weather and climate on supercomputers.

Imports run downwards only: ``cli -> course -> apps -> nn, verify, bucket -> catalog``.
"""

__version__ = "0.1.0"
