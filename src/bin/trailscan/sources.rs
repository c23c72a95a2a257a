//! The inputs of a scan: files, archives, standard input, and objects in Amazon S3.

pub(crate) mod archive;
mod bucket;
pub(crate) mod file_name;
mod files;
mod key_layout;
mod narrowing;
mod source;

use std::ffi::OsString;

pub(crate) use bucket::Profile;
pub(crate) use narrowing::Narrowing;
pub(crate) use source::Source;

use bucket::Location;

/// The inputs that the command line names.
#[derive(Debug)]
pub(crate) struct Sources {
    inputs: Vec<Input>,
    /// Number of files that were skipped in folders, because they are not log files.
    pub(crate) skipped: u64,
    /// Number of bytes in all files; `None` if the size of another input is unknown.
    pub(crate) bytes: Option<u64>,
}

#[derive(Debug)]
enum Input {
    Local(Source),
    Bucket(Location),
}

impl Sources {
    /// Finds the files at the given paths. Objects in Amazon S3 are listed later, while they are being scanned.
    pub(crate) fn at(paths: &[OsString]) -> Self {
        let mut files = files::Files::default();
        let mut inputs = Vec::new();
        let mut bytes = Some(0);
        for path in paths {
            match path.to_str().and_then(Location::parse) {
                Some(location) => inputs.push(Input::Bucket(location)),
                None => inputs.extend(files.at(path).into_iter().map(Input::Local)),
            }
        }
        if inputs.iter().any(|it| matches!(it, Input::Bucket(_) | Input::Local(Source::Stdin))) {
            bytes = None;
        }
        Self { inputs, skipped: files.skipped, bytes: bytes.map(|_| files.bytes) }
    }

    /// Returns true if the inputs are one prefix in Amazon S3, so that everything after an object has a later key.
    pub(crate) fn are_one_prefix(&self) -> bool {
        matches!(self.inputs.as_slice(), [Input::Bucket(_)])
    }

    /// Returns true if the inputs are one prefix in Amazon S3 that contains `object`.
    pub(crate) fn are_one_prefix_of(&self, object: &str) -> bool {
        matches!(self.inputs.as_slice(), [Input::Bucket(location)] if location.contains(object))
    }

    /// The inputs, in order. `narrowing` says which objects in Amazon S3 are read.
    pub(crate) fn into_iter(self, narrowing: Narrowing, profile: Profile) -> impl Iterator<Item = Source> + Send {
        self.inputs.into_iter().flat_map(move |input| -> Box<dyn Iterator<Item = Source> + Send> {
            match input {
                Input::Local(source) => Box::new(std::iter::once(source)),
                Input::Bucket(location) => Box::new(bucket::read(location, narrowing.clone(), profile.clone())),
            }
        })
    }
}
