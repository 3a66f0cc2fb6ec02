"""Where people are: ground, and behind it what the camera sees of walls, fronts, trees and sky.

Metres; the main person is at the origin, the camera towards -y. Whatever is painted stands behind everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from discreet.data.people import pictures, textures
from discreet.data.people.boards import Board, facing_board, paint_boards, wide_board
from discreet.data.people.camera import Camera
from discreet.data.people.chance import draw
from discreet.data.people.grounds import draw_ground
from discreet.data.people.horizons import greenery, hill
from discreet.data.people.mesh import Layer

Rng = np.random.Generator
Floats = NDArray[np.floating]

_LAMPLIGHT_M = 12.0  # where half of it is left
_HALF_A_CORRIDOR_M, _HALF_A_ROOM_M = 1.3, 2.2  # its width, at least


@dataclass(frozen=True)
class Place:
    """A world around the people.

    Args:
        backdrop: float32 [H, W, 3], sRGB 0–1, what is behind everything. ground: label 0.
        bare: float32 [H, W], the share of each pixel where nothing painted stands before the ground.
        room: how far to either side, and how far behind, things may stand: metres from the origin.
    """

    backdrop: Floats
    ground: Layer
    bare: Floats
    room: tuple[float, float]


@dataclass(frozen=True)
class _Site:
    """What a place is painted around: how far people reach back and to the sides, metres; the ground's colour [3]."""

    back: float
    half: float
    ground: Floats
    night: bool

    def free_beside(self, least: float) -> float:
        """How far to either side things may stand before walls that are that far away or, from people, farther."""
        return max(least, self.half)


@dataclass(frozen=True)
class _Painted:
    """Boards from far to near, and how far beside and behind the origin things may stand before them, metres."""

    boards: list[Board]
    beside: float = np.inf
    behind: float = np.inf


@dataclass(frozen=True)
class _Kind:
    """A kind of place.

    Args:
        paint: what is behind everybody. grounds: each as likely as it is often named.
        above: "sky" out of doors, a "ceiling", or the upper end of a "sheet".
    """

    paint: Callable[[_Site, Rng], _Painted]
    grounds: tuple[str, ...]
    above: str = "sky"


@dataclass(frozen=True)
class Surroundings:
    """What a place is drawn for.

    Args:
        camera: that looks at it. low, high: [3], the corners of everybody's bounds.
        night: whether it is dark. ground_gain: how much brighter than the backdrop the ground is lit.
    """

    camera: Camera
    low: Floats
    high: Floats
    night: bool = False
    ground_gain: float = 1.0


def draw_place(kind: str, around: Surroundings, size_px: int, rng: Rng) -> Place:
    """One of PLACES."""
    place, camera = PLACES[kind], around.camera
    ground, colour = draw_ground(place.grounds, camera, size_px, rng)
    half = float(np.abs([around.low[0], around.high[0]]).max())
    site = _Site(float(around.high[1]), half, colour, around.night)
    middles = np.arange(size_px) + 0.5
    rays = camera.grid(middles, middles, size_px).reshape(size_px, size_px, 3)
    indoors = place.above == "ceiling"
    canvas = _ceiling(rays, camera, rng) if indoors else textures.sky(rays, rng, night=site.night)
    canvas[rays[..., 2] < 0] = colour * around.ground_gain ** (1 / 2.2)  # seen through glass alone
    painted = place.paint(site, rng)
    canvas, bare = paint_boards(canvas.astype(np.float32), camera, painted.boards)
    if site.night:
        canvas = canvas * rng.uniform(0.35, 0.75)
        bare = bare * _lamplight(rays, camera)
    return Place(np.clip(canvas, 0, 1).astype(np.float32), ground, bare, (painted.beside, painted.behind))


def is_out_of_doors(kind: str) -> bool:
    """Whether one of PLACES is under the sky."""
    return PLACES[kind].above == "sky"


def _lamplight(rays: Floats, camera: Camera) -> Floats:
    """The share of the light near the camera that there is on the ground where rays meet it, [H, W]."""
    away = camera.position[2] / np.maximum(-rays[..., 2], 1e-4)
    return 1 / (1 + (away / _LAMPLIGHT_M) ** 2)


def _ceiling(rays: Floats, camera: Camera, rng: Rng) -> Floats:
    """A ceiling with rows of lamps, or bare."""
    up = np.maximum(rays[..., 2], 1e-3)
    height = 2.9 - float(camera.position[2])
    across = camera.position[0] + rays[..., 0] / up * height
    along = camera.position[1] + rays[..., 1] / up * height
    base = rng.uniform(0.6, 0.93) * rng.uniform(0.94, 1.03, 3)
    canvas = np.broadcast_to(base * rng.uniform(0.8, 1), (*rays.shape[:2], 3)).copy()
    if rng.random() < 0.7:
        step, size = rng.uniform(1.2, 3), rng.uniform(0.1, 0.35)
        lamps = (np.abs(across % step - step / 2) < size) & (np.abs(along % step - step / 2) < size)
        canvas[lamps] = 1.0
    return canvas


def _beside(x: float, start: float, end: float, height: float, picture: Image.Image, repeats: float = 1.0) -> Board:
    """A wall along the line of sight."""
    return Board(np.array([x, start, 0.0]), np.array([0.0, end - start, 0.0]), height, np.asarray(picture), repeats)


def _street(site: _Site, rng: Rng) -> _Painted:
    """Fronts on both sides that run away from the camera, cars, trees, poles."""
    near = site.back + 3
    end = near + rng.uniform(25, 60)
    boards = _row_of_fronts(site, end, rng)
    height = rng.uniform(7, 12)
    front = textures.house_front(14.0, height, rng, night=site.night)
    for side in (-1, 1):
        if rng.random() < 0.85:
            boards.append(_beside(side * rng.uniform(4.5, 9), -4.0, end, height, front, (end + 4) / 14))
    boards += _standing(pictures.OUTDOORS, near, near + 18, (-9, 9), int(rng.integers(3, 10)), rng)
    return _Painted(boards)


def _row_of_fronts(site: _Site, depth: float, rng: Rng) -> list[Board]:
    """Two fronts in turn, of different heights, from edge to edge."""
    boards, x = [], -0.9 * depth - 6
    fronts = [textures.house_front(rng.uniform(7, 14), rng.uniform(5, 12), rng, night=site.night) for _ in range(2)]
    while x < 0.9 * depth + 6:
        front = fronts[len(boards) % 2]
        height = front.height / textures.PIXELS_A_METRE * rng.uniform(0.9, 1.2)
        width = height * front.width / front.height
        boards.append(facing_board(x + width / 2, depth, 0.0, front, height))
        x += width + (0 if rng.random() < 0.8 else rng.uniform(1, 6))
    return boards


def _standing(
    things: pictures.Things, near: float, far: float, across: tuple[float, float], count: int, rng: Rng
) -> list[Board]:
    """Things that stand on the ground, from far to near."""
    boards = []
    for depth in sorted(rng.uniform(near, far, count), reverse=True):
        picture, height = things[int(rng.integers(len(things)))](rng)
        boards.append(
            facing_board(float(rng.uniform(*across)) * (1 + 0.05 * depth), float(depth), 0.0, picture, height)
        )
    return boards


def _houses(site: _Site, rng: Rng) -> _Painted:
    """A row of fronts across the street."""
    near = site.back + 2
    depth = near + rng.uniform(3, 14)
    boards = _row_of_fronts(site, depth, rng)
    return _Painted(boards + _standing(pictures.OUTDOORS, near, depth, (-8, 8), int(rng.integers(1, 8)), rng))


def _wall(site: _Site, rng: Rng) -> _Painted:
    """One wall close behind everybody, with doors, posters, writing."""
    depth = site.back + rng.uniform(0.4, 2.0)
    surface = textures.wall(8.0, 5.0, rng, ("bricks", "plaster", "boards", "panels", "tiles"))
    if rng.random() < 0.4:
        pen = ImageDraw.Draw(surface)
        for _ in range(3):
            x, y = rng.uniform(0, surface.width), rng.uniform(0.3, 0.8) * surface.height
            textures.scribble(pen, (x, y, x + 90, y + rng.uniform(15, 60)), rng)
    board = wide_board(16.0, depth, 5.0, textures.soiled(surface, rng), repeats=4.0)
    hung = (pictures.door, pictures.framed_picture, pictures.window)
    return _Painted([board, *_hung(hung, depth, 3.5, int(rng.integers(0, 5)), rng)], behind=depth)


def _hung(things: pictures.Things, depth: float, half: float, count: int, rng: Rng) -> list[Board]:
    """Things on a wall: doors on the ground, all else at the height of eyes."""
    boards = []
    for x in rng.uniform(-half, half, count):
        thing = things[int(rng.integers(len(things)))]
        picture, height = thing(rng)
        foot = 0.0 if thing is pictures.door else max(0.6, 1.6 - height / 2 + rng.normal(0, 0.15))
        boards.append(facing_board(float(x), depth - 0.02, foot, picture, height))
    return boards


def _park(site: _Site, rng: Rng) -> _Painted:
    """Trees and bushes before a green line; a path, benches far away, a house now and then."""
    near = site.back + 2.5
    depth = near + rng.uniform(6, 40)
    boards = _row_of_fronts(site, depth + 3, rng) if rng.random() < 0.2 else []
    boards.append(greenery(depth, rng, rng.uniform(2.5, 14)))
    things = (pictures.tree, pictures.tree, pictures.tree, pictures.tree, pictures.pole, pictures.fence)
    return _Painted(boards + _standing(things, near, depth, (-9, 9), int(rng.integers(3, 9)), rng))


def _beach(site: _Site, rng: Rng) -> _Painted:
    """The sea as a band up to the horizon, perhaps hills."""
    boards = [greenery(400.0, rng, rng.uniform(15, 60))] if rng.random() < 0.5 else []
    height = rng.uniform(0.5, 1.5)
    rows = np.linspace(0, 1, 60)[:, None, None]
    waves = 0.85 + 0.3 * textures.plane_noise(300, 60, (40, 25), int(rng.integers(9999)))[..., None]
    water = (np.array([0.2, 0.42, 0.55]) * (1 - rows) + np.array([0.45, 0.65, 0.68]) * rows) * waves
    pixels = np.full((60, 300, 4), 255, np.uint8)
    pixels[..., :3] = np.clip(water, 0, 1) * 255
    return _Painted([*boards, wide_board(200.0, 60.0, height, pixels)])


def _field(site: _Site, rng: Rng) -> _Painted:
    """A sports field: stands or trees behind, hoardings with letters, a goal."""
    depth = site.back + 3 + rng.uniform(8, 25)
    boards = [greenery(depth + 4, rng, rng.uniform(4, 10))]
    strip = textures.blank(18, 1.0, textures.some_colour(rng, 1))
    pen = ImageDraw.Draw(strip)
    wide = 3 * textures.PIXELS_A_METRE
    for x in range(0, strip.width, wide):
        pen.rectangle([x, 0, x + wide, strip.height], fill=textures.paint(textures.some_colour(rng, 1.4)))
        textures.scribble(pen, (x + 20, 12, x + 130, 44), rng)
    boards.append(wide_board(45.0, depth, 1.0, strip, repeats=5.0))
    goal = textures.blank(7.3, 2.4)
    ImageDraw.Draw(goal).rectangle([2, 2, goal.width - 3, goal.height + 9], outline=(240, 240, 240, 255), width=6)
    boards.append(facing_board(float(rng.uniform(-8, 8)), depth - 2, 0.0, goal, 2.4))
    return _Painted(boards)


def _slope(site: _Site, rng: Rng) -> _Painted:
    """Snow, firs with snow on them before a hill, poles and fences."""
    near = site.back + 2.5
    depth = near + rng.uniform(6, 40)
    boards = [hill(depth + 60, rng)] if rng.random() < 0.6 else []
    boards.append(greenery(depth, rng, rng.uniform(2.5, 12)))
    things = (pictures.fir, pictures.fir, pictures.fir, pictures.pole, pictures.fence)
    return _Painted(boards + _standing(things, near, depth, (-9, 9), int(rng.integers(3, 9)), rng))


def _station(site: _Site, rng: Rng) -> _Painted:
    """A hall: a tiled wall with boards and a train or gates, pillars."""
    near = site.back + 1.5
    depth = near + rng.uniform(1.5, 10)
    back = textures.soiled(textures.wall(12.0, 4.5, rng, ("tiles", "panels")), rng)
    pen = ImageDraw.Draw(back)
    unit = textures.PIXELS_A_METRE
    if rng.random() < 0.5:
        pen.rectangle(
            [0, back.height - 3.2 * unit, back.width, back.height - 0.3 * unit],
            fill=textures.paint(textures.some_colour(rng, 0.8)),
        )
        for x in np.arange(10, back.width, 1.6 * unit):
            pen.rectangle([x, back.height - 2.6 * unit, x + 1.2 * unit, back.height - 1.6 * unit], fill=(30, 36, 44))
    boards = [wide_board(24.0, depth, 4.5, back, repeats=4.0), *_hung(pictures.FRAMED, depth, 6, 4, rng)]
    pillar = textures.soiled(textures.wall(0.6, 4.5, rng, ("plaster", "tiles")), rng)
    boards += [
        facing_board(float(x), near + 0.5, 0.0, pillar, 4.5)
        for x in np.arange(-9, 9, rng.uniform(3, 6)) + rng.uniform(0, 3)
    ]
    return _Painted(boards, behind=near)


def _corridor(site: _Site, rng: Rng) -> _Painted:
    """Two walls with doors that run to a far end."""
    half = max(_HALF_A_CORRIDOR_M, site.half + 0.2) + rng.uniform(0, 0.8)
    end = site.back + rng.uniform(2, 16)
    kinds = ("plaster", "panels", "tiles", "bricks")
    boards = [facing_board(0.0, end, 0.0, textures.soiled(textures.wall(2 * half + 1, 3.1, rng, kinds), rng), 3.1)]
    boards += _hung((pictures.door, pictures.window, pictures.framed_picture), end, half * 0.6, 1, rng)
    side_wall = textures.wall(4.0, 3.1, rng, kinds)
    for _ in range(int(rng.integers(1, 3))):
        picture, height = (pictures.door, pictures.framed_picture, pictures.window)[int(rng.integers(3))](rng)
        foot = 0 if height > 2 else int(1.0 * textures.PIXELS_A_METRE)
        side_wall.alpha_composite(
            picture, (int(rng.integers(4, 120)), max(side_wall.height - picture.height - foot, 0))
        )
    side_wall = textures.soiled(side_wall, rng)
    boards += [_beside(side * half, -6.0, end, 3.1, side_wall, (end + 6) / 4) for side in (-1, 1)]
    return _Painted(boards, site.free_beside(_HALF_A_CORRIDOR_M), 0.95 * float(np.hypot(half, end)))


def _indoor_walls(site: _Site, rng: Rng, gap: tuple[float, float]) -> tuple[list[Board], float, float]:
    """A back wall and the sides of a room; its depth and half its width."""
    depth = site.back + rng.uniform(*gap)
    half = max(_HALF_A_ROOM_M, site.half + 0.4) + rng.uniform(0.0, 2.5)
    plain, kinds = ("plaster",) * 3, ("stripes", "panels", "boards", "bricks")
    wide = textures.wall(2 * half, 3.0, rng, plain + kinds)
    back = facing_board(0.0, depth, 0.0, textures.soiled(wide, rng), 3.0)
    side_wall = textures.soiled(textures.wall(3.0, 3.0, rng, plain), rng)
    sides = [_beside(side * half, -8.0, depth, 3.0, side_wall, (depth + 8) / 3) for side in (-1, 1)]
    return [back, *sides], depth, half


def _room(site: _Site, rng: Rng) -> _Painted:
    """A living room or bedroom: furniture along the back wall, windows and pictures over it."""
    boards, depth, half = _indoor_walls(site, rng, (0.9, 3.0))
    boards += _hung(pictures.HUNG, depth, half - 0.5, int(rng.integers(1, 5)), rng)
    boards += _along_the_wall(pictures.FURNITURE, depth, half, rng)
    return _Painted(boards, site.free_beside(_HALF_A_ROOM_M), depth - 0.4)


def _along_the_wall(things: pictures.Things, depth: float, half: float, rng: Rng) -> list[Board]:
    """Furniture side by side before a wall, with gaps."""
    boards, x = [], -half + rng.uniform(0, 0.5)
    while x < half - 0.5:
        picture, height = things[int(rng.integers(len(things)))](rng)
        width = height * picture.width / picture.height
        if x + width > half:
            break
        boards.append(facing_board(x + width / 2, depth - rng.uniform(0.05, 0.4), 0.0, picture, height))
        x += width + (0.05 if rng.random() < 0.5 else rng.uniform(0.3, 1.2))
    return sorted(boards, key=lambda board: -float(board.corner[1]))


def _kitchen(site: _Site, rng: Rng) -> _Painted:
    """Cupboards along the back wall."""
    boards, depth, half = _indoor_walls(site, rng, (0.8, 2.2))
    boards += _hung(pictures.WINDOWS, depth, half * 0.5, 1, rng)
    boards += _along_the_wall((pictures.kitchen, pictures.cabinet, pictures.shelf), depth, half, rng)
    return _Painted(boards, site.free_beside(_HALF_A_ROOM_M), depth - 0.4)


def _shop(site: _Site, rng: Rng) -> _Painted:
    """Racks of clothes and shelves, along the wall and before it."""
    boards, depth, half = _indoor_walls(site, rng, (1.2, 6.0))
    boards += _hung(pictures.FRAMED, depth, half - 0.5, int(rng.integers(0, 4)), rng)
    boards += _along_the_wall(pictures.GOODS, depth, half, rng)
    near = site.back + 0.8
    boards += _standing(pictures.GOODS, near, max(depth - 0.5, near + 0.1), (-half, half), int(rng.integers(1, 6)), rng)
    return _Painted(boards, site.free_beside(_HALF_A_ROOM_M), near)


def _sheet(site: _Site, rng: Rng) -> _Painted:
    """A paper roll, a curtain, panels or a painted cloth, lit from somewhere."""
    depth = site.back + rng.uniform(0.6, 2.5)
    base = np.clip(site.ground if rng.random() < 0.6 else textures.some_colour(rng, 1.2), 0, 1)
    row, column = np.mgrid[:160, :240].astype(np.float32) / 200
    centre = rng.uniform(0.3, 0.7, 2)
    shade = 1.1 - rng.uniform(0.1, 0.6) * ((column - 0.6 - 0.3 * (centre[0] - 0.5)) ** 2 + (row - centre[1]) ** 2)
    seed = int(rng.integers(999))
    match draw(rng, {"sheet": 0.5, "curtain": 0.15, "panels": 0.12, "mottled": 0.23}):
        case "curtain":
            wave = column * rng.uniform(10, 30) + 0.4 * textures.plane_noise(240, 160, (3, 1), seed)
            shade = shade * (0.85 + 0.15 * np.sin(2 * np.pi * wave))
        case "panels":
            shade = shade * (1 - rng.uniform(0.1, 0.4) * (np.floor(column * rng.uniform(3, 8)) % 2))
        case "mottled":
            shade = shade * (0.75 + 0.5 * textures.plane_noise(240, 160, (6, 5), seed))
    pixels = np.full((160, 240, 4), 255, np.uint8)
    pixels[..., :3] = np.clip(shade[..., None] * base, 0, 1) * 255
    return _Painted([wide_board(9.0, depth, 12.0, pixels)], behind=depth)


PLACES = {
    "street": _Kind(_street, ("asphalt", "asphalt", "tiles")),
    "houses": _Kind(_houses, ("asphalt", "tiles", "tiles")),
    "wall": _Kind(_wall, ("asphalt", "tiles", "gravel")),
    "park": _Kind(_park, ("grass", "grass", "gravel")),
    "beach": _Kind(_beach, ("sand",)),
    "field": _Kind(_field, ("grass",)),
    "station": _Kind(_station, ("tiles", "asphalt"), above="ceiling"),
    "corridor": _Kind(_corridor, ("tiles", "carpet"), above="ceiling"),
    "shop": _Kind(_shop, ("tiles", "boards", "carpet"), above="ceiling"),
    "room": _Kind(_room, ("boards", "boards", "carpet", "tiles"), above="ceiling"),
    "kitchen": _Kind(_kitchen, ("tiles", "boards"), above="ceiling"),
    "sheet": _Kind(_sheet, ("sheet", "sheet", "sheet", "boards"), above="sheet"),
    "slope": _Kind(_slope, ("snow",)),
}
