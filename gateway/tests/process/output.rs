//! Output that cannot be written: told and exit code 1, or, when nobody reads any more, a quiet end.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

use crate::harness::{Gateway, binary, complaint};
use crate::state::record;

/// Runs a command whose every write to stdout fails: the disk is full, or nobody reads.
fn run_into(stdout: impl Into<Stdio>, arguments: &[&str]) -> Output {
    binary().args(arguments).stdout(stdout).output().expect("the binary runs")
}

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("Linux has it")
}

/// The writing end of a pipe whose other end is closed.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// Commands that need no running gateway, each with something to say.
fn commands(data: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["--help"],
        vec!["--version"],
        vec!["device", "assign", "--help"],
        vec!["check"],
        vec!["check", "--json"],
        vec!["config", "show"],
        vec!["config", "show", "--json", "--origin"],
        vec!["completions", "bash"],
        vec!["log", "verify", data],
        vec!["log", "verify", "--json", data],
        vec!["log", "dump", data],
        vec!["log", "repair", data],
        vec!["losses", "--data-dir", data],
        vec!["history", "my-watch", "heart_rate", "--data-dir", data],
        vec!["history", "my-watch", "heart_rate", "--plot", "--data-dir", data],
        vec!["halo", "my-watch", "--data-dir", data],
        vec!["why", "my-watch", "heart_rate", "--data-dir", data],
        vec!["user", "list", "--data-dir", data],
        vec!["role", "list", "--data-dir", data],
        vec!["state", "compare", "--rows", "10", "--runs", "1", "--dir", data],
    ]
}

/// Commands to a running gateway.
fn questions(data: &str) -> Vec<Vec<&str>> {
    let words = ["status", "losses", "device list", "subject list", "subject show my-watch", "quarantine list"];
    let more = ["upstream list", "source list", "clock confirm", "user list", "role list"];
    let line = |words: &'static str| words.split(' ').chain(["--data-dir", data]).collect();
    words.into_iter().chain(more).map(line).collect()
}

fn check_all(commands: &[Vec<&str>]) {
    for arguments in commands {
        let failed = run_into(full(), arguments);
        let said = complaint(&failed);
        assert_eq!(failed.status.code(), Some(1), "{arguments:?} said {said:?}");
        assert!(said.contains("write to stdout") && said.contains("No space left"), "{arguments:?} said {said:?}");
        let unread = run_into(closed(), arguments);
        let said = complaint(&unread);
        assert_eq!(unread.status.code(), Some(0), "{arguments:?} said {said:?}");
        assert!(!said.contains("panicked") && !said.contains("stdout"), "{arguments:?} said {said:?}");
    }
}

#[test]
fn output_that_cannot_be_written_fails_every_command_and_a_reader_who_left_fails_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().display().to_string();
    record(folder.path(), "my-watch", 60..70);
    check_all(&commands(&data));
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0", &[]);
    check_all(&questions(&data));
    assert_eq!(gateway.stop(), Some(0));
}

/// What it has to say is not why it runs.
#[test]
fn a_gateway_runs_also_where_it_cannot_print_its_address() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = binary();
    command.args(["--log", "warn", "run", "--mqtt", "127.0.0.1:0", "--data-dir"]).arg(folder.path());
    let mut running = command.stdout(full()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let lines = BufReader::new(running.stderr.take().expect("stderr is piped")).lines();
    let mut lines = lines.map(|line| line.expect("UTF-8"));
    assert!(lines.any(|line| line.contains("stdout cannot be written")), "it says so, and goes on");
    let pid = rustix::process::Pid::from_child(&running);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it was running");
    assert_eq!(running.wait().expect("it is reaped").code(), Some(0), "{:?}", lines.collect::<Vec<_>>());
}
