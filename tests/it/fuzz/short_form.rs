//! The targets without libFuzzer: on their seeds, on the inputs in `fuzz/regressions/`, and on mutations of both. The
//! mutations are random but the same in every run.

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use rand::rngs::SmallRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::seeds::{WORDS, dictionary};
use super::{TARGETS, Target};

/// Maximum length of a mutation. Longer inputs take time and find little.
const MAX_BYTES: usize = 8 << 10;

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The files in a folder; none if the folder does not exist.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
fn every_target_passes_on_seeds_regressions_and_mutations() {
    thread::scope(|scope| {
        for target in &TARGETS {
            let run = || run_short_form(target);
            thread::Builder::new().name(target.name.to_owned()).spawn_scoped(scope, run).expect("a thread");
        }
    });
}

fn run_short_form(target: &Target) {
    let regressions = files(&fuzz_folder().join("regressions").join(target.name));
    let regressions = regressions.iter().map(|path| std::fs::read(path).expect("a file"));
    let inputs: Vec<_> = (target.seeds)().into_iter().chain(regressions).collect();
    for input in &inputs {
        run_and_save(target, input);
    }
    let mut random = SmallRng::seed_from_u64(1);
    for _ in 0..target.mutations {
        let mut input = inputs[random.random_range(0..inputs.len())].clone();
        for _ in 0..random.random_range(1..5) {
            mutate(&mut input, &inputs, &mut random);
        }
        input.truncate(MAX_BYTES);
        run_and_save(target, &input);
    }
}

/// Runs a target. Saves the input if the target panics.
fn run_and_save(target: &Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(|| _ = (target.run)(input)) {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", target.name));
        std::fs::write(&file, input).expect("a file");
        eprintln!(
            "{} fails. To keep the input, move {} to fuzz/regressions/{}/",
            target.name,
            file.display(),
            target.name
        );
        std::panic::resume_unwind(panic);
    }
}

/// Changes an input like libFuzzer does.
fn mutate(input: &mut Vec<u8>, others: &[Vec<u8>], random: &mut SmallRng) {
    let at = random.random_range(0..=input.len());
    let end = random.random_range(at..=input.len().min(at + 64));
    match random.random_range(0..6) {
        0 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.random_range(0..8)),
        1 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.next_u32() as u8),
        2 => drop(input.drain(at..end)),
        3 => {
            let copy = input[at..end].to_vec();
            input.splice(at..at, copy);
        }
        4 => {
            let word = WORDS[random.random_range(0..WORDS.len())];
            input.splice(at..end, word.bytes());
        }
        _ => {
            let other = &others[random.random_range(0..others.len())];
            input.truncate(at);
            input.extend(&other[random.random_range(0..=other.len())..]);
        }
    }
}

#[test]
fn most_seeds_of_every_target_reach_its_assertions() {
    for target in &TARGETS {
        let seeds = (target.seeds)();
        let reached = seeds.iter().filter(|seed| (target.run)(seed)).count();
        assert!(2 * reached > seeds.len(), "{}: {reached} of {} seeds", target.name, seeds.len());
    }
}

#[test]
fn words_in_the_dictionary_are_quoted() {
    let dictionary = dictionary();
    assert_eq!(dictionary.lines().count(), WORDS.len());
    assert!(dictionary.contains("\"{\\x22Records\\x22:[\"\n\"]}\"\n"), "{dictionary}");
    assert!(dictionary.contains("\"\\xe2\\x80\\xae\"\n"), "{dictionary}");
}

#[test]
fn every_target_is_a_libfuzzer_target() {
    let names: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names.len(), TARGETS.len());
    let groups: BTreeSet<_> = TARGETS.iter().map(|target| target.group).collect();
    let makefile = include_str!("../../../Makefile");
    assert!(
        makefile.contains("GROUP=reading|parsing|alerts") && groups == BTreeSet::from(["alerts", "parsing", "reading"])
    );
    let stem = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let programs: BTreeSet<_> = files(&fuzz_folder().join("fuzz_targets")).iter().map(stem).collect();
    assert_eq!(programs, names);
    let manifest = std::fs::read_to_string(fuzz_folder().join("Cargo.toml")).expect("a manifest");
    for name in &names {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
    let folders = files(&fuzz_folder().join("regressions"));
    assert!(!folders.is_empty() && folders.iter().map(stem).all(|folder| names.contains(&folder)), "{folders:?}");
}
