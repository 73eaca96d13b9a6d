"""One measurement of reliability, as a row: what was tried, how often, what was found, and what the target is."""

from dataclasses import dataclass, field


@dataclass
class Row:
    """A row that fills while things are tried; `missed` says what did not come out, a line each."""

    what: str
    target: str
    count: int = 0
    found: str = ""
    missed: list[str] = field(default_factory=list)
    skipped: str = ""
    """Why it cannot be tried here, if it cannot."""

    def tried(self, wrong: str = "") -> None:
        """One more case, and what is wrong with it."""
        self.count += 1
        if wrong:
            self.missed.append(wrong)

    @property
    def ok(self) -> bool:
        """Something was tried, and nothing missed its target."""
        return bool(self.count) and not self.missed

    def __str__(self) -> str:
        said = self.skipped or f"{self.count} tried, {len(self.missed)} missed{'; ' if self.found else ''}{self.found}"
        return f"| {self.what} | {self.target} | {said} |"
