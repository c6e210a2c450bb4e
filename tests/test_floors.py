"""The house of DESIGN.md: imports go down only, and heavy ones stay in their rooms."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import bertprep

PACKAGE = Path(bertprep.__file__).parent

#: Rooms are the modules and packages right below `bertprep`; imports go from floor to lower floor.
FLOORS = {
    0: {"data", "errors", "json_files", "kernels", "options", "terminal", "vocab"},
    1: {"storage"},
    2: {"corpus", "tokenization", "engines", "model"},
    3: {"objectives"},
    4: {"records"},
    5: {"loading"},
    6: {"create", "export", "inspection", "training", "vocabulary"},
    7: {"cli"},
}

#: Imports on one floor, each with its reason.
NEIGHBOURS = {
    ("options", "errors"): "an option out of bounds is an error, and errors import nothing",
    ("kernels", "errors"): "a cache of compiled code that others can write is an error",
    ("json_files", "errors"): "a file of another shape is an error",
    ("vocab", "json_files"): "a tokenizer.json in place of a vocabulary is named",
    ("vocab", "errors"): "a vocabulary that cannot be used is an error",
}

#: The door: `bertprep/__init__.py` names the public API of all floors, and imports it on first use;
#: `__main__` is the command line again. Anyone may ask the door for the version.
DOORS = {"__init__", "__main__"}

#: The rooms that may import a library that is slow or that ties us to something.
TENANTS = {
    "numba": {"kernels"},
    "llvmlite": {"kernels"},
    "click": {"cli"},
    "tqdm": {"terminal"},
    "zstandard": {"corpus"},
    "orjson": {"corpus"},
    "pyarrow": {"corpus"},
    "fsspec": {"storage"},
    "aiohttp": {"storage"},
    "sentencex": {"corpus"},
    "rjieba": {"tokenization"},
    "sudachipy": {"tokenization"},
    "tensorflow": {"model", "training"},
    "keras": {"model", "training"},
    "safetensors": {"model"},
    "matplotlib": {"training"},
    "jinja2": {"inspection"},
    "tensorboard": set[str](),
    "pyspark": {"engines"},
}


def module_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def imports_of(path: Path) -> list[tuple[str, list[str]]]:
    """Each import anywhere in a file, in functions too: the module, and the names taken from it."""
    found = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += [(alias.name, list[str]()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            found.append((str(node.module), [alias.name for alias in node.names]))
    return found


def rooms_imported(path: Path) -> set[str]:
    """The rooms of ours that a file imports from, its own left out."""
    rooms = set()
    for module, names in imports_of(path):
        parts = module.split(".")
        if parts == ["bertprep"]:
            rooms |= {name for name in names if not name.startswith("__")}
        elif parts[0] == "bertprep":
            rooms.add(parts[1])
    return rooms - {room_of(path)}


def floor_of(room: str) -> int:
    return next(floor for floor, rooms in FLOORS.items() if room in rooms)


def modules() -> list[Path]:
    return [path for path in module_files() if room_of(path) not in DOORS]


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(path) for path in module_files()} - DOORS
    assert rooms == set().union(*FLOORS.values())
    assert sum(map(len, FLOORS.values())) == len(rooms)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_go_down(path: Path) -> None:
    room = room_of(path)
    for other in rooms_imported(path):
        if (room, other) not in NEIGHBOURS:
            assert floor_of(other) < floor_of(room), f"{name_of(path)} imports {other}"


def test_exceptions_are_on_one_floor_and_in_use() -> None:
    used = {(room_of(path), other) for path in modules() for other in rooms_imported(path)}
    assert used >= NEIGHBOURS.keys()
    for room, other in NEIGHBOURS:
        assert floor_of(room) == floor_of(other)


def test_only_commands_know_the_engines_and_only_the_trainer_the_model() -> None:
    importers = {r: {room_of(p) for p in modules() if r in rooms_imported(p)} for r in FLOORS[2]}
    assert importers["engines"] == {"create", "inspection", "vocabulary"}
    assert importers["model"] == {"export", "training"}


@pytest.mark.parametrize("library", TENANTS)
def test_libraries_stay_in_their_rooms(library: str) -> None:
    importers = {
        room_of(path)
        for path in module_files()
        for module, _ in imports_of(path)
        if module.split(".")[0] == library
    }
    assert importers == TENANTS[library]


def test_kernels_import_numpy_and_numba_only() -> None:
    allowed = {"numpy", "numba", "llvmlite", "bertprep", *sys.stdlib_module_names}
    for path in (PACKAGE / "kernels").rglob("*.py"):
        assert {module.split(".")[0] for module, _ in imports_of(path)} <= allowed


def loaded_modules(program: str, *arguments: str | Path) -> set[str]:
    """The top-level modules that a fresh Python has loaded when a program has run."""
    report = "\nimport sys; print('\\n'.join({name.split('.')[0] for name in sys.modules}))"
    command = [sys.executable, "-c", program + report, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_command_line_loads_without_numpy_and_numba() -> None:
    # So that `bertprep --help` is there at once.
    loaded = loaded_modules("import bertprep, bertprep.cli")
    assert {"bertprep", "click"} <= loaded
    assert loaded.isdisjoint(TENANTS.keys() - {"click"} | {"numpy"})


def test_the_model_does_not_know_tensorflow() -> None:
    # Any Keras backend can run it; the loop and what feeds it are bound to one, and the release's
    # checkpoints are read by the library that wrote them.
    importers = {
        path.name
        for path in module_files()
        for module, _ in imports_of(path)
        if module.split(".")[0] == "tensorflow"
    }
    assert importers <= {
        "loop.py",
        "input_pipeline.py",
        "metrics.py",
        "process.py",
        "formats.py",
    }


def test_only_reports_wait_for_the_plotting_library(sample_corpus: Path, tmp_path: Path) -> None:
    program = """
import sys
from bertprep.cli import main
corpus, vocab, output = sys.argv[1:]
create = ["create", corpus, "--vocab", vocab, "--output", output, "--dupe-factor", "1", "--quiet"]
main(create, standalone_mode=False)
for mode in ([], ["--json"], ["--verify", "--quiet"]):
    main(["inspect", output, *mode], standalone_mode=False)
import bertprep.inspection.report
"""
    corpus, vocab = sample_corpus / "scripts.txt", sample_corpus / "vocab.txt"
    loaded = loaded_modules(program, corpus, vocab, tmp_path / "records")
    assert {"bertprep", "numpy"} <= loaded
    assert loaded.isdisjoint({"matplotlib", "jinja2", "markupsafe", "PIL"})


def test_create_loads_no_tensorflow(sample_corpus: Path, tmp_path: Path) -> None:
    program = """
import sys
from bertprep.cli import main
main(["create", *sys.argv[1:], "--dupe-factor", "1", "--quiet"], standalone_mode=False)
"""
    corpus, vocab, output = (
        sample_corpus / "scripts.txt",
        sample_corpus / "vocab.txt",
        tmp_path / "o",
    )
    loaded = loaded_modules(program, corpus, "--vocab", vocab, "--output", output)
    assert (output / "manifest.json").exists()
    assert {"bertprep", "numba"} <= loaded
    assert loaded.isdisjoint(
        {"tensorflow", "keras", "tf_keras", "jax", "torch", "google_crc32c", "sentencex"}
    )
    assert loaded.isdisjoint({"pyspark", "py4j"})
    assert loaded.isdisjoint({"rjieba", "sudachipy"})
