"""From what a network says to parts, persons and pictures of them. Numpy only."""

from discreet.parsing.assemble import assemble as assemble
from discreet.parsing.assemble import semantic_map as semantic_map
from discreet.parsing.frame import Frame as Frame
from discreet.parsing.overlay import overlay as overlay
from discreet.parsing.results import ParseResult as ParseResult
from discreet.parsing.results import Person as Person
