"""People who never existed: pictures with exact part labels and person ids, made by numpy.

Rooms, from the ground up: styles, parts, chance, noise, mesh, body; postures, pose, expression, face; patterns,
materials, colours, garments, tailoring, strands, identity; accessories, footwear, hair, headwear, wardrobe, carried,
furniture, person; camera, composition, lights; textures, pictures, boards, horizons, grounds, places, scene;
numpy_caster, embree_mesh, casting, stage, shading, thermal, lens, development, develop, render, masking; generate;
workers, data_set.
"""

from discreet.data.people.data_set import generate_people
from discreet.data.people.generate import RenderedPicture, render_picture
from discreet.data.people.styles import STYLES

__all__ = ["STYLES", "RenderedPicture", "generate_people", "render_picture"]
