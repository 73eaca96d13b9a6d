"""A renderer that draws nothing, and knows where texts and marks of a figure are; it measures texts as a PDF does."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.backend_bases import FigureCanvasBase, RendererBase
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Line:
    """A line of text as it is drawn: of which text, its four corners in points, and in which legend, if any."""

    text: str
    whole: int
    corners: np.ndarray
    legend: int
    seen: bool


@contextmanager
def recorded(figure: Figure) -> Iterator["Recorder"]:
    """Inside the `with`, layouts and texts are measured as in a PDF, by a renderer that records what is drawn."""
    canvas = figure.canvas
    recorder = Recorder(figure)
    try:
        _Canvas(figure, recorder)
        yield recorder
    finally:
        figure.set_canvas(canvas)


class _Canvas(FigureCanvasBase):
    """Lets the layout measure texts by the renderer that records them."""

    def __init__(self, figure: Figure, recorder: "Recorder") -> None:
        super().__init__(figure)
        self.recorder = recorder

    def get_renderer(self) -> "Recorder":
        return self.recorder


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """The least way, along a side of either rectangle, that parts them; none or negative if they are apart."""
    sides = np.concatenate([one[1:3] - one[:2], other[1:3] - other[:2]])
    sides /= np.maximum(np.linalg.norm(sides, axis=1, keepdims=True), 1e-9)
    a, b = one @ sides.T, other @ sides.T
    return float((np.minimum(a.max(0), b.max(0)) - np.maximum(a.min(0), b.min(0))).min())


def _around(points: np.ndarray) -> np.ndarray:
    """The corners of the upright rectangle that holds the points."""
    (left, low), (right, high) = points.min(0), points.max(0)
    return np.array([[left, low], [right, low], [right, high], [left, high]])


class Recorder(RendererBase):
    """Records, in points from the lower left corner."""

    def __init__(self, figure: Figure) -> None:
        super().__init__()
        self.dpi = figure.dpi
        self.pixels = figure.bbox.width, figure.bbox.height
        self.size = np.array(self.pixels) * 72 / self.dpi
        self.forget()

    def forget(self) -> None:
        self.lines: list[Line] = []
        self.places: list[tuple[int, np.ndarray]] = []
        self.groups: list[tuple[str, int]] = []
        self.opened = 0

    @property
    def marks(self) -> np.ndarray:
        """Of the data, (..., 2)."""
        return np.concatenate([np.zeros((0, 2)), *(points for legend, points in self.places if not legend)])

    @property
    def legends(self) -> dict[int, np.ndarray]:
        """The corners around the texts and marks of each."""
        found: dict[int, list[np.ndarray]] = {}
        for legend, points in [*self.places, *((line.legend, line.corners) for line in self.lines)]:
            if legend:
                found.setdefault(legend, []).append(points)
        return {legend: _around(np.concatenate(points)) for legend, points in found.items()}

    def open_group(self, s: str, gid: str | None = None) -> None:
        self.opened += 1
        self.groups.append((s, self.opened))

    def close_group(self, s: str) -> None:
        while self.groups and self.groups.pop()[0] != s:
            pass  # a text at no place opens a group and does not close it

    def _in(self, name: str) -> int:
        return next((number for group, number in reversed(self.groups) if group == name), 0)

    def draw_text(self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float,
                  ismath: Any = False, mtext: Any = None) -> None:  # fmt: skip
        w, h, d = self.get_text_width_height_descent(s, prop, ismath)
        turned = np.exp(1j * np.deg2rad(angle)) * np.array([-1j * d, w - 1j * d, w + 1j * (h - d), 1j * (h - d)])
        corners = np.column_stack([x + turned.real, self.pixels[1] - y + turned.imag])
        clip = gc.get_clip_rectangle()
        seen = gc.get_alpha() != 0 and (clip is None or overlap(corners, clip.corners()[[0, 2, 3, 1]]) > 0)
        self.lines.append(Line(s, self._in("text"), corners * 72 / self.dpi, self._in("legend"), seen))

    def draw_markers(self, gc: Any, marker_path: Any, marker_trans: Any, path: Any, trans: Any,
                     rgbFace: Any = None) -> None:  # fmt: skip
        if self._in("line2d") and not self._in("matplotlib.axis"):
            self._marked(gc, trans.transform(path.vertices))

    def draw_path_collection(self, gc: Any, master_transform: Any, paths: Any, all_transforms: Any, offsets: Any,
                             offset_trans: Any, *how: Any, **more: Any) -> None:  # fmt: skip
        if self._in("PathCollection"):
            self._marked(gc, offset_trans.transform(offsets))

    def _marked(self, gc: Any, points: np.ndarray) -> None:
        clip = gc.get_clip_rectangle()
        points = points[np.isfinite(points).all(1)]
        if clip is not None:
            points = points[((points >= clip.min) & (points <= clip.max)).all(1)]
        self.places.append((self._in("legend"), points * 72 / self.dpi))

    def draw_path(self, gc: Any, path: Any, transform: Any, rgbFace: Any = None) -> None:
        pass

    def draw_image(self, gc: Any, x: float, y: float, im: Any, transform: Any = None) -> None:
        pass

    def draw_gouraud_triangles(self, *how: Any) -> None:
        pass

    def draw_quad_mesh(self, *how: Any, **more: Any) -> None:
        pass

    def get_canvas_width_height(self) -> tuple[float, float]:
        return self.pixels

    def points_to_pixels(self, points: Any) -> Any:
        return points * self.dpi / 72

    def get_image_magnification(self) -> float:
        return 1.0
