"""What training and scoring are told by their environment."""

from pathlib import Path

from contracts.warehouse import WarehouseSettings


class ChurnSettings(WarehouseSettings):
    """The lake (as `lake_writer`) and the folder of model artefacts, prefix `PLYO_`."""

    ml_path: Path
    """Folder of trained models, one sub-folder each."""
    ml_seed: int = 7
    """Everything random in training follows from it."""
