"""Why a difference from a recording stays: the sorts of reasons, as the report counts them."""

from typing import Final

STAND_IN: Final = "the recording's authors' own stand-in answered, not Google"
PLACE: Final = "the project that was recorded had what others had left in it, or what only some projects see"
RECORDING: Final = "the recording contradicts itself or another of the same call"
