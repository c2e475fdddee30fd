"""The public functions, and that importing the package stays light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import unconceal
from codes import raises


def test_specs_by_name(data_root: Path) -> None:
    assert unconceal.load_task("object/star", data_root).suite == "tiny"
    assert unconceal.load_submission("esd-x", data_root).name == "esd-x"
    assert len(unconceal.load_results(root=data_root)) == 0
    with raises("task.unknown"):
        unconceal.load_task("object/none", data_root)


def test_unknown_names_are_attribute_errors() -> None:
    assert {"evaluate", "load_task", "load_submission", "load_results"} <= set(dir(unconceal))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = unconceal.nothing


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import unconceal", ("torch", "numpy", "pydantic", "ruamel", "click")),
        ("import unconceal.cli.main", ("torch", "numpy", "pydantic", "ruamel", "tabulate", "rich")),
        ("import unconceal; unconceal.load_task", ("torch",)),
        ("import unconceal.specs, unconceal.paths, unconceal.cli.tasks, unconceal.cli.submissions", ("torch", "numpy")),
        (
            "import unconceal.publish.push, unconceal.publish.dataset_index, unconceal.site.build, unconceal.results.check_results",
            ("torch",),
        ),
        ("import unconceal.exports.latex, unconceal.exports.csv_table, unconceal.exports.eval_results, unconceal.cli.site", ("torch",)),
        ("import unconceal.cli.probes", ("torch", "transformers", "openai", "llguidance", "numpy")),
        (
            "import unconceal.probes.freeze, unconceal.probes.rating_prompt, unconceal.probes.local_model, unconceal.probes.endpoint",
            ("torch", "transformers", "openai", "llguidance"),
        ),
    ],
)
def test_imports_stay_light(code: str, absent: tuple[str, ...]) -> None:
    check = f"{code}\nimport sys\nprint([name for name in {absent!r} if name in sys.modules])"
    source = Path(unconceal.__file__).parents[1]
    result = f"import sys; sys.path.insert(0, {str(source)!r})\n"
    done = subprocess.run([sys.executable, "-c", result + check], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
