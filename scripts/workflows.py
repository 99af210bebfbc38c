"""Our own rules for what GitHub and editors read; scripts/workflows runs the commands.

    workflows.py check [ROOT]          every rule below, on every workflow and action of ROOT: exit 1 with all that is wrong
    workflows.py extract FOLDER        each `run:` as a file, for shellcheck
    workflows.py devcontainer FILE     the dev container, as the reference implementation read it

zizmor knows what is unsafe anywhere. What is here it does not know, or knows only with a network: that a pin says which
version it is, that a called task exists, that nothing can reach a key of AWS, that every job is needed by `required`, that
what writes waits for what checks.
"""

import json
import re
import sys
from pathlib import Path

import yaml

PIN = re.compile(r"^\s*(?:- )?uses:\s*(?P<action>[\w./-]+)@(?P<sha>[0-9a-f]{40}) # (?P<version>v\d+\.\d+\.\d+)$")
LOCAL = re.compile(r"^\s*(?:- )?uses:\s*\./\S+(?:\s+#.*)?$")
# Long-lived keys and whatever takes them. A session's own variables are set by configure-aws-credentials, and named nowhere.
KEYS = re.compile(
    r"aws[-_](?:access[-_]key[-_]id|secret[-_]access[-_]key|session[-_]token)|\bAKIA[0-9A-Z]{16}\b", re.IGNORECASE
)
# Both run with the rights of the base repository on what a stranger wrote.
FORBIDDEN_TRIGGERS = {"pull_request_target", "workflow_run", "issue_comment"}
# In whatever case, and wherever it stands: a word that no workflow here has a use for, in a comment neither.
SECRETS = re.compile(r"\bsecrets\b", re.IGNORECASE)
MAIN_ALONE = "${{ github.ref == 'refs/heads/main' && github.event_name != 'pull_request' }}"
AWS_SESSION = "aws-actions/configure-aws-credentials@"
# Cancelling is for pull requests. An apply that is cut off leaves half of a change, and a release half of its files.
CANCEL = (False, "${{ github.event_name == 'pull_request' }}")
# What a promise of the documentation rests on, as it stands there, by workflow and job.
HAS_TO_RUN = {
    ("ci.yml", "required"): """jq --exit-status 'all(.[]; .result == "success")' <<<"$NEEDS\"""",
    ("release.yml", "check"): 'git merge-base --is-ancestor "$GITHUB_SHA" origin/main',
    ("release.yml", "draft"): "scripts/release-tag",
    ("release.yml", "images"): "scripts/release-tag",
    ("release.yml", "publish"): "scripts/release-tag",
}
TASK = re.compile(r"(?:^|[\s/])task ([a-z][a-z-]*)")
SCRIPT = re.compile(r"(?:^|[\s(])((?:\./)?scripts/[\w.-]+)")


def load(path: Path) -> dict:
    found = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    # In YAML 1.1, which PyYAML reads, the key `on` is the value true.
    return {("on" if key is True else key): value for key, value in found.items()}


def triggers(workflow: dict) -> set[str]:
    on = workflow.get("on", {})
    return {on} if isinstance(on, str) else set(on)


def check_text(text: str, pins: dict[str, str]) -> list[str]:
    wrong = []
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*(?:- )?uses:", line) and not LOCAL.match(line):
            pin = PIN.match(line)
            if not pin:
                wrong.append(f"{number}: not pinned as `uses: OWNER/NAME@<40 hexadecimal digits> # v1.2.3`: {line.strip()}")
            elif pins.setdefault(pin["action"], f"{pin['sha']} # {pin['version']}") != f"{pin['sha']} # {pin['version']}":
                wrong.append(f"{number}: {pin['action']} has another pin elsewhere: {pins[pin['action']]}")
        if KEYS.search(line):
            wrong.append(f"{number}: names a key of AWS; roles by OIDC are the only way in: {line.strip()}")
        if SECRETS.search(line):
            wrong.append(
                f"{number}: takes a secret; there is none here, and GitHub's own token is github.token: {line.strip()}"
            )
    return wrong


def steps_of(job: dict) -> list[dict]:
    return job.get("steps", [])


def writes(job: dict) -> bool:
    permissions = job.get("permissions")
    return isinstance(permissions, dict) and "write" in permissions.values()


def needed(name: str, jobs: dict[str, dict]) -> set[str]:
    """The jobs that have to pass before this one, and before those."""
    direct = jobs[name].get("needs", [])
    direct = {direct} if isinstance(direct, str) else set(direct)
    return direct.union(*(needed(other, jobs) for other in direct & set(jobs)))


def check_rights(file: str, name: str, workflow: dict) -> list[str]:
    """Who gets to write, or into AWS: behind an environment's rules, on main, after everything that only reads."""
    jobs, job, wrong = workflow["jobs"], workflow["jobs"][name], []
    # A workflow that is called has jobs of its own, which are looked at there.
    if "uses" in job:
        return wrong
    before = needed(name, jobs)
    if writes(job) and not any("environment" in jobs[other] for other in before & set(jobs) | {name}):
        wrong.append(f"job {name} may write, and no environment is in its way: neither its own nor that of a job it needs")
    if any(step.get("uses", "").startswith(AWS_SESSION) for step in steps_of(job)):
        environment = str(job.get("environment", ""))
        if not environment:
            wrong.append(f"job {name} takes a role of AWS, and has no environment: the trust policies name environments")
        if (
            "pull_request" in triggers(workflow)
            and not environment.startswith("plan-")
            and job.get("if") != MAIN_ALONE
        ):
            wrong.append(f"job {name} takes a role of AWS that does more than plan, and is not for main alone")
    if file == "release.yml" and writes(job):
        for other in sorted(set(jobs) - before):
            if not writes(jobs[other]):
                wrong.append(f"job {name} writes, and does not wait for {other}")
    return wrong


def check_job(name: str, job: dict, tasks: set[str], root: Path) -> list[str]:
    wrong = []
    if "permissions" not in job:
        wrong.append(f"job {name} does not say its permissions")
    elif not isinstance(job["permissions"], dict):
        wrong.append(f"job {name}: permissions one by one, not {job['permissions']}")
    if "uses" not in job and "timeout-minutes" not in job:
        wrong.append(f"job {name} has no timeout-minutes: it may hang for 6 hours")
    if any("continue-on-error" in part for part in (job, *steps_of(job))):
        wrong.append(f"job {name}: continue-on-error makes a success of a failure")
    for step in steps_of(job):
        run = step.get("run", "")
        if "cache" in step.get("uses", "") and "!startsWith(github.ref, 'refs/tags/')" not in step.get("if", ""):
            wrong.append(f"job {name}: a release, which calls this, takes nothing from a cache that a branch may have filled")
        if "${{" in run:
            wrong.append(f"job {name}: an expression within `run` is text that is run; give it by `env`")
        if (
            step.get("uses", "").startswith("actions/checkout@")
            and step.get("with", {}).get("persist-credentials") is not False
        ):
            wrong.append(f"job {name}: checkout leaves its token behind; persist-credentials: false")
        for task in TASK.findall(run):
            if task not in tasks:
                wrong.append(f"job {name}: there is no task {task} in Taskfile.yml")
        for script in SCRIPT.findall(run):
            if not (root / script).is_file():
                wrong.append(f"job {name}: there is no {script}")
    return wrong


def check_workflow(path: Path, tasks: set[str], root: Path) -> list[str]:
    workflow = load(path)
    wrong = []
    if workflow.get("permissions") != {}:
        wrong.append("permissions at the top have to be {}: each job says its own")
    if "concurrency" not in workflow:
        wrong.append("there is no concurrency at the top: two runs would get in each other's way")
    if workflow.get("defaults", {}).get("run", {}).get("shell") != "bash":
        wrong.append("defaults.run.shell has to be bash: GitHub's default goes on after a failure within a pipe")
    for trigger in sorted(triggers(workflow) & FORBIDDEN_TRIGGERS):
        wrong.append(f"the trigger {trigger} runs with our rights on what a stranger wrote")
    if (workflow.get("concurrency") or {}).get("cancel-in-progress", False) not in CANCEL:
        wrong.append("cancel-in-progress is false, or for pull requests alone")
    jobs = workflow.get("jobs", {})
    pinned = {line.strip().removeprefix("- ").split()[1] for line in path.read_text().splitlines() if PIN.match(line)}
    for name, job in jobs.items():
        wrong += check_job(name, job, tasks, root) + check_rights(path.name, name, workflow)
        for action in (step["uses"] for step in steps_of(job) if "uses" in step):
            if action not in pinned and not action.startswith("./"):
                wrong.append(f"job {name}: {action} is not pinned on a line of its own, with its version beside it")
    for (file, name), command in HAS_TO_RUN.items():
        always = [step.get("run", "").strip() for step in steps_of(jobs.get(name, {})) if "if" not in step]
        if file == path.name and command not in always:
            wrong.append(f"job {name} has to run, by itself in a step without `if`: {command}")
    if path.name == "release.yml" and any("cache" in step.get("uses", "") for job in jobs.values() for step in steps_of(job)):
        wrong.append("a release takes nothing from a cache that a branch may have filled")
    if path.name == "ci.yml":
        required = jobs.get("required", {})
        if set(required.get("needs", [])) != set(jobs) - {"required"}:
            wrong.append("the job required has to need every other job")
        if required.get("if") != "${{ always() }}":
            wrong.append("the job required has to run always: one that is skipped counts as passed")
    return wrong


def check(root: Path) -> list[str]:
    tasks = set(yaml.load((root / "Taskfile.yml").read_text(), Loader=yaml.CSafeLoader)["tasks"])
    files = sorted([*root.glob(".github/workflows/*.y*ml"), *root.glob(".github/actions/*/action.y*ml")])
    if not any(path.name == "ci.yml" for path in files):
        return [f"there is no .github/workflows/ci.yml in {root}"]
    wrong, pins = [], {}
    for path in files:
        found = check_text(path.read_text(), pins)
        if path.parent.name == "workflows":
            found += check_workflow(path, tasks, root)
        wrong += [f"{path.relative_to(root)}: {problem}" for problem in found]
    # The dev container and the workflows have the same OpenTofu.
    tofu = (root / ".opentofu-version").read_text().strip()
    if f"/opentofu:{tofu}-minimal" not in (root / ".devcontainer/Dockerfile").read_text():
        wrong.append(f".devcontainer/Dockerfile: OpenTofu has to be {tofu}, as in .opentofu-version")
    return wrong


def extract(root: Path, folder: Path) -> int:
    folder.mkdir(parents=True)
    count = 0
    for path in sorted(root.glob(".github/workflows/*.y*ml")):
        for name, job in load(path)["jobs"].items():
            for number, step in enumerate(steps_of(job)):
                if "run" in step:
                    (folder / f"{path.stem}-{name}-{number}.sh").write_text(step["run"].rstrip("\n") + "\n")
                    count += 1
    return count


def check_devcontainer(configuration: dict, written: str) -> list[str]:
    wrong = []
    if configuration.get("remoteUser") in (None, "root"):
        wrong.append("it runs as root")
    for mount in configuration.get("mounts", []):
        kind = mount.get("type") if isinstance(mount, dict) else re.search(r"\btype=volume\b", mount) and "volume"
        if kind != "volume":
            wrong.append(f"it mounts a folder of the host: {mount}")
    # The reference implementation makes do with half of a broken file.
    try:
        json.loads(re.sub(r"^\s*//.*$", "", written, flags=re.MULTILINE))
    except ValueError as error:
        wrong.append(f"it is no JSON with comments on lines of their own: {error}")
    # As written too: what was read has ${localEnv:...} filled in.
    text = json.dumps(configuration) + written
    for words in ("SSH_AUTH_SOCK", "AWS_", "localEnv", "docker.sock", "--privileged"):
        if words in text:
            wrong.append(f"it hands {words} of the host on")
    for feature in configuration.get("features", {}):
        if not re.search(r"(?:@sha256:[0-9a-f]{64}|:\d+\.\d+\.\d+)$", feature):
            wrong.append(f"the feature {feature} has no full version")
    return wrong


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    match sys.argv[1:]:
        case ["check"]:
            wrong = check(root)
        case ["check", other]:
            wrong = check(Path(other))
        case ["extract", folder]:
            wrong = [] if extract(root, Path(folder)) else ["no workflow runs anything: nothing would be checked"]
        case ["devcontainer", file]:
            written = (root / ".devcontainer/devcontainer.json").read_text()
            wrong = check_devcontainer(json.loads(Path(file).read_text())["configuration"], written)
        case _:
            print("workflows: check [ROOT], extract FOLDER or devcontainer FILE", file=sys.stderr)
            return 2
    for problem in wrong:
        print(f"workflows: {problem}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
