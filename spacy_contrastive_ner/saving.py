"""How the pipe is saved and loaded, with its settings."""

from typing import Any, Iterable, TypeVar

from .checks import require_whole_model
from .pipe_part import PipePart
from .settings import overridden

Self = TypeVar("Self", bound="Saving")


class Saving(PipePart):
    """The part of the pipe that saves and loads it. It is one with the rest: `ContrastiveNER`."""

    def _make_ready(self) -> None:
        """Check the settings, and have thresholds be numbers that JSON knows."""
        self._check_settings()
        own = {label: float(number) for label, number in self.cfg["thresholds"].items()}
        self.cfg.update(threshold=float(self.cfg["threshold"]), thresholds=own)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Save the component as bytes, with its settings as they are.

        exclude (Iterable[str]): Names of fields to leave out.
        RETURNS (bytes): The component.
        """
        self._make_ready()
        return super().to_bytes(exclude=exclude)

    def from_bytes(self: Self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> Self:
        """Load the component from bytes, with its settings as they were saved.

        bytes_data (bytes): What `to_bytes` returned.
        exclude (Iterable[str]): Names of fields to leave out.
        RETURNS (ContrastiveNER): The component.
        """
        super().from_bytes(bytes_data, exclude=exclude)
        require_whole_model(self.name, self.model)
        self._check_settings()
        return self

    def to_disk(self, path: Any, *, exclude: Iterable[str] = ()) -> None:
        """Save the component to disk, with its settings as they are.

        path (str / Path): A directory.
        exclude (Iterable[str]): Names of fields to leave out.
        """
        self._make_ready()
        super().to_disk(path, exclude=exclude)

    def from_disk(self: Self, path: Any, *, exclude: Iterable[str] = ()) -> Self:
        """Load the component from disk. Settings that were overridden, as in
        `spacy.load(path, config={"components": {"contrastive_ner": {"threshold": 0.3}}})`, stay
        overridden; all others are as they were saved. (To set one to what the config of the saved pipeline
        says already is not to override it: set it in `cfg` once the pipeline is loaded.)

        path (str / Path): A directory.
        exclude (Iterable[str]): Names of fields to leave out.
        RETURNS (ContrastiveNER): The component.
        """
        configured = self.cfg["configured"]
        try:
            super().from_disk(path, exclude=exclude)
        except Exception as error:
            raise ValueError(
                f"[{self.name}] Cannot load the component from {path}: {error}. The folder is "
                "damaged, or belongs to a pipeline with another config."
            ) from error
        self.cfg.update(overridden(configured, saved=self.cfg["configured"]))
        self.cfg["configured"] = configured
        require_whole_model(self.name, self.model)
        self._check_settings()
        return self
