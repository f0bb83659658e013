//! What the binary does before it needs a node: usage, settings, and the texts it prints itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod support;

use std::{fs, process::Stdio};

use support::command::{Ended, bare, ended};
use support::home::Home;

/// One line that says what happened and what to do, exit code 2, nothing on standard output.
fn assert_usage(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert_eq!(ended.out, "");
    assert!(ended.err.starts_with("dchat: "), "{ended:?}");
    assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
    assert!(ended.err.trim_end().ends_with(['.', '?']), "{ended:?}");
    for word in words {
        assert!(ended.err.contains(word), "{word}: {ended:?}");
    }
}

#[test]
fn what_makes_no_sense_is_a_usage_error_in_one_line() {
    let home = Home::new();
    for (args, words) in [
        (&["dance"][..], &["dance", "--help"][..]),
        (&["send"], &["<TO>", "<TEXT>"]),
        (&["send", "bob"], &["<TEXT>"]),
        (&["send", "bob", "a", "b"], &["'b'"]),
        (&["send", "bob", ""], &["empty"]),
        (&["send", "", "hi"], &["empty"]),
        (
            &["send", "bob", "hi", "--wait", "seen"],
            &["seen", "delivered"],
        ),
        (&["send", "bob", "hi", "--timeout", "-1"], &["--timeout"]),
        (
            &["send", "bob", "hi", "--timeout", "soon"],
            &["--timeout", "soon"],
        ),
        (&["send", "bob", "hi", "--ttl", "never"], &["--ttl", "7d"]),
        (&["send", "#", "hi"], &["room", "empty"]),
        (&["send", "@", "hi"], &["empty"]),
        (&["room", "join", "two words"], &["spaces"]),
        (&["group", "invite", "friends"], &["<TO>"]),
        (
            &["group", "policy", "friends", "late=never"],
            &["late=none"],
        ),
        (&["history", "bob", "-n", "many"], &["many"]),
        (&["history", "bob", "-n", "0"], &["1..=100000"]),
        (&["search"], &["<WORDS>"]),
        (&["completions", "cmd"], &["cmd", "bash", "zsh", "fish"]),
        (&["init", "--name", ""], &["name"]),
        (&["passphrase"], &["--help"]),
        (&["--json"], &["--json"]),
        (&["--frobnicate"], &["--frobnicate"]),
        (&["id", "--home"], &["--home"]),
    ] {
        assert_usage(&home.run(args), words);
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn terminal_control_in_arguments_comes_back_harmless() {
    let home = Home::new();
    let refused = home.run(&["send", "bob", "hi", "--timeout", "\u{1b}[31m\u{7}\n1"]);
    assert_usage(&refused, &["␛[31m␇ 1"]);
    let refused = home.run(&["\u{1b}]0;title\u{7}"]);
    assert_usage(&refused, &[]);
    assert!(
        !refused.err.trim_end().chars().any(char::is_control),
        "{refused:?}"
    );
}

#[test]
fn text_that_is_not_utf8_is_a_usage_error() {
    use std::os::unix::ffi::OsStrExt as _;
    let home = Home::new();
    let mut command = home.command(&["send", "bob"]);
    command.arg(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    assert_usage(&ended(&mut command, ""), &["UTF-8"]);
}

#[test]
fn bad_standard_input_is_refused_before_anything_is_opened() {
    let home = Home::new();
    let args = ["send", "bob", "-"];
    assert_usage(&home.run_with_input(&args, "\n"), &["empty"]);
    let long = "x".repeat(64 * 1024 + 1);
    assert_usage(&home.run_with_input(&args, &long), &["65536"]);
    assert_usage(&home.run(&args), &["empty"]);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn what_this_version_cannot_do_yet_is_not_ignored() {
    let home = Home::new();
    assert_usage(
        &home.run(&["daemon", "--role", "relay,mailbox"]),
        &["--role", "yet"],
    );
}

#[test]
fn addresses_are_checked_before_the_node_starts() {
    let home = Home::new();
    for (args, words) in [
        (
            ["daemon", "--listen", "localhost:1"],
            ["--listen", "localhost:1"],
        ),
        (
            ["daemon", "--dial", "/ip4/192.0.2.1/tcp/1"],
            ["--dial", "quic-v1"],
        ),
        (
            ["daemon", "--bootstrap", "/ip4/0.0.0.0/udp/1/quic-v1"],
            ["--bootstrap", "own address"],
        ),
        (
            ["daemon", "--relay", "/ip4/192.0.2.1/udp/0/quic-v1"],
            ["--relay", "own address"],
        ),
        (["daemon", "--stun", "nowhere"], ["--stun", "host:port"]),
    ] {
        assert_usage(&home.run(&args), &words);
    }
}

#[test]
fn a_config_with_an_unknown_key_is_refused_with_line_and_key() {
    let home = Home::new();
    fs::write(
        home.path().join("config.toml"),
        "mdns = true\n\nlisten_on = []\n",
    )
    .unwrap();
    assert_usage(&home.run(&["id"]), &["config.toml", "line 3", "listen_on"]);
}

#[test]
fn a_config_with_a_wrong_value_is_refused_with_its_line() {
    let home = Home::new();
    fs::write(
        home.path().join("config.toml"),
        "dial = [\n  \"nowhere\"\n]\n",
    )
    .unwrap();
    assert_usage(&home.run(&["id"]), &["line 2", "dial", "nowhere"]);
    fs::write(home.path().join("config.toml"), "mdns = \"maybe\"\n").unwrap();
    assert_usage(&home.run(&["id"]), &["line 1", "boolean"]);
}

#[test]
fn a_config_that_cannot_be_read_is_the_machines_fault() {
    let home = Home::new();
    fs::create_dir(home.path().join("config.toml")).unwrap();
    let failed = home.run(&["id"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.err.contains("cannot read") && failed.out.is_empty());
}

#[test]
fn a_wrong_variable_is_named() {
    let home = Home::new();
    let mut command = home.command(&["id"]);
    command.env("DCHAT_MDNS", "perhaps").stdin(Stdio::null());
    assert_usage(&ended(&mut command, ""), &["DCHAT_MDNS"]);
    let mut command = home.command(&["id"]);
    command.env("DCHAT_LOG", "dchat=loud").stdin(Stdio::null());
    assert_usage(&ended(&mut command, ""), &["dchat=loud"]);
}

#[test]
fn without_a_place_for_the_profile_one_is_asked_for() {
    let mut command = bare(&["id"]);
    command
        .env_remove("HOME")
        .env_remove("XDG_DATA_HOME")
        .stdin(Stdio::null());
    assert_usage(&ended(&mut command, ""), &["--home"]);
}

#[test]
fn a_passphrase_file_that_is_not_there_is_named() {
    let home = Home::new();
    let failed = home.run(&["id", "--passphrase-file", "/nowhere/at/all"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.err.contains("/nowhere/at/all"));
}

#[test]
fn completions_know_every_verb() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.run(&["completions", shell]);
        assert_eq!((script.code, script.err.as_str()), (Some(0), ""));
        for verb in ["daemon", "invite", "history", "passphrase"] {
            assert!(script.out.contains(verb), "{shell}: {verb}");
        }
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn the_bash_completions_load() {
    let script = Home::new().run(&["completions", "bash"]);
    let mut bash = std::process::Command::new("bash");
    bash.args(["--norc", "-s"]);
    let loaded = ended(&mut bash, &format!("{}\ncomplete -p dchat\n", script.out));
    assert_eq!(
        (loaded.code, loaded.err.as_str()),
        (Some(0), ""),
        "{loaded:?}"
    );
    assert!(loaded.out.contains("-F _dchat"), "{loaded:?}");
}

#[test]
fn manual_pages_are_printed_and_written() {
    let home = Home::new();
    let page = home.run(&["man"]);
    assert_eq!(page.code, Some(0));
    assert!(page.out.contains(".TH dchat 1"));
    let dir = home.path().join("man");
    let written = home.run(&["man", dir.to_str().unwrap()]);
    assert_eq!((written.code, written.out.as_str()), (Some(0), ""));
    for page in ["dchat.1", "dchat-send.1", "dchat-passphrase-set.1"] {
        let text = fs::read_to_string(dir.join(page)).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
    assert!(!dir.join("dchat-help.1").exists());
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let mut shell = std::process::Command::new("bash");
    let binary = env!("CARGO_BIN_EXE_dchat");
    shell.args([
        "-c",
        &format!("set -o pipefail; {binary} completions bash | head -1"),
    ]);
    let piped = ended(&mut shell, "");
    assert_eq!((piped.code, piped.err.as_str()), (Some(0), ""), "{piped:?}");
}

#[test]
fn the_version_is_told() {
    let version = Home::new().run(&["--version"]);
    assert_eq!(version.code, Some(0));
    assert_eq!(
        version.out,
        format!("dchat {}\n", env!("CARGO_PKG_VERSION"))
    );
}

/// The help texts, so that a change to the contract shows in review. `UPDATE_SNAPSHOTS=1` writes them.
#[test]
fn the_help_is_what_was_agreed() {
    let home = Home::new();
    let mut all = String::new();
    let verbs = [
        "",
        "init",
        "id",
        "daemon",
        "invite",
        "add",
        "contacts",
        "rename",
        "remove",
        "requests",
        "accept",
        "refuse",
        "send",
        "recv",
        "history",
        "search",
        "peers",
        "status",
        "doctor",
        "room",
        "room join",
        "room leave",
        "room list",
        "room members",
        "group",
        "group create",
        "group invite",
        "group accept",
        "group leave",
        "group remove",
        "group promote",
        "group members",
        "group rename",
        "group policy",
        "group list",
        "dht",
        "dht find",
        "dht get",
        "dht put",
        "dht stat",
        "passphrase",
        "completions",
        "man",
    ];
    for verb in verbs {
        let args: Vec<_> = [verb, "-h"]
            .into_iter()
            .flat_map(str::split_whitespace)
            .collect();
        let help = home.run(&args);
        assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
        all.push_str(&format!("$ dchat {}\n{}\n", args.join(" "), help.out));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/help.txt");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(path, &all).unwrap();
    }
    let agreed = fs::read_to_string(path).unwrap();
    for (line, (is, was)) in all.lines().zip(agreed.lines()).enumerate() {
        assert_eq!(is, was, "line {} of {path}", line + 1);
    }
    assert_eq!(all, agreed);
}
