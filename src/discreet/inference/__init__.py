"""A picture in, parts and persons out, whatever runs the network. No torch."""

from discreet.inference.image_io import encode_png as encode_png
from discreet.inference.image_io import read_image as read_image
from discreet.inference.letterbox import Letterbox as Letterbox
from discreet.inference.parser import Backend as Backend
from discreet.inference.parser import Parser as Parser
