//! Jobs of S3 Batch Operations.
//!
//! Source: "Invoke AWS Lambda function" in the Amazon S3 User Guide. Version 1.0 of the payload contains the ARN of the
//! bucket, version 2.0 its name. Keys are form-encoded.

use serde::Deserialize;
use serde_json::Value;

use super::announced::{Announced, Collector};
use super::object_key::form_decode;
use super::problem::{PayloadError, incomplete};

/// Some of the tasks of a job of S3 Batch Operations.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BatchJob {
    /// What the tasks announce.
    pub(crate) announced: Announced,
    /// Version of the payload, which the reply repeats.
    pub(crate) schema_version: String,
    /// ID of the invocation, which the reply repeats.
    pub(crate) invocation_id: String,
    /// The tasks.
    pub(crate) tasks: Vec<BatchTask>,
}

/// A task: an object to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchTask {
    /// ID of the task in the reply.
    pub(crate) id: String,
    /// Index of the object in [`Announced::objects`]; `None` if it is not a log object; or why it cannot be read.
    pub(crate) object: Result<Option<usize>, PayloadError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    invocation_schema_version: String,
    invocation_id: String,
    tasks: Vec<Task>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    #[serde(rename = "taskId")]
    id: String,
    s3_key: String,
    s3_version_id: Option<String>,
    s3_bucket: Option<String>,
    s3_bucket_arn: Option<String>,
}

/// Decodes a payload. A problem with a task is the result of that task and does not affect the others.
pub(super) fn decode(payload: &Value, mut collector: Collector<'_>) -> Result<BatchJob, PayloadError> {
    let Job { invocation_schema_version, invocation_id, tasks } = Job::deserialize(payload)
        .map_err(|_| incomplete("an S3 Batch Operations job with invocationId, and tasks with taskId and s3Key"))?;
    let tasks = tasks.into_iter().map(|task| BatchTask { id: task.id.clone(), object: object(task, &mut collector) });
    let tasks = tasks.collect();
    Ok(BatchJob { announced: collector.announced, schema_version: invocation_schema_version, invocation_id, tasks })
}

fn object(task: Task, collector: &mut Collector<'_>) -> Result<Option<usize>, PayloadError> {
    if !collector.accepted.batch_jobs {
        return Err(PayloadError::BatchJob);
    }
    let arn = task.s3_bucket_arn.as_deref().and_then(|arn| arn.rsplit_once(":::"));
    let bucket = task.s3_bucket.as_deref().or(arn.map(|(_, name)| name));
    let bucket = bucket.ok_or(incomplete("a task with s3Bucket or s3BucketArn"))?;
    let key = form_decode(&task.s3_key).ok_or(incomplete("a key that decodes to UTF-8"))?;
    let (result, objects) = collector.objects_of(|collector| collector.object(bucket, key, task.s3_version_id));
    result.map(|()| objects.first().copied())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::delivery::tests::notification;
    use crate::delivery::{Accepted, Delivery, decode};

    const KEY: &str = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/a%2Bb+c.json.gz";

    #[test]
    fn tasks_of_both_versions_are_decoded() {
        let accepted = Accepted { trail_buckets: vec!["trail".to_owned()], batch_jobs: true, ..Accepted::default() };
        let task = |id: &str, key: &str, bucket: &str, version: serde_json::Value| json!({"taskId": id, "s3Key": key, "s3Bucket": bucket, "s3VersionId": version});
        let payload = json!({
            "invocationSchemaVersion": "2.0", "invocationId": "i", "job": {"id": "j", "userArguments": {"a": "b"}},
            "tasks": [
                task("1", KEY, "trail", json!(null)),
                {"taskId": "2", "s3Key": KEY, "s3BucketArn": "arn:aws:s3:::trail", "s3VersionId": "v"},
                task("3", "photo.jpg", "trail", json!("")),
                task("4", KEY, "other", json!(null)),
                task("5", "%ff", "trail", json!(null)),
                {"taskId": "6", "s3Key": KEY},
                task("7", KEY, "trail", json!(null)),
            ],
        });
        let Delivery::BatchJob(job) = decode(&payload.to_string(), &accepted) else { panic!("a job") };
        let objects: Vec<_> = job.announced.objects.iter().map(|it| (it.key.as_str(), it.version.as_deref())).collect();
        let key = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/02/a+b c.json.gz";
        assert_eq!(objects, [(key, None), (key, Some("v"))]);
        assert_eq!(job.announced.problems, []);
        assert_eq!((job.schema_version.as_str(), job.invocation_id.as_str()), ("2.0", "i"));
        let tasks: Vec<_> = job
            .tasks
            .into_iter()
            .map(|it| format!("{}: {:?}", it.id, it.object.map_err(|error| error.to_string())))
            .collect();
        insta::assert_snapshot!(tasks.join("\n"), @r#"
        1: Ok(Some(0))
        2: Ok(Some(1))
        3: Ok(None)
        4: Err("bucket other is not in TRAIL_BUCKETS")
        5: Err("expected a key that decodes to UTF-8")
        6: Err("expected a task with s3Bucket or s3BucketArn")
        7: Ok(Some(0))
        "#);
    }

    #[test]
    fn a_malformed_job_is_an_error() {
        for payload in [
            json!({"invocationSchemaVersion": "2.0", "tasks": []}),
            json!({"invocationSchemaVersion": "2.0", "invocationId": "i", "tasks": [{"taskId": "1"}]}),
            json!({"requestContext": {}, "requestPayload":
                   {"invocationSchemaVersion": "2.0", "invocationId": "i", "tasks": []}}),
        ] {
            let announced = notification(decode(&payload.to_string(), &Accepted::default()));
            assert_eq!(announced.problems.len(), 1, "{payload}");
        }
    }
}
