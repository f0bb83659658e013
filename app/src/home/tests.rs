#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed expectation is a failed test"
)]

use std::{env, fs, io, process::Command};

use super::{FileName, Home, HomeError, fuse};

const CHILD: &str = "DCHAT_TEST_LOCK_HOME";

#[test]
fn a_new_home_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path().join("a/b")).unwrap();
    assert!(home.dir().is_dir());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(home.dir()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

#[test]
fn a_file_in_the_way_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "x").unwrap();
    let error = Home::open(&path).unwrap_err();
    assert!(matches!(error, HomeError::NotADirectory { .. }));
    assert!(error.to_string().contains("--home"));
}

/// The other half of the two lock tests: this binary again, as a second process.
#[test]
fn lock_child() {
    let Some(dir) = env::var_os(CHILD) else {
        return;
    };
    match Home::open(dir).unwrap().lock() {
        Ok(_locked) => std::process::abort(),
        Err(HomeError::InUse { process, .. }) => println!("refused because of {process:?}"),
        Err(other) => panic!("{other}"),
    }
}

fn try_in_a_second_process(home: &Home) -> (bool, String) {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "home::tests::lock_child", "--nocapture"])
        .env(CHILD, home.dir())
        .output()
        .unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

#[test]
fn a_second_process_is_refused_and_told_by_whom() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    let _locked = home.lock().unwrap();
    let (refused, said) = try_in_a_second_process(&home);
    assert!(refused);
    assert!(
        said.contains(&format!("refused because of Some({})", std::process::id())),
        "{said}"
    );
}

#[test]
fn the_lock_of_a_killed_process_is_free_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    // The child gets the lock and aborts while it holds it.
    let (refused, _) = try_in_a_second_process(&home);
    assert!(!refused);
    home.lock().unwrap();
}

#[test]
fn a_dropped_lock_can_be_taken_again() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    let locked = home.lock().unwrap();
    assert!(matches!(home.lock(), Err(HomeError::InUse { .. })));
    drop(locked);
    home.lock_waiting().unwrap();
}

#[test]
fn a_replacement_cut_short_anywhere_leaves_old_or_new() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap().lock().unwrap();
    for effects in 0..=4 {
        home.replace(FileName::Config, b"old").unwrap();
        fuse::set(Some(effects));
        let cut = home.replace(FileName::Config, b"new").is_err();
        fuse::set(None);
        assert_eq!(cut, effects < 4);
        let found = home.read(FileName::Config, 100).unwrap().unwrap();
        assert!(found == b"old" || found == b"new");
        if !cut {
            assert_eq!(found, b"new");
        }
    }
}

#[test]
fn a_file_over_its_limit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap().lock().unwrap();
    home.replace(FileName::Config, &[b'x'; 101]).unwrap();
    assert_eq!(
        home.read(FileName::Config, 100).unwrap_err().kind(),
        io::ErrorKind::FileTooLarge
    );
    assert_eq!(home.read(FileName::Vault, 100).unwrap(), None);
}
