//! Objects in Amazon S3. Needs `s3:ListBucket` and `s3:GetObject`, and `kms:Decrypt` if the objects are encrypted with a
//! KMS key.
//!
//! A thread lists the objects and downloads several of them at a time, in the order of their keys. The workers read from
//! bounded channels, so memory is bounded: a download waits until its object is being scanned.

use std::error::Error;
use std::pin::Pin;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::Object;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;
use futures_util::future;
use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::sync::mpsc::{self, Sender};
use trailwarden::aws::{self, Deadline, TrailBuckets};
use trailwarden::s3_object::S3Object;
use trailwarden::service::{Fault, ServiceError};
use trailwarden::trail::{ObjectBody as _, ObjectSource as _};

use super::file_name::is_log_file;
use super::narrowing::{Narrowing, Visit};
use super::source::{BucketError, ObjectReader, Source};

/// Number of objects that are downloaded at a time. Most log objects are small, so the latency of S3 limits the speed.
const DOWNLOADS: usize = 64;
/// Number of chunks of an object that wait to be scanned. A chunk has about 16 KiB.
const WAITING_CHUNKS: usize = 32;
/// Number of prefixes that are listed at a time.
const LISTS: usize = 16;
/// The Region in which the bucket is looked up if the user has not configured one.
const DEFAULT_REGION: &str = "us-east-1";

/// A location that `s3://bucket/prefix` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    bucket: String,
    prefix: String,
}

impl Location {
    /// Parses `s3://bucket` or `s3://bucket/prefix`. `None` if the path does not start with `s3://`.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let (bucket, prefix) = path.strip_prefix("s3://").map(|it| it.split_once('/').unwrap_or((it, "")))?;
        Some(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// Returns true if an object, as `s3://bucket/key`, is at this location.
    pub(super) fn contains(&self, object: &str) -> bool {
        Self::parse(object).is_some_and(|it| it.bucket == self.bucket && it.prefix.starts_with(&self.prefix))
    }

    fn object(&self, key: &str) -> S3Object {
        S3Object::new(self.bucket.as_str(), key)
    }
}

/// The profile of the AWS CLI that provides credentials; `None` for the SDK's default.
#[derive(Debug, Default, Clone)]
pub(crate) struct Profile(pub(crate) Option<String>);

/// Reads the log objects at a location. They are listed and downloaded while they are being scanned.
pub(super) fn read(location: Location, narrowing: Narrowing, profile: Profile) -> impl Iterator<Item = Source> + Send {
    // Downloads start before a worker asks for the object.
    let (sources, mut listed) = mpsc::channel(DOWNLOADS);
    let name = location.object(&location.prefix).location();
    let failed = sources.clone();
    let thread = std::thread::Builder::new().spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(read_all(location, narrowing, profile, sources)),
            Err(error) => report(&sources, name, &BucketError::Thread(error)),
        }
    });
    if let Err(error) = thread {
        report(&failed, String::new(), &BucketError::Thread(error));
    }
    drop(failed);
    std::iter::from_fn(move || listed.blocking_recv())
}

/// Reports an error before anything else was sent, so the channel has room.
fn report(sources: &Sender<Source>, name: String, error: &BucketError) {
    sources.try_send(unreadable(name, error)).ok();
}

fn unreadable(name: String, error: &BucketError) -> Source {
    Source::Unreadable { name, problem: error.to_string() }
}

async fn read_all(location: Location, narrowing: Narrowing, profile: Profile, sources: Sender<Source>) {
    let configuration = aws::configuration_of_profile(profile.0.as_deref()).await;
    let configuration = in_region_of(&location.bucket, &configuration).await;
    let bucket = Bucket { client: Client::new(&configuration), location: &location, narrowing: &narrowing };
    let trail = TrailBuckets::new(&configuration, Deadline::default());
    let announced = bucket.listed().await.then(|listed| announce(listed, &location, &sources));
    announced.for_each_concurrent(DOWNLOADS, |download| async { download_into(download, &trail).await }).await;
}

/// The configuration for the Region of the bucket, which S3 names even in an error.
async fn in_region_of(bucket: &str, configuration: &SdkConfig) -> SdkConfig {
    const HEADER: &str = "x-amz-bucket-region";
    let own = configuration.region().map_or(DEFAULT_REGION, AsRef::as_ref).to_owned();
    let configuration = aws::in_region(configuration, Some(own));
    let region = match Client::new(&configuration).head_bucket().bucket(bucket).send().await {
        Ok(found) => found.bucket_region,
        Err(error) => error.raw_response().and_then(|it| it.headers().get(HEADER)).map(str::to_owned),
    };
    match region {
        Some(region) => aws::in_region(&configuration, Some(region)),
        None => configuration,
    }
}

/// A log object that was listed, or a prefix or an object that cannot be read.
type Listed = Result<String, (String, BucketError)>;

/// An object whose content is requested from S3.
struct Download {
    object: S3Object,
    chunks: Sender<Result<Bytes, BucketError>>,
}

/// Passes an object on to be scanned. Objects are announced in order, before they are downloaded.
async fn announce(listed: Listed, location: &Location, sources: &Sender<Source>) -> Option<Download> {
    match listed {
        Ok(key) => {
            let (sender, chunks) = mpsc::channel(WAITING_CHUNKS);
            let object = location.object(&key);
            let content = ObjectReader::new(chunks);
            sources.send(Source::Object { location: object.location(), content }).await.ok()?;
            Some(Download { object, chunks: sender })
        }
        Err((prefix, error)) => {
            sources.send(unreadable(location.object(&prefix).location(), &error)).await.ok()?;
            None
        }
    }
}

/// Downloads an object. Ends early if nobody reads it any more.
async fn download_into(download: Option<Download>, trail: &TrailBuckets) {
    let Some(Download { object, chunks }) = download else { return };
    let transfer = async {
        let mut body = trail.open(&object).await?;
        while let Some(chunk) = body.next_chunk().await? {
            if chunks.send(Ok(chunk)).await.is_err() {
                break;
            }
        }
        Ok::<(), ServiceError>(())
    };
    if let Err(error) = transfer.await {
        let error = if error.fault == Fault::Archived { BucketError::Archived } else { error.into() };
        chunks.send(Err(error)).await.ok();
    }
}

/// A bucket whose objects are listed.
struct Bucket<'a> {
    client: Client,
    location: &'a Location,
    narrowing: &'a Narrowing,
}

/// A part of the bucket, whose keys are not in the key range of any other part.
#[derive(Debug)]
enum Part {
    /// A prefix that is listed while its objects are read.
    List {
        prefix: String,
        start_after: Option<String>,
    },
    Listed(Listed),
}

impl Part {
    fn key(&self) -> &str {
        match self {
            Self::List { prefix: key, .. } | Self::Listed(Ok(key) | Err((key, _))) => key,
        }
    }
}

impl Bucket<'_> {
    /// The log objects that are needed, in the order of their keys.
    async fn listed(&self) -> impl Stream<Item = Listed> {
        let parts = stream::iter(self.parts().await).map(async |part| match part {
            Part::List { prefix, start_after } => self.list(prefix, start_after).await,
            Part::Listed(listed) => stream::iter([listed]).boxed_local(),
        });
        parts.buffered(LISTS).flatten()
    }

    /// Visits the folders above those of days, level by level.
    async fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut prefixes = vec![self.location.prefix.clone()];
        while !prefixes.is_empty() {
            let visits = stream::iter(std::mem::take(&mut prefixes)).map(|prefix| self.visit(prefix));
            for (found, folders) in visits.buffered(LISTS).collect::<Vec<_>>().await {
                parts.extend(found);
                prefixes.extend(folders);
            }
        }
        parts.sort_by(|a, b| a.key().cmp(b.key()));
        parts
    }

    /// The parts at a prefix, and the folders below it that must be visited.
    async fn visit(&self, prefix: String) -> (Vec<Part>, Vec<String>) {
        if self.done_until().is_some_and(|done| prefix.as_str() < done && !done.starts_with(&prefix)) {
            return (Vec::new(), Vec::new());
        }
        match self.narrowing.visit(&prefix) {
            // The user named this prefix.
            Visit::Skip if prefix == self.location.prefix => self.descend(prefix).await,
            Visit::Skip => (Vec::new(), Vec::new()),
            Visit::Into(folders) => (Vec::new(), folders),
            Visit::List(start_after) => (vec![Part::List { prefix, start_after }], Vec::new()),
            Visit::Descend => self.descend(prefix).await,
        }
    }

    /// Lists a folder.
    async fn descend(&self, prefix: String) -> (Vec<Part>, Vec<String>) {
        let (mut parts, mut folders) = (Vec::new(), Vec::new());
        let request = self.client.list_objects_v2().bucket(&self.location.bucket).prefix(&prefix).delimiter("/");
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => {
                    folders.extend(page.common_prefixes.unwrap_or_default().into_iter().filter_map(|it| it.prefix));
                    let keys = page.contents.unwrap_or_default().into_iter().filter_map(|it| self.needed(it));
                    parts.extend(keys.map(|key| Part::Listed(Ok(key))));
                }
                Err(error) => parts.push(Part::Listed(Err((prefix.clone(), list_error(&error))))),
            }
        }
        (parts, folders)
    }

    /// Lists the objects at a prefix. The first page has arrived when this returns.
    async fn list(&self, prefix: String, start_after: Option<String>) -> Pin<Box<dyn Stream<Item = Listed> + '_>> {
        let start_after = start_after.as_deref().max(self.done_until()).map(str::to_owned);
        let request = self.client.list_objects_v2().bucket(&self.location.bucket).prefix(&prefix);
        let pages = request.set_start_after(start_after).into_paginator().send();
        let pages = stream::unfold(pages, async |mut pages| pages.next().await.map(|page| (page, pages)));
        let mut pages = Box::pin(pages.peekable());
        pages.as_mut().peek().await;
        let objects = pages.flat_map(move |page| match page {
            Ok(page) => stream::iter(page.contents.unwrap_or_default()).map(Ok).left_stream(),
            Err(error) => stream::iter([Err((prefix.clone(), list_error(&error)))]).right_stream(),
        });
        let is_needed_day = |object: &Object| !object.key().is_some_and(|key| self.narrowing.is_after_last_day(key));
        let objects = objects.take_while(move |it| future::ready(it.as_ref().map_or(true, is_needed_day)));
        objects.filter_map(|it| future::ready(it.map(|object| self.needed(object)).transpose())).boxed_local()
    }

    /// The key of an object that the scan needs.
    fn needed(&self, object: Object) -> Option<String> {
        let key = object.key?;
        let is_named = key == self.location.prefix;
        let is_new = self.done_until().is_none_or(|done| key.as_str() > done);
        let is_log = is_named || is_log_file(&key) && self.narrowing.includes(&key);
        (is_new && is_log && !key.ends_with('/')).then_some(key)
    }

    /// The last key that an earlier scan has read.
    fn done_until(&self) -> Option<&str> {
        let location = self.narrowing.start_after.as_deref()?;
        location.strip_prefix("s3://")?.strip_prefix(self.location.bucket.as_str())?.strip_prefix('/')
    }
}

fn list_error<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E, HttpResponse>) -> BucketError {
    let text = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => aws::chain(error),
    };
    BucketError::List(text)
}
