"""What every request of one service shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from discreet.service.admission import Admission, Rate
from discreet.service.journal import Journal
from discreet.service.metrics import Metrics
from discreet.service.settings import ServiceSettings
from discreet.service.site import PageFile
from discreet.service.tokens import TokenVerifier
from discreet.service.workers import WorkerPool


@dataclass
class Service:
    """A running service.

    Args:
        settings: frozen at the start.
        verifier: of tokens; None with `--open`.
        journal, pool, metrics, admission, rate: one each.
        page: the page's files by path.
        draining: whether it takes no more work.
    """

    settings: ServiceSettings
    verifier: TokenVerifier | None
    journal: Journal
    pool: WorkerPool
    metrics: Metrics
    admission: Admission
    rate: Rate
    page: Mapping[str, PageFile]
    draining: bool = field(default=False)

    @property
    def ready(self) -> bool:
        """Whether a picture would be parsed now."""
        return not self.draining and self.journal.healthy and self.pool.num_alive > 0

    @property
    def policy_name(self) -> str:
        """Which rules an answer followed, for the journal."""
        settings = self.settings
        return (
            f"faces={settings.faces}/{settings.face_fill} side={settings.answer_side_px} "
            f"smooth={settings.smooth_px} labels={int(settings.label_only)}"
        )
