"""Plants known bugs in a copy of the code, one by one, and shows that the simulation finds each.

`python -m local.planted` prints a table. Names of bugs as arguments select them. It fails if a bug is not found, or if its place
in the code no longer exists. With `--check`, it only looks for these places.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / ".local" / "planted"
# Number of simulations with each bug, and of those without a bug: as many as `make test` runs.
SEEDS = 500
# The core without the AWS SDK builds in a fraction of the time.
TEST = ["cargo", "test", "--quiet", "--no-default-features", "--test", "it"]
FAILURE = re.compile(r"^make simulate SEED=(\d+): (.*)$", re.MULTILINE)


@dataclass
class Bug:
    """Text that is replaced in a file."""

    name: str
    file: str
    old: str
    new: str


BUGS = [
    Bug(
        "the count of earlier invocations is ignored",
        "src/triage/deduplication.rs",
        "incident.total = entry.as_ref().map_or(0, |entry: &LedgerEntry| entry.count).max(incident.count);",
        "let _ = |entry: &LedgerEntry| entry.count;\n        incident.total = incident.count;",
    ),
    Bug(
        "events are counted in windows of the default length",
        "src/pipeline/invocation.rs",
        "Triage::new(audience, pipeline.windows)",
        "Triage::new(audience, crate::triage::WindowLength::default())",
    ),
    Bug(
        "an error of a topic counts as a confirmation",
        "src/publish.rs",
        "result => settle(at, result),",
        "result => settle(at, result.or(Ok(()))),",
    ),
    Bug(
        "an alert is recorded before it is published",
        "src/pipeline/publishing.rs",
        "        let published = publish::publish(",
        "        let early: Vec<_> = due.iter().map(|it| (it, it.topics.as_slice())).collect();\n        self.deduplication.record_all(&early, budget).await;\n        let published = publish::publish(",
    ),
    Bug(
        "an invocation does not wait for the lease of another",
        "src/triage/deduplication.rs",
        "Some(Claimed::Held(entry)) => Verdict::Held(Candidate { incident, entry: Some(entry), holder }),",
        "Some(Claimed::Held(_)) => Verdict::Known,",
    ),
    Bug(
        "a failed alert does not fail the messages of a queue",
        "src/reply.rs",
        "let all_fail = !failures.alerts.is_empty() || failures.without_rules;",
        "let all_fail = failures.without_rules;",
    ),
    Bug(
        "an older end replaces a newer one",
        "src/triage/mapping_state.rs",
        "Self { ended: self.ended.max(Some(at)), ..self }",
        "Self { ended: Some(at), ..self }",
    ),
    Bug(
        "an interrupted transfer counts as complete",
        "src/pipeline/reading.rs",
        "        let end = read().await;\n",
        "        let end = read().await.or_else(|_: ReadError| Ok::<(), ReadError>(()));\n",
    ),
    Bug(
        "a sweep records a stop that it did not alert",
        "src/pipeline/sweep.rs",
        "        if failures() > earlier {\n            return false;\n        }\n",
        "        let _ = failures() > earlier;\n",
    ),
    Bug(
        "an alert that the ledger cannot decide on is dropped",
        "src/triage/deduplication.rs",
        "None => Verdict::Due(Due { incident, threshold, topics: due_on(&entry) }),",
        "None => Verdict::Known,",
    ),
    Bug(
        "an object that is delivered again counts again",
        "src/triage/deduplication.rs",
        "|(from, events)| Contribution { from, events: *events }",
        "|(_, events)| Contribution { from: self.holder, events: *events }",
    ),
    Bug(
        "the ledger forgets an alert after an hour",
        "src/triage/ledger.rs",
        "Duration::from_hours(14 * 24)",
        "Duration::from_hours(1)",
    ),
    Bug(
        "the ledger forgets a mapping after a day",
        "src/triage/mapping_state.rs",
        "Duration::from_hours(90 * 24)",
        "Duration::from_hours(24)",
    ),
    Bug(
        "a retry publishes to all topics",
        "src/triage/deduplication.rs",
        "Some(Claimed::Granted(entry)) => Verdict::Due(Due { incident, threshold, topics: due_on(&entry) }),",
        "Some(Claimed::Granted(_)) => Verdict::Due(Due { incident, threshold, topics: topics.to_vec() }),",
    ),
    Bug(
        "the end of an earlier stop resolves a later one",
        "src/triage/lifecycle.rs",
        "state.ended == Some(at) && stop.at < at",
        "state.ended == Some(at) || stop.at < at",
    ),
    Bug(
        "a stop that arrives late replaces a later one",
        "src/triage/mapping_state.rs",
        "self.stopped.is_none_or(|it| it.at < stop.at || is_same(it))",
        "self.stopped.is_none_or(|it| it.at != stop.at || is_same(it))",
    ),
    Bug(
        "alerts about stops that sweeps found reach only machines",
        "src/publish.rs",
        "messages.map(|(at, (alert, _))| (at, alert.message(Format::of(role))));",
        """messages.map(|(at, (alert, _))| (at, alert.message(Format::of(role))));
        let is_lost = |it: &Message| role == TopicRole::Alert && it.subject.starts_with("Stopped") && it.body.contains("the Lambda API, in a sweep");
        let (lost, messages): (Vec<_>, Vec<_>) = messages.partition(|(_, it)| is_lost(it));
        lost.into_iter().for_each(|(at, _)| settle(at, Ok(())));""",
    ),
    Bug(
        "a resolution is not published to people, but counts as confirmed",
        "src/publish.rs",
        "messages.map(|(at, (alert, _))| (at, alert.message(Format::of(role))));",
        """messages.map(|(at, (alert, _))| (at, alert.message(Format::of(role))));
        let is_lost = |it: &Message| role == TopicRole::Alert && it.subject.starts_with("Resolved: ");
        let (lost, messages): (Vec<_>, Vec<_>) = messages.partition(|(_, it)| is_lost(it));
        lost.into_iter().for_each(|(at, _)| settle(at, Ok(())));""",
    ),
    Bug(
        "the alert at ten events is lost, but counts as confirmed",
        "src/publish.rs",
        "messages.map(|(at, (alert, _))| (at, alert.message(Format::of(role))));",
        """messages.map(|(at, (alert, _))| (at, alert.message(Format::of(role))));
        let is_lost = |it: &Message| it.deduplication_id.ends_with("-10");
        let (lost, messages): (Vec<_>, Vec<_>) = messages.partition(|(_, it)| is_lost(it));
        lost.into_iter().for_each(|(at, _)| settle(at, Ok(())));""",
    ),
    Bug(
        "a batch with an alert about a stop is sent twice",
        "src/publish.rs",
        "let mut results = topic.publish(&messages).await.into_iter();",
        """if messages.iter().any(|it| it.subject.starts_with("Stopped")) {
            topic.publish(&messages).await;
        }
        let mut results = topic.publish(&messages).await.into_iter();""",
    ),
    Bug(
        "a late cause is not followed up",
        "src/triage/cause_search.rs",
        "(number <= MAX_CAUSES as u64).then_some(",
        "(number > MAX_CAUSES as u64).then_some(",
    ),
    Bug(
        "a follow-up is repeated",
        "src/triage/cause_search.rs",
        "let topics = missing(&entry, topics);",
        "let _ = missing(&entry, topics);\n        let topics = topics.to_vec();",
    ),
    Bug(
        "an event does not take the report of a sweep into account",
        "src/triage/lifecycle.rs",
        "_ if is_reported && !is_own => Lifecycle::Reported { ended },",
        "_ if is_reported && !is_own && ended.is_some() => Lifecycle::Reported { ended },",
    ),
    Bug(
        "a sweep resolves the stop of a mapping that is still stopped",
        "src/triage/observation.rs",
        "Condition::Stopped => steps.extend(for_stopped(mapping, state, now)),",
        "Condition::Stopped => steps.extend(for_running(mapping, state, now).or_else(|| for_stopped(mapping, state, now))),",
    ),
    Bug(
        "a sweep reports a running mapping as stopped",
        "src/triage/observation.rs",
        "steps.extend(for_running(mapping, state, now));",
        "steps.extend(for_running(mapping, state, now).or_else(|| for_stopped(mapping, state, now)));",
    ),
    Bug(
        "a stop does not replace an earlier one that has not ended",
        "src/triage/mapping_state.rs",
        "Transition::Stopped(stop) if self.is_replaced_by(stop) => with_stop(stop, false),",
        """Transition::Stopped(_) if self.open().is_some() && !self.is_found => self,
            Transition::Stopped(stop) if self.is_replaced_by(stop) => with_stop(stop, false),""",
    ),
    Bug(
        "a stop counts as open after its end",
        "src/triage/mapping_state.rs",
        "self.stopped.filter(|stop| self.ended.is_none_or(|ended| ended <= stop.at))",
        "self.stopped",
    ),
    Bug(
        "a list of one page does not end",
        "src/pipeline/sweep.rs",
        "                None => {\n                    known.retain",
        "                None if marker.is_some() => {\n                    known.retain",
    ),
    Bug(
        "the lease of a crashed invocation lasts a day",
        "src/triage/deduplication.rs",
        "pub const LEASE: Duration = Duration::from_secs(4);",
        "pub const LEASE: Duration = Duration::from_hours(24);",
    ),
]


def copy() -> None:
    """Copies what git tracks. The build of an earlier copy is kept."""
    for name in ("src", "tests", "benches", "local", "events", "docs"):
        shutil.rmtree(COPY / name, ignore_errors=True)
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, COPY / name)


def simulate(seeds: int) -> tuple[int, str] | None:
    """Returns the first seed that fails, and why; None if no seed fails."""
    build = subprocess.run([*TEST, "--no-run"], cwd=COPY, capture_output=True, text=True)
    if build.returncode:
        sys.exit(f"the code with the bug does not compile:\n{build.stderr}")
    environment = {**os.environ, "SIMULATION_SEEDS": str(seeds), "RUST_BACKTRACE": "0"}
    test = subprocess.run([*TEST, "simulation"], cwd=COPY, env=environment, capture_output=True, text=True)
    failures = [(int(seed), why) for seed, why in FAILURE.findall(test.stdout + test.stderr)]
    if test.returncode and not failures:
        sys.exit(f"the simulation failed:\n{test.stdout}{test.stderr}")
    return min(failures, default=None)


def shortened(why: str) -> str:
    """The report without the names of the simulation."""
    for pattern, text in [
        (r"^assertion .* failed: |: #.*|: Sweep .*| of mapping \d+ at \S+Z| of the stop at \d+", ""),
        (r"(the incident )?[0-9a-f]{32}( of arn:\S+)?", "an incident"),
        (r"^[0-9a-f-]{36} \S+Z has", "a stop has"),
        (r"(the )?cause \S+", "a cause"),
        (r"mapping \d+", "a mapping"),
        (r"^the stop is", "a stop is"),
    ]:
        why = re.sub(pattern, text, why)
    return why[:120]


def main() -> None:
    names = [it for it in sys.argv[1:] if it != "--check"]
    chosen = [bug for bug in BUGS if not names or bug.name in names]
    if len(chosen) < len(names):
        sys.exit(f"unknown bug; known are: {', '.join(bug.name for bug in BUGS)}")
    for bug in chosen:
        count = (ROOT / bug.file).read_text().count(bug.old)
        if count != 1:
            sys.exit(f'{bug.file}: expected the text of the bug "{bug.name}" once, found it {count} times')
    if "--check" in sys.argv:
        return
    copy()
    if found := simulate(SEEDS):
        sys.exit(f"without a bug, seed {found[0]} fails: {found[1]}")
    print("| planted bug | seeds until it is found | what the simulation reports |\n|---|---:|---|", flush=True)
    missed = []
    for bug in chosen:
        path = COPY / bug.file
        text = path.read_text()
        path.write_text(text.replace(bug.old, bug.new))
        found = simulate(SEEDS)
        path.write_text(text)
        if found is None:
            missed.append(bug.name)
        seed, why = found or (SEEDS, "nothing")
        print(f"| {bug.name} | {seed + 1} | {shortened(why)} |", flush=True)
    if missed:
        sys.exit(f"not found in {SEEDS} seeds: {', '.join(missed)}")


if __name__ == "__main__":
    main()
