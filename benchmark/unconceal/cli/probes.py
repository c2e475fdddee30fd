"""``unconceal probes``: what language models know of a target and its neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unconceal.cli.options import echo_rows, json_option, root_option
from unconceal.errors import CheckFailed, UsageError
from unconceal.paths import DataRoot
from unconceal.specs.elicitation import Decoding
from unconceal.specs.loader import load_probes, load_task, probe_files, probe_folder
from unconceal.specs.probe_set import ProbeSet, RatingFile, ReplyFile, file_stem
from unconceal.specs.task import Task

if TYPE_CHECKING:
    from unconceal.probes.providers import Provider

SAMPLES, TEMPERATURE, MAX_TOKENS, ATTEMPTS, TIMEOUT = 8, 0.7, 4096, 3, 120.0
PAIRS, LOOK_TOKENS = 2, 256
Row = dict[str, Any]


@click.group()
def command() -> None:
    """Ask language models which concepts are close to a target, and freeze their answers beside the task.

    \b
    Example:  unconceal probes show object/star
    """


@command.command()
@click.argument("task")
@click.option("--model", help="Model: a folder or owner/name for local, the server's name for endpoint, the source for replies.")
@click.option("--provider", type=click.Choice(["local", "endpoint"]), help="transformers on this machine, or an OpenAI-compatible server.")
@click.option("--base-url", help="Base URL of the server's API, e.g. http://127.0.0.1:8000/v1. The key is read from $UNCONCEAL_API_KEY.")
@click.option("--revision", help="Commit or version of the model; default for a local model: its own.")
@click.option("--samples", type=click.IntRange(1, 100), help=f"Answers to ask for; default {SAMPLES}.")
@click.option("--temperature", type=click.FloatRange(0, 5), help=f"0: greedy, which is one sample; default {TEMPERATURE}.")
@click.option("--max-tokens", type=click.IntRange(1), help=f"Tokens of one reply; default {MAX_TOKENS}.")
@click.option("--seed", type=click.IntRange(0), help="First seed; default 0.")
@click.option(
    "--attempts",
    type=click.IntRange(1, 20),
    default=ATTEMPTS,
    show_default=True,
    help="Maximum attempts per sample while replies are invalid.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=TIMEOUT,
    show_default=True,
    help="Seconds without a response from the server.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="For a local model.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the raw replies; default: beside the task.")
@click.option("--print-prompt", is_flag=True, help="Print the prompt and send nothing.")
@click.option(
    "--from-replies",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with replies to the printed prompt, one per line.",
)
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), help="The day on which --from-replies were collected; default: today.")
@root_option
def elicit(task: str, print_prompt: bool, root: Path | None, **options: Any) -> None:
    """Ask a language model about a task's target. The same command resumes.

    Recommended models: meta-llama/Llama-3.1-8B-Instruct, Llama-3.3-70B-Instruct, Llama-3.2-90B-Vision-Instruct.

    \b
    Example:  unconceal probes elicit object/star --provider local --model meta-llama/Llama-3.1-8B-Instruct
              unconceal probes elicit object/star --provider endpoint --base-url http://127.0.0.1:8000/v1 --model llama-3.3-70b
              unconceal probes elicit object/star --print-prompt
              unconceal probes elicit object/star --from-replies replies.txt --model the-model-they-are-from
    """
    from unconceal.probes.elicit import elicit as ask
    from unconceal.probes.elicit import elicitation_request, samples_of
    from unconceal.probes.freeze import outcome_summary, replies_file
    from unconceal.probes.prompt import build_question
    from unconceal.probes.providers import CollectedReplies
    from unconceal.progress import progress

    data = DataRoot.find(root)
    spec = load_task(data, task)
    question = build_question(spec)
    if print_prompt:
        click.echo(question.text, nl=False)
        return
    decoding, samples = _decoding(options)
    folder = options["out"] or _writable(data, probe_folder(data, spec))
    provider = _provider(options)
    path = replies_file(folder, file_stem(provider.model))
    date = options["date"].strftime("%Y-%m-%d") if options["date"] else None
    if isinstance(provider, CollectedReplies):
        samples = min(samples or len(provider.replies), len(provider.replies))
    with progress() as progress_bar:
        transcript = ask(
            provider,
            question,
            elicitation_request(provider, spec, question, decoding),
            samples,
            options["attempts"],
            path,
            progress_bar,
            date,
        )
    click.echo(f"{path}: {outcome_summary(samples_of(transcript, question))}. Next: `unconceal probes freeze {task} {path}`.")


def _decoding(options: Row) -> tuple[Decoding, int]:
    """Decoding settings and number of samples; of foreign replies only what is said is known, and 0 means all of them."""
    temperature, tokens, seed, samples = (options[name] for name in ("temperature", "max_tokens", "seed", "samples"))
    if options["from_replies"]:
        return Decoding(temperature=temperature, max_tokens=tokens, seed=seed), samples or 0
    temperature = TEMPERATURE if temperature is None else temperature
    if temperature == 0 and (samples or SAMPLES) > 1:
        if samples:
            consequence = "would be the same answer again and again, with a spread that means nothing"
            raise UsageError(
                "probes.zero-temperature", f"{samples} samples at temperature 0", consequence, "use --samples 1, or a temperature above 0"
            )
        samples = 1
    return Decoding(temperature=temperature, max_tokens=tokens or MAX_TOKENS, seed=seed or 0), samples or SAMPLES


def _provider(options: Row) -> Provider:
    """Who is asked, by the options."""
    from unconceal.probes.endpoint import Endpoint
    from unconceal.probes.local_model import LocalModel
    from unconceal.probes.providers import CollectedReplies

    kind, model, revision = options["provider"], options["model"], options["revision"]
    if not model:
        raise UsageError(
            "probes.missing-option", "--model", "is not given, so nobody could say whose answers these are", "name the language model"
        )
    if options["from_replies"]:
        if kind or options["base_url"]:
            raise UsageError(
                "probes.conflicting-options", "--from-replies", "asks nobody, so --provider and --base-url contradict it", "leave them out"
            )
        return CollectedReplies.read(options["from_replies"], model, revision)
    if kind == "endpoint":
        if not options["base_url"]:
            raise UsageError(
                "probes.missing-option",
                "--provider endpoint",
                "needs to know where the server is",
                "give --base-url, e.g. http://127.0.0.1:8000/v1",
            )
        return Endpoint(model, options["base_url"], options["timeout"], revision=revision)
    if options["base_url"] or not kind:
        raise UsageError(
            "probes.missing-option",
            "--provider",
            "is not given or is no endpoint, so it is open who is asked",
            "give --provider local or endpoint",
        )
    return LocalModel(model, revision, options["device"])


@command.command()
@click.argument("task")
@click.option("--model", help="Model: a folder or owner/name for local, the server's name for endpoint.")
@click.option("--provider", type=click.Choice(["local", "endpoint"]), help="transformers on this machine, or an OpenAI-compatible server.")
@click.option("--base-url", help="Base URL of the server's API. The key is read from $UNCONCEAL_API_KEY.")
@click.option("--revision", help="Commit or version of the model; default for a local model: its own.")
@click.option("--pairs", type=click.IntRange(1), default=PAIRS, show_default=True, help="Pairs of images for each neighbour.")
@click.option("--temperature", type=click.FloatRange(0, 5), default=0.0, show_default=True, help="0: greedy.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="First seed.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=TIMEOUT,
    show_default=True,
    help="Seconds without a response from the server.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Of both models.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads; default: all cores.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the ratings; default: beside the task.")
@root_option
def rate_images(
    task: str, pairs: int, temperature: float, seed: int, threads: int | None, out: Path | None, root: Path | None, **options: Any
) -> None:
    """Rate with a vision-language model how similar images of target and neighbours are, as the original model draws them.

    `probes freeze --image-ratings` adds the ratings to the model's probe set. The same command resumes.

    \b
    Example:  unconceal probes rate-images object/star --provider local --model HuggingFaceTB/SmolVLM-Instruct
    """
    from unconceal.evaluation.environment import resolve_device, usable_cores
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.probes.rate_images import rate, rating_request, ratings_file
    from unconceal.probing.rating_images import image_pairs
    from unconceal.progress import progress
    from unconceal.specs.loader import load_suite

    data = DataRoot.find(root)
    spec = load_task(data, task)
    suite = load_suite(data, spec.suite)
    folder, provider = out or _writable(data, probe_folder(data, spec)), _provider({**options, "from_replies": None})
    with progress() as progress_bar:
        # The layout of a run, so that each finds the other's images.
        evaluation = Evaluation(
            suite,
            data,
            next(iter(suite.tiers)),
            resolve_device(options["device"]),
            threads=threads or usable_cores(),
            progress=progress_bar,
        )
        request = rating_request(provider, spec, suite.base.digest, Decoding(temperature=temperature, max_tokens=LOOK_TOKENS, seed=seed))
        path = ratings_file(folder, file_stem(provider.model))
        ratings = rate(provider, spec.concept.replace("-", " "), image_pairs(evaluation, spec, pairs), request, path, progress_bar)
    rated = sum(rating.value is not None for rating in ratings.ratings)
    click.echo(
        f"{path}: {rated} of {len(ratings.ratings)} pairs rated. Next: `unconceal probes freeze {task} REPLIES --image-ratings {path}`."
    )


@command.command()
@click.argument("task")
@click.argument("replies", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--min-answers", type=click.IntRange(1), default=2, show_default=True, help="Minimum number of answered samples; one has no spread."
)
@click.option(
    "--image-ratings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Ratings by `probes rate-images` of the same model.",
)
@click.option("--replace", is_flag=True, help="Overwrite a frozen set that has other content.")
@root_option
def freeze(task: str, replies: Path, min_answers: int, image_ratings: Path | None, replace: bool, root: Path | None) -> None:
    """Turn raw replies into the probe set of a task, and put both beside it.

    A frozen set belongs to its suite's version: adding or changing one is a new version.

    \b
    Example:  unconceal probes freeze object/star tasks/miniature/object/star.probes/llama-3.1-8b-instruct.replies.jsonl
    """
    from unconceal.probes import freeze
    from unconceal.probes.prompt import build_question
    from unconceal.probes.rate_images import ratings_file, read_ratings
    from unconceal.probes.transcript import read_transcript, write_bytes
    from unconceal.specs.digests import file_digest

    data = DataRoot.find(root)
    spec, transcript = load_task(data, task), read_transcript(replies)
    request = transcript.request
    if (request.suite, request.task) != (spec.suite, spec.id):
        raise UsageError(
            "probes.wrong-task",
            str(replies),
            f"answers for {request.suite}:{request.task}, not for {spec.suite}:{spec.id}",
            "name the task of these replies",
        )
    folder = _writable(data, probe_folder(data, spec))
    stem = file_stem(request.model)
    beside, path = freeze.replies_file(folder, stem), folder / f"{stem}.yaml"
    probes = freeze.freeze(transcript, build_question(spec), ReplyFile(file=beside.name, digest=file_digest(replies)), min_answers)
    sources = {beside: replies}
    if image_ratings:
        rated = ratings_file(folder, stem)
        probes = freeze.with_image_ratings(
            probes, read_ratings(image_ratings), RatingFile(file=rated.name, digest=file_digest(image_ratings))
        )
        sources[rated] = image_ratings
    text = freeze.to_yaml(probes)
    if path.exists() and path.read_text(encoding="utf-8") != text and not replace:
        raise CheckFailed(
            "probes.already-frozen", str(path), "is frozen and has other content", "give --replace, and raise the suite's version"
        )
    contents = {target: source.read_bytes() for target, source in sources.items()} | {path: text.encode()}
    for target in sources:
        if target.exists() and target.read_bytes() != contents[target] and not replace:
            raise CheckFailed(
                "probes.file-exists", str(target), "holds something else, which would be lost", "move it away, or give --replace"
            )
    for target, content in contents.items():
        write_bytes(target, content)
    done = f"{len(probes.neighbours)} neighbours, {len(probes.attacks)} attacks"
    click.echo(f"{path}: {done} from {probes.samples.answered} of {probes.samples.requested} samples")


@command.command()
@click.argument("task")
@click.argument("model", required=False)
@root_option
@json_option
def show(task: str, model: str | None, root: Path | None, as_json: bool) -> None:
    """List a task's probe sets, or show one with its neighbours from the closest to the most distant.

    \b
    Example:  unconceal probes show object/star
              unconceal probes show object/star llama-3.1-8b-instruct
    """
    data = DataRoot.find(root)
    spec = load_task(data, task)
    names = [name for suite_name, task_id, name, _ in probe_files(data) if (suite_name, task_id) == (spec.suite, spec.id)]
    if model is None:
        rows = [_row(name, load_probes(data, spec, name)) for name in names]
        echo_rows(rows, as_json, f"{spec.id} has no probe set; see `unconceal probes elicit --help`")
        return
    probes = load_probes(data, spec, file_stem(model))
    if as_json:
        click.echo(probes.model_dump_json(indent=2))
        return
    for name in ("model", "revision", "provider", "date"):
        click.echo(f"{name:<10} {getattr(probes, name) or '-'}")
    click.echo(
        f"{'prompt':<10} version {probes.prompt_version}{'' if _is_current(probes, spec) else ', another than the task makes today'}"
    )
    echo_rows([_neighbour(index, probes) for index in range(len(probes.neighbours))], as_json=False)
    click.echo(f"\nattacks ({len(probes.attacks)})")
    for attack in probes.attacks:
        click.echo(f"  {attack.prompt}  [{attack.attribute}]")


def _row(name: str, probes: ProbeSet) -> Row:
    counts = {"answered": f"{probes.samples.answered}/{probes.samples.requested}", "neighbours": len(probes.neighbours)}
    agree = {"kendall_tau": probes.agreement.kendall_tau, "overlap": probes.agreement.overlap}
    return {"language_model": name, "provider": probes.provider, **counts, "attacks": len(probes.attacks), **agree, "date": probes.date}


def _neighbour(index: int, probes: ProbeSet) -> Row:
    neighbour = probes.neighbours[index]
    similarity, rank = neighbour.similarity, neighbour.rank
    numbers = {"similarity": similarity.mean, "± ": similarity.std, "rank": rank.mean, "±": rank.std}
    if probes.ratings:
        numbers["visual_similarity"] = neighbour.visual_similarity.mean if neighbour.visual_similarity else None
    mentions = f"{neighbour.mentions}/{probes.samples.answered}"
    return {"": index + 1, "concept": neighbour.concept, "relation": neighbour.relation, **numbers, "mentions": mentions}


def _is_current(probes: ProbeSet, task: Task) -> bool:
    from unconceal.probes.prompt import build_question

    return probes.prompt_digest == build_question(task).digest


def _writable(root: DataRoot, folder: Path) -> Path:
    if root.read_only:
        raise UsageError(
            "probes.read-only",
            "the packaged tasks",
            "cannot be written",
            "work in a clone, or name a folder with --root (or --out for elicit)",
        )
    return folder
