//! Which log events are written.

use std::env;

use lambda_runtime::tracing::subscriber::filter::{LevelFilter, Targets};
use lambda_runtime::tracing::subscriber::fmt;
use lambda_runtime::tracing::subscriber::layer::SubscriberExt as _;
use lambda_runtime::tracing::subscriber::util::SubscriberInitExt as _;

/// Writes log events to standard output, in the format that `AWS_LAMBDA_LOG_FORMAT` names. The level is that of
/// `AWS_LAMBDA_LOG_LEVEL`; if this variable is not set, that of `RUST_LOG`.
///
/// At `DEBUG` and `TRACE`, the Lambda runtime would log payloads, and the AWS SDK would log access key IDs and parts of
/// requests, which contain names from records. No level enables these events.
pub fn init_log() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").or_else(|_| env::var("RUST_LOG"));
    let level = level_of(level.as_deref().unwrap_or_default());
    let format = fmt().with_target(false).with_max_level(level);
    if env::var("AWS_LAMBDA_LOG_FORMAT").is_ok_and(|it| it.eq_ignore_ascii_case("json")) {
        // Lambda ignores the level of an event without a timestamp ("Log-level filtering", Lambda Developer Guide).
        format.json().finish().with(targets(level)).init();
    } else {
        format.without_time().finish().with(targets(level)).init();
    }
}

/// A level by its name. Lambda also has the level `FATAL`. Everything else is `INFO`.
fn level_of(name: &str) -> LevelFilter {
    match name.trim() {
        "" => LevelFilter::INFO,
        name if name.eq_ignore_ascii_case("fatal") => LevelFilter::ERROR,
        name => name.parse().unwrap_or(LevelFilter::INFO),
    }
}

/// The events that are written at this level.
fn targets(level: LevelFilter) -> Targets {
    Targets::new()
        .with_target("trailwarden", level)
        // The span of an invocation, which adds the request ID to each event, has the level `INFO`.
        .with_target("lambda_runtime", level.min(LevelFilter::INFO))
        .with_default(level.min(LevelFilter::WARN))
}

#[cfg(test)]
mod tests {
    use lambda_runtime::tracing::Level;

    use super::*;

    #[test]
    fn levels_have_the_names_that_lambda_uses() {
        for (name, expected) in [
            ("TRACE", LevelFilter::TRACE),
            ("debug", LevelFilter::DEBUG),
            (" WARN ", LevelFilter::WARN),
            ("ERROR", LevelFilter::ERROR),
            ("FATAL", LevelFilter::ERROR),
            ("", LevelFilter::INFO),
            ("trailwarden=debug", LevelFilter::INFO),
        ] {
            assert_eq!(level_of(name), expected, "{name}");
        }
    }

    #[test]
    fn no_level_enables_the_debugging_output_of_dependencies() {
        for level in [LevelFilter::TRACE, LevelFilter::DEBUG, LevelFilter::INFO] {
            let targets = targets(level);
            assert!(targets.would_enable("trailwarden::lambda", &Level::INFO));
            assert!(targets.would_enable("lambda_runtime::layers::trace", &Level::INFO));
            assert!(targets.would_enable("aws_smithy_runtime::client", &Level::WARN));
            assert!(!targets.would_enable("lambda_runtime::layers::api_response", &Level::DEBUG));
            for target in ["aws_sigv4::http_request::sign", "aws_smithy_runtime::client::orchestrator", "hyper::proto"]
            {
                assert!(!targets.would_enable(target, &Level::INFO), "{target}");
            }
        }
        assert!(!targets(LevelFilter::ERROR).would_enable("lambda_runtime", &Level::WARN));
    }
}
