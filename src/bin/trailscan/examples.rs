//! The end of the help texts: examples and exit codes.
//!
//! A heading starts at the first column and ends with a colon, and a command is indented by four spaces. The man pages and
//! the tests rely on this.

pub(crate) const TRAILSCAN: &str = "\
Examples:
  Show what is wrong in a copy of a trail:
    trailscan scan --event-sources '*' ~/trail
  Explain why AWS disabled an event source mapping, and what to do:
    trailscan explain AUTHORIZATION_ERROR
  Show what rules match, before you install them:
    trailscan rules test rules.json ~/trail

Exit codes:
  0    success, with or without findings
  1    something could not be read or written
  2    invalid arguments
  130  interrupted";

pub(crate) const SCAN: &str = "\
Examples:
  Show what is wrong in a copy of a trail:
    trailscan scan --event-sources '*' ~/trail
  Show what happened to a function this week:
    trailscan scan --since 7d --function orders ~/trail
  Show what happened to it, from a trail in Amazon S3:
    trailscan scan --since 7d --function orders s3://BUCKET/AWSLogs/
  Write findings as JSON, except those that rules suppress:
    trailscan scan --format jsonl --rules rules.json ~/trail > findings.jsonl
  Read a log file from standard input:
    trailscan scan - < log.json.gz";

pub(crate) const EXPLAIN: &str = "\
Examples:
  Explain why AWS disabled an event source mapping, and what to do:
    trailscan explain AUTHORIZATION_ERROR
  Explain a type of policy:
    trailscan explain \"service control policy\"
  List all codes:
    trailscan explain";

pub(crate) const RULES_CHECK: &str = "\
Examples:
    trailscan rules check rules.json";

pub(crate) const RULES_TEST: &str = "\
Examples:
  Show what rules match in the events of all services:
    trailscan rules test rules.json ~/trail
  Examine the same services as a function with the default settings:
    trailscan rules test --event-sources lambda.amazonaws.com rules.json ~/trail";

pub(crate) const COMPLETIONS: &str = "\
Examples:
    trailscan completions bash > ~/.local/share/bash-completion/completions/trailscan
    trailscan completions zsh > ~/.zfunc/_trailscan
    trailscan completions fish > ~/.config/fish/completions/trailscan.fish";

pub(crate) const MAN: &str = "\
Examples:
    trailscan man ~/.local/share/man/man1";
