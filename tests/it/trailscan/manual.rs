//! Help texts, man pages and completions.

use std::path::Path;
use std::process::{Command, Output};

use insta::assert_snapshot;

use super::{Folder, text, trailscan};
use crate::fixture::records::{disabled_mapping, gzip, log_file};

const COMMANDS: [&[&str]; 8] =
    [&[], &["scan"], &["explain"], &["rules"], &["rules", "check"], &["rules", "test"], &["completions"], &["man"]];

fn help(command: &[&str]) -> String {
    let output = trailscan(&[command, &["--help"]].concat());
    assert_eq!(output.status.code(), Some(0), "{command:?}");
    text(&output.stdout)
}

/// The examples in a help text: the lines that are indented by four spaces after the last heading of clap.
fn examples(help: &str) -> Vec<String> {
    let Some((_, examples)) = help.split_once("\nExamples:\n") else { return Vec::new() };
    examples.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned).collect()
}

/// Runs a command line in a shell, in a folder that is also the home directory.
fn shell(folder: &Folder, command: &str) -> Output {
    let programs = Path::new(env!("CARGO_BIN_EXE_trailscan")).parent().expect("a folder");
    let path = std::env::join_paths(
        [programs.to_owned()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    Command::new("bash")
        .args(["-c", command])
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("PATH", path.expect("a path"))
        .output()
        .expect("bash")
}

/// A home directory with the files and folders that the examples use.
fn home(name: &str) -> Folder {
    let log = log_file(&[disabled_mapping(1, "orders", "AUTHORIZATION_ERROR")]);
    Folder::new(name)
        .put("log.json.gz", gzip(&log))
        .put("trail/a.json", log)
        .put("rules.json", "{}")
        .put(".local/share/bash-completion/completions/other", "")
        .put(".zfunc/other", "")
        .put(".config/fish/completions/other", "")
}

/// Commands that need AWS are not run.
#[test]
fn each_example_in_a_help_text_runs() {
    let folder = home("examples");
    for command in COMMANDS {
        let help = help(command);
        let examples = examples(&help);
        assert!(!examples.is_empty() || command == ["rules"], "{help}");
        let name = [&["trailscan"], command].concat().join(" ");
        for example in examples {
            assert!(example.starts_with(&name), "{example}");
            if example.contains("s3:") {
                continue;
            }
            let output = shell(&folder, &example);
            assert_eq!(output.status.code(), Some(0), "{example}: {}", text(&output.stderr));
        }
    }
}

/// Commands that continue in the next line, or need AWS, are not run.
#[test]
fn each_command_in_the_documentation_runs() {
    let folder = home("documented");
    let pages = [include_str!("../../../docs/TRAILSCAN.md"), include_str!("../../../docs/RULES.md")].join("\n");
    let is_runnable =
        |line: &&str| line.starts_with("trailscan ") && !line.ends_with(['|', '\\']) && !line.contains("s3:");
    let commands: Vec<_> = pages.lines().filter(is_runnable).collect();
    assert!(commands.len() >= 10, "{commands:?}");
    for command in commands {
        let output = shell(&folder, command);
        assert_eq!(output.status.code(), Some(0), "{command}: {}", text(&output.stderr));
    }
}

#[test]
fn the_exit_codes_are_in_the_help_text_and_on_the_page() {
    let help = help(&[]);
    let (_, codes) = help.split_once("Exit codes:\n").expect("exit codes");
    assert_snapshot!(codes, @"
    0    success, with or without findings
    1    something could not be read or written
    2    invalid arguments
    130  interrupted
    ");
    let page = include_str!("../../../docs/TRAILSCAN.md");
    for line in codes.lines() {
        let code = line.split_whitespace().next().expect("a code");
        assert!(page.contains(&format!("\n| {code} | ")), "{code}");
    }
}

#[test]
fn each_command_has_a_man_page() {
    let folder = Folder::new("man");
    assert_eq!(trailscan(&["man", &folder.file("new/man1")]).status.code(), Some(0));
    let pages = std::fs::read_dir(folder.file("new/man1")).expect("a folder");
    let mut names: Vec<_> = pages.map(|it| it.expect("a page").file_name().into_string().expect("UTF-8")).collect();
    names.sort_unstable();
    let mut expected = COMMANDS.map(|command| format!("{}.1", [&["trailscan"], command].concat().join("-")));
    expected.sort_unstable();
    assert_eq!(names, expected);
    for name in names {
        let page = std::fs::read_to_string(folder.file(&format!("new/man1/{name}"))).expect("a page");
        let (title, _) = name.rsplit_once('.').expect("a section");
        assert!(page.contains(&format!(".TH {title} 1 ")), "{page}");
        let sections: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        assert_eq!(sections[..4], ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"], "{name}");
        assert_eq!(sections.contains(&"EXAMPLES"), name != "trailscan-rules.1", "{name}");
    }
    let main = std::fs::read(folder.file("new/man1/trailscan.1")).expect("a page");
    assert_eq!(trailscan(&["man"]).stdout, main);
}

#[test]
fn man_pages_that_cannot_be_written_are_an_error() {
    let folder = Folder::new("no-man").put("file", "");
    let output = trailscan(&["man", &folder.file("file")]);
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr).replace(folder.path(), "FOLDER");
    assert_snapshot!(message, @"trailscan: FOLDER/file: file exists");
}

#[test]
fn each_shell_has_completions_for_each_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = trailscan(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text(&output.stdout);
        for word in ["trailscan", "scan", "explain", "rules", "completions", "event-sources"] {
            assert!(script.contains(word), "{shell} {word}");
        }
    }
    let folder = Folder::new("completions");
    let output = shell(&folder, "source <(trailscan completions bash) && complete -p trailscan");
    assert!(text(&output.stdout).contains("-F _trailscan trailscan"), "{}", text(&output.stderr));
}
