from pathlib import Path
def data_folder(name: str) -> Path:
    return Path(__file__).parent.parent / name
def std_folder() -> Path:
    return Path(__file__).parent / "std"
