"""People who never existed: pictures with exact part labels and person ids, made by numpy.

Rooms, from the ground up: noise, mesh, body, postures, pose, materials, expression, face; garments, identity,
styles; wardrobe, hair, furniture, person; composition, camera, lights; textures, pictures, boards, places; scene;
numpy_caster, casting, stage, shading, lens, development, develop, render, masking; generate; workers, data_set.
"""

from discreet.data.people.data_set import generate_people
from discreet.data.people.generate import RenderedPicture, render_picture
from discreet.data.people.styles import STYLES

__all__ = ["STYLES", "RenderedPicture", "generate_people", "render_picture"]
