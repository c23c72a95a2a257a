//! The fuzz targets, which are also integration tests: `tests/it/fuzz.rs` describes them.
//!
//! This crate compiles the modules of the integration tests that the targets use. Their `#[test]` functions are left out,
//! so much of the modules is unused.

#[path = "../../tests/it"]
#[allow(dead_code, unused_imports, unused_macros, reason = "shared with the tests")]
mod it {
    pub(crate) mod fakes;
    pub(crate) mod fixture;
    pub(crate) mod formats;
    pub(crate) mod fuzz;
    pub(crate) mod oracle;
    pub(crate) mod pipeline;
    pub(crate) mod record_filter;
    pub(crate) mod trail;
}

use std::path::Path;

use it::{fakes, fixture, formats, oracle, pipeline, record_filter, trail};

/// Runs the target of this name on an input.
pub fn run(name: &str, input: &[u8]) {
    let target = it::fuzz::TARGETS.iter().find(|it| it.name == name).expect("a target");
    let _ = (target.run)(input);
}

/// Writes the seeds of each target to a folder of its name, and the file `dictionary`. Returns the names and groups of the
/// targets.
pub fn write_seeds(corpus: &Path) -> std::io::Result<Vec<[&'static str; 2]>> {
    for target in &it::fuzz::TARGETS {
        let folder = corpus.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (n, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{n:02}")), seed)?;
        }
    }
    std::fs::write(corpus.join("dictionary"), it::fuzz::seeds::dictionary())?;
    Ok(it::fuzz::TARGETS.iter().map(|target| [target.name, target.group]).collect())
}
